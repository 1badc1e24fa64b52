import type { Score } from '../../extension/protocol/score';
import { formatNumber, formatScore } from '../../extension/protocol/score';

/** A cell is text, a plain number (null where there is none) or a score, which always shows all its parts. */
export type Cell = string | number | null | Score;
export interface DataTable {
  /** Short name for lists of tables. */
  readonly id: string;
  readonly title: string;
  /** What the numbers are and what their null is. */
  readonly note: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** The columns into which a score is spread in a file. */
const SCORE_COLUMNS = ['value', 'low', 'high', 'null', 'null sd', 'null draws', 'z', 'p', 'n', 'n of', 'unit', 'null is'] as const;

export function isScore(cell: Cell): cell is Score {
  return typeof cell === 'object' && cell !== null;
}

/** A cell as one line of text. */
export function cellText(cell: Cell): string {
  if (cell === null) return '\u2013';
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return formatNumber(cell);
  const text = formatScore(cell);
  return cell.value === null ? text.verdict : `${text.value}, ${text.null}, ${text.n}, ${text.verdict}`;
}

/** A table as CSV (RFC 4180, CRLF): full precision, each score spread over all its parts, the note as the last line. */
export function tableCsv(table: DataTable): string {
  const scored = table.columns.map((_, column) => table.rows.some((row) => isScore(row[column] ?? null)));
  const header = table.columns.flatMap((name, i) => (scored[i] ? SCORE_COLUMNS.map((part) => `${name}: ${part}`) : [name]));
  const lines = table.rows.map((row) =>
    table.columns.flatMap((_, i): string[] => {
      const cell = row[i] ?? null;
      if (!scored[i]) return [plain(cell)];
      if (!isScore(cell)) return SCORE_COLUMNS.map((_part, k) => (k === 0 ? plain(cell) : ''));
      return [cell.value, cell.interval?.[0] ?? null, cell.interval?.[1] ?? null, cell.null, cell.nullSd, cell.nullDraws, cell.z, cell.p, cell.n, cell.nOf, cell.unit, cell.nullKind].map(plain);
    }),
  );
  return [header, ...lines, [`# ${table.note}`]].map((line) => line.map(quoted).join(',') + '\r\n').join('');
}

function plain(cell: Cell): string {
  return cell === null ? '' : isScore(cell) ? cellText(cell) : typeof cell === 'number' ? (Number.isFinite(cell) ? String(cell) : '') : cell;
}

/** Quotes what needs it; a leading = + - @ that is not a number is kept from becoming a formula in a spreadsheet. */
function quoted(field: string): string {
  const safe = /^[=+@\t\r]|^-(?![\d.])/.test(field) ? `'${field}` : field;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
