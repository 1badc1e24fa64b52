/** A value that JSON can hold, with undefined members left out. */
export type JsonLike = string | number | boolean | null | undefined | readonly JsonLike[] | { readonly [key: string]: JsonLike };

/**
 * JSON text that is the same for equal values: object members sorted by key, undefined members left out.
 * @throws TypeError for numbers that JSON cannot hold, because NaN and null would share a key
 */
export function canonicalJson(value: JsonLike): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} cannot be part of a key`);
  if (value === undefined) return 'null';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: JsonLike) => canonicalJson(item)).join(',')}]`;
  const members = Object.entries(value as { readonly [key: string]: JsonLike }).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
}
