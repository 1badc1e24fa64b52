/** Lines of a text: where each begins, and where its characters end (before `\n`, `\r` or `\r\n`). */
export class LineTable {
  readonly starts: Int32Array;
  readonly ends: Int32Array;

  constructor(readonly text: string) {
    const starts = [0];
    const ends: number[] = [];
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code !== 10 && code !== 13) continue;
      ends.push(i);
      if (code === 13 && text.charCodeAt(i + 1) === 10) i++;
      starts.push(i + 1);
    }
    ends.push(text.length);
    this.starts = Int32Array.from(starts);
    this.ends = Int32Array.from(ends);
  }

  get count(): number {
    return this.starts.length;
  }

  /** The line that an offset lies in; the characters of a line end belong to their line. */
  lineOf(offset: number): number {
    return lastAtMost(this.starts, offset);
  }

  lineText(line: number): string {
    return this.text.slice(this.starts[line], this.ends[line]);
  }

  isBlank(line: number): boolean {
    return /^\s*$/.test(this.lineText(line));
  }
}

/** Index of the last entry of an ascending array that is at most `value`; 0 when there is none. */
export function lastAtMost(ascending: Int32Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ascending[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
