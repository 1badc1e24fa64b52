import type { TensorEntry, TensorStatistics } from '../../extension/protocol/documents';

/** What the words of the filter ask for; a tensor must match all of them. */
export interface Filter {
  /** Lower-case parts of names. */
  readonly words: readonly string[];
  readonly dtypes: readonly string[];
  readonly shapes: readonly (readonly (number | null)[])[];
  readonly sizes: readonly { readonly sign: '>' | '<'; readonly bytes: number }[];
  /** Only tensors whose statistics found such values. */
  readonly nan: boolean;
  readonly inf: boolean;
  readonly zero: boolean;
  /** Words that looked like a condition but could not be read. */
  readonly wrong: readonly string[];
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };

/** Reads `down dtype:f32 shape:[*,2048] size:>1GB nan`. */
export function parseFilter(text: string): Filter {
  const words: string[] = [];
  const dtypes: string[] = [];
  const shapes: (number | null)[][] = [];
  const sizes: { sign: '>' | '<'; bytes: number }[] = [];
  const wrong: string[] = [];
  let nan = false;
  let inf = false;
  let zero = false;
  for (const word of text.toLowerCase().match(/shape:\s*\[[^\]]*\]|\S+/g) ?? []) {
    if (word.startsWith('dtype:')) {
      if (word.length > 6) dtypes.push(word.slice(6));
    } else if (word.startsWith('shape:')) {
      const inside = /^shape:\s*\[?([^\]]*)\]?$/.exec(word)?.[1] ?? '';
      const parts = inside.split(/[,x\u00d7\s]+/).filter(Boolean);
      if (parts.length > 0 && parts.every((part) => part === '*' || /^\d+$/.test(part))) shapes.push(parts.map((part) => (part === '*' ? null : Number(part))));
      else if (inside !== '') wrong.push(word);
    } else if (word.startsWith('size:')) {
      const match = /^size:([<>])(\d+(?:\.\d+)?)([kmg]i?b|b)?$/.exec(word);
      if (match) sizes.push({ sign: match[1] as '>' | '<', bytes: Number(match[2]) * (UNITS[match[3] ?? ''] ?? 1) });
      else wrong.push(word);
    } else if (word === 'nan') nan = true;
    else if (word === 'inf') inf = true;
    else if (word === 'zero') zero = true;
    else words.push(word);
  }
  return { words, dtypes, shapes, sizes, nan, inf, zero, wrong };
}

export function isEmpty(filter: Filter): boolean {
  return filter.words.length + filter.dtypes.length + filter.shapes.length + filter.sizes.length === 0 && !filter.nan && !filter.inf && !filter.zero;
}

/** Indices of the tensors that match, in order. `lowerNames` are the names in lower case, made once. */
export function matching(tensors: readonly TensorEntry[], lowerNames: readonly string[], filter: Filter, statisticsOf: (name: string) => TensorStatistics | null): Int32Array {
  const found: number[] = [];
  for (let i = 0; i < tensors.length; i++) {
    const tensor = tensors[i];
    const name = lowerNames[i];
    if (!tensor || name === undefined) continue;
    if (!filter.words.every((word) => name.includes(word))) continue;
    if (filter.dtypes.length > 0 && !filter.dtypes.includes(tensor.dtype.toLowerCase())) continue;
    if (!filter.shapes.every((shape) => fits(tensor.shape, shape))) continue;
    if (!filter.sizes.every((size) => (size.sign === '>' ? tensor.bytes > size.bytes : tensor.bytes < size.bytes))) continue;
    if (filter.nan || filter.inf || filter.zero) {
      const statistics = statisticsOf(tensor.name);
      if (!statistics) continue;
      if (filter.nan && statistics.nan === 0) continue;
      if (filter.inf && statistics.infinite === 0) continue;
      if (filter.zero && statistics.zeros < statistics.elements) continue;
    }
    found.push(i);
  }
  return Int32Array.from(found);
}

function fits(shape: readonly number[], wanted: readonly (number | null)[]): boolean {
  return shape.length === wanted.length && wanted.every((size, i) => size === null || size === shape[i]);
}

/** A name cut into parts that match (bold) and parts that do not. */
export function highlighted(name: string, words: readonly string[]): readonly { readonly text: string; readonly match: boolean }[] {
  const lower = name.toLowerCase();
  if (lower.length !== name.length) return [{ text: name, match: false }];
  const inside = new Uint8Array(name.length);
  for (const word of words) {
    for (let at = lower.indexOf(word); at >= 0 && word !== ''; at = lower.indexOf(word, at + word.length)) inside.fill(1, at, at + word.length);
  }
  const parts: { text: string; match: boolean }[] = [];
  for (let i = 0; i < name.length; ) {
    let j = i;
    while (j < name.length && inside[j] === inside[i]) j++;
    parts.push({ text: name.slice(i, j), match: inside[i] === 1 });
    i = j;
  }
  return parts;
}
