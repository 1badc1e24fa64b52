/** Edits (insert, delete, replace, swap neighbours) that turn one text into the other; letters' case and - _ count as equal. */
export function editDistance(a: string, b: string): number {
  const x = fold(a), y = fold(b);
  let before: number[] = [], last = Array.from({ length: y.length + 1 }, (_, j) => j);
  for (let i = 1; i <= x.length; i++) {
    const row = [i];
    for (let j = 1; j <= y.length; j++) {
      const same = x[i - 1] === y[j - 1];
      let best = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && x[i - 1] === y[j - 2] && x[i - 2] === y[j - 1]) best = Math.min(best, before[j - 2] + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[y.length];
}

function fold(text: string): string {
  return text.slice(0, 80).toLowerCase().replaceAll('-', '_').replaceAll(' ', '_');
}

/** The known name that a misspelt one most likely means; undefined where none is near. */
export function nearest(text: string, known: readonly string[]): string | undefined {
  let best: string | undefined, least = Infinity;
  for (const name of known) {
    const distance = editDistance(text, name);
    if (distance < least) [best, least] = [name, distance];
  }
  return best !== undefined && least <= Math.max(1, Math.floor(Math.max(text.length, best.length) / 3)) ? best : undefined;
}
