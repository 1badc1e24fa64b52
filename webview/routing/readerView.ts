import { NEAR_TIE } from '../../extension/protocol/routing';
import { formatNumber } from '../../extension/protocol/score';
import type { StripLayout, TokenLine } from '../render/routingRaster';
import { drawStrip, lineTokenAt, shownToken, stripLayout, stripRowAt, wrapTokens } from '../render/routingRaster';
import { ranked } from '../render/routingTrace';
import { drawMark } from '../ui/drawCanvas';
import { el, replace, setCss } from '../ui/dom';
import { monoMeasure } from '../ui/fonts';
import { TiledCanvas } from '../ui/tiles';
import type { PageContext } from './context';
import { fullMargin, tokenWords } from './denseView';

const TEXT_SIZE = 12;
const NAMES = 34;
/** More lines than this are not put into the page at once. */
const MOST_LINES = 48;

interface ShownLine {
  readonly line: TokenLine;
  readonly words: readonly HTMLElement[];
  readonly column: HTMLElement;
  readonly row: HTMLElement;
  readonly names: readonly HTMLElement[];
  readonly tiles: TiledCanvas;
  readonly strip: HTMLElement;
  /** The site that is marked as chosen; -1 before the first time. */
  readonly marked: { site: number };
}

/** A window on one text: its tokens as they wrap, with all sites under each line. */
export function readerView(context: PageContext): { readonly node: HTMLElement; render(width: number, most: number): void; follow(): void; mark(): void; data(): void; window(): readonly [number, number] | null; hidden(): number; tokens(): readonly number[]; at(event: MouseEvent): { readonly token: number; readonly site: number } | null } {
  const { model } = context;
  const node = el('div.strips');
  let lines: readonly TokenLine[] = [];
  let shown: readonly ShownLine[] = [];
  let layout: StripLayout = { row: 14, y: [], height: 0 };
  let record = -1;
  let first = 0;
  let most = 2;
  let width = 0;
  let measure: ((text: string) => number) | null = null;

  const lineOf = (token: number): number => lines.findIndex((line) => (line.tokens[0] ?? 0) <= token && token <= (line.tokens[line.tokens.length - 1] ?? -1));

  const build = (): void => {
    const { head, rows } = model;
    for (const line of shown) line.tiles.dispose();
    if (!head) return;
    const visible = lines.slice(first, first + most);
    shown = visible.map((line): ShownLine => {
      const wide = line.x[line.x.length - 1] ?? 0;
      const words = line.tokens.map((t, i) => {
        const token = head.tokens[t];
        return el('span.tok', { class: `tok${token?.special ? ' special' : ''}`, css: { width: `${(line.x[i + 1] ?? 0) - (line.x[i] ?? 0)}px` } }, token ? shownToken(token) : '');
      });
      const tiles = new TiledCanvas((ink, _x, y, _w, h) => {
        const numbers = rows.map((_, s) => model.numbers(s));
        for (const mark of drawStrip(line, layout, numbers, model.axis, context.palette(), fullMargin(context), y, y + h).marks) drawMark(ink, mark, (colour) => colour);
      });
      tiles.resize(wide, layout.height);
      const column = el('div.token-column', { hidden: true });
      const row = el('div.site-row');
      const strip = el('div.strip', { css: { width: `${wide}px`, height: `${layout.height}px` } }, tiles.node, row, column);
      const names = rows.map((r, s) => el('span', { css: { top: `${layout.y[s] ?? 0}px`, height: `${layout.row}px`, 'line-height': `${layout.row}px` } }, layout.row >= 14 ? r.name : r.first ? String(r.layer) : ''));
      return { line, words, column, row, names, tiles, strip, marked: { site: -1 } };
    });
    replace(node, shown.map((line) => el('div.line', {}, el('div.row-names', { css: { width: `${NAMES - 6}px` }, 'aria-hidden': 'true' }, line.names), el('div.line-body', {}, el('div.toks', {}, line.words), line.strip))));
    mark();
  };

  const mark = (): void => {
    const { token, site } = model;
    const { pinned } = model.selection;
    for (const line of shown) {
      const at = token === null ? -1 : line.line.tokens.indexOf(token);
      line.column.hidden = at < 0;
      if (at >= 0) setCss(line.column, { left: `${line.line.x[at] ?? 0}px`, width: `${(line.line.x[at + 1] ?? 0) - (line.line.x[at] ?? 0)}px` });
      line.words.forEach((word, i) => {
        word.classList.toggle('on', i === at);
        word.classList.toggle('pinned', pinned.includes(line.line.tokens[i] ?? -1));
      });
      // Only what changed is touched: hundreds of names would be laid out again at every move of the pointer.
      if (line.marked.site === site) continue;
      setCss(line.row, { top: `${(layout.y[site] ?? 0) - 1}px`, height: `${layout.row + 1}px` });
      for (const s of [line.marked.site, site]) {
        const name = line.names[s];
        name?.classList.toggle('on', s === site);
        if (name && layout.row < 14) name.textContent = s === site ? model.rows[s]?.full ?? '' : model.rows[s]?.first ? String(model.rows[s]?.layer ?? '') : '';
      }
      line.marked.site = site;
    }
  };

  const layOut = (): void => {
    const { head } = model;
    if (!head) return;
    measure ??= monoMeasure(TEXT_SIZE);
    layout = stripLayout(model.rows);
    const anchor = model.anchor ?? model.token ?? head.records[Math.max(0, record)]?.from ?? 0;
    record = head.tokens[anchor]?.record ?? 0;
    lines = wrapTokens(head, record, width - NAMES, measure);
    first = Math.max(0, Math.min(lineOf(anchor), lines.length - most));
    build();
  };

  return {
    node, mark,
    render(nextWidth, nextMost) {
      width = nextWidth;
      most = Math.min(MOST_LINES, nextMost);
      measure = null;
      layOut();
    },
    follow() {
      const { head, anchor } = model;
      if (!head || anchor === null) return;
      if (head.tokens[anchor]?.record !== record) layOut();
      else {
        const line = lineOf(anchor);
        if (line < first || line >= first + most) {
          first = Math.max(0, Math.min(line, lines.length - most));
          build();
        }
      }
      mark();
    },
    data() {
      for (const line of shown) line.tiles.invalidate();
    },
    window() {
      const tokens = shown.flatMap((line) => line.line.tokens);
      return tokens.length > 0 ? [tokens[0] ?? 0, tokens[tokens.length - 1] ?? 0] : null;
    },
    hidden: () => lines.length - shown.length,
    tokens: () => shown.flatMap((line) => line.line.tokens),
    at(event) {
      for (const line of shown) {
        const box = line.strip.getBoundingClientRect();
        const x = event.clientX - box.left;
        const y = event.clientY - box.top;
        if (y < -24 || y >= box.height) continue;
        const at = lineTokenAt(line.line, x);
        if (at < 0) return null;
        return { token: line.line.tokens[at] ?? -1, site: y < 0 ? -1 : stripRowAt(layout, y) };
      }
      return null;
    },
  };
}

/** A cell of the raster in words: token, site, first experts, margin, what is even. */
export function cellWords(context: PageContext, token: number, site: number): string {
  const { model } = context;
  const row = model.rows[site];
  const numbers = model.numbers(site);
  const head = tokenWords(context, token);
  if (!row) return head;
  if (!numbers) return `${head}\n${row.words}: not here yet`;
  const best = ranked(numbers, token).slice(0, 3).filter((entry, j) => j === 0 || entry.weight !== 0);
  const margin = numbers.margins[token] ?? 0;
  return `${head}\n${row.words}: ${best.map((entry) => `${model.axis.columns[model.axis.columnOf(site, entry.expert)]?.mark ?? ''} ${formatNumber(entry.weight)}`).join(', ')}\nmargin ${formatNumber(margin)}${margin < NEAR_TIE ? ', near tie' : ''}; even weight ${formatNumber(1 / numbers.E)} of ${numbers.E}`;
}
