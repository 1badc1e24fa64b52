import type { DataTable } from '../render/table';
import { cellText, isScore, tableCsv } from '../render/table';
import { el, replace } from './dom';
import { actionButton } from './controls';

/** What the dialog asks of the page. */
export interface TableHost {
  copy(text: string): void;
  save(suggestedName: string, content: string): void;
}

/** More rows than this are shown by their beginning; copies and files hold all. */
const ROWS_SHOWN = 2000;

/** The tables behind the pictures: one dialog, a list of tables, copy and CSV. */
export class TableDialog {
  readonly #dialog = el('dialog.tables', { 'aria-labelledby': 'table-title' });
  readonly #host: TableHost;
  #tables: readonly DataTable[] = [];
  #shown = '';

  constructor(host: TableHost) {
    this.#host = host;
    document.body.append(this.#dialog);
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  get open(): boolean {
    return this.#dialog.open;
  }

  /** Opens at the table with this id, or at the first. Focus returns to where it was when the dialog closes. */
  show(tables: readonly DataTable[], id?: string): void {
    if (tables.length === 0) return;
    this.#tables = tables;
    this.#shown = tables.find((table) => table.id === id)?.id ?? tables[0]?.id ?? '';
    this.#render();
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#dialog.querySelector<HTMLElement>('.table-scroll')?.focus();
  }

  #render(): void {
    const table = this.#tables.find((candidate) => candidate.id === this.#shown);
    if (!table) return;
    const chooser = el('select.select', { 'aria-label': 'Table', onchange: () => {
      this.#shown = chooser.value;
      this.#render();
      this.#dialog.querySelector<HTMLSelectElement>('select')?.focus();
    } }, this.#tables.map((candidate) => el('option', { value: candidate.id, selected: candidate.id === this.#shown }, candidate.title)));
    const csv = (): string => tableCsv(table);
    const numeric = table.columns.map((_, column) => table.rows.some((row) => typeof row[column] === 'number'));
    const rows = table.rows.slice(0, ROWS_SHOWN);
    const head = el('tr', {}, table.columns.map((name, i) => el('th', { scope: 'col', class: numeric[i] ? 'r' : null }, name)));
    const body = rows.map((row) => el('tr', {}, row.map((cell, i) => {
      const told = isScore(cell) && cell.p !== null && cell.p >= 0.05;
      return el(i === 0 ? 'th' : 'td', { scope: i === 0 ? 'row' : null, class: [numeric[i] ? 'r' : '', told ? 'inside-text' : ''].join(' ').trim() || null }, cellText(cell));
    })));
    replace(this.#dialog,
      el('div.table-head', {},
        el('h2', { id: 'table-title' }, table.title), chooser, el('span.grow'),
        actionButton('Copy', 'copy', () => this.#host.copy(csv())),
        actionButton('CSV\u2026', 'export', () => this.#host.save(`${table.id}.csv`, csv())),
        actionButton('Close', 'close', () => this.#dialog.close())),
      el('p.note', {}, table.note),
      el('div.table-scroll', { tabindex: 0, role: 'region', 'aria-label': table.title },
        el('table', {}, el('thead', {}, head), el('tbody', {}, body))),
      table.rows.length > rows.length && el('p.note', {}, `The first ${ROWS_SHOWN} of ${table.rows.length} rows; copy and CSV hold all.`));
  }
}
