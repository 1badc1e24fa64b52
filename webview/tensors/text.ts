/** Shapes are code: no thin spaces in them, so that they can be copied. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** 106 GB, 8.39 MB, 256 B: decimal units, three digits. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? String(value) : value.toPrecision(3)} ${units[unit] ?? ''}`;
}

/** The page head of a name: the part that is dimmed and the part that says what it is (the last two parts). */
export function splitName(name: string): readonly [string, string] {
  const parts = name.split('.');
  const keep = Math.min(parts.length, 2);
  const head = parts.slice(0, parts.length - keep).join('.');
  return [head === '' ? '' : `${head}.`, parts.slice(parts.length - keep).join('.')];
}
