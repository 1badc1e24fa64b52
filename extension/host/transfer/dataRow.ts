/** Line of a data file (zero-based) that holds a row: blank lines are no rows. Null when the file has fewer. */
export function lineOfRow(text: string, row: number): number | null {
  let seen = -1;
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n/);
  for (let line = 0; line < lines.length; line++) {
    if ((lines[line] ?? '').trim() === '') continue;
    seen++;
    if (seen === row) return line;
  }
  return null;
}
