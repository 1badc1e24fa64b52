/** A stretch of a document that runs at once, and the ids in it that are scored. */
export interface Window {
  /** Ids [from, to) of the document. */
  readonly from: number;
  readonly to: number;
  /** Ids [scoreFrom, to) have not been seen by an earlier window. */
  readonly scoreFrom: number;
}

/**
 * Windows of the full context at a stride of half of it. Every id belongs to the first window that holds it: there it has
 * the longest left context of all. A document that fits is one window.
 */
export function windowsOf(length: number, context: number): readonly Window[] {
  const windows: Window[] = [], stride = Math.max(1, Math.floor(context / 2));
  let seen = 0;
  for (let from = 0; seen < length; from += stride) {
    const to = Math.min(from + context, length);
    windows.push({ from, to, scoreFrom: seen });
    seen = to;
  }
  return windows;
}
