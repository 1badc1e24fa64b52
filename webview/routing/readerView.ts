import { NEAR_TIE } from '../../extension/protocol/routing';
import { formatNumber } from '../../extension/protocol/score';
import type { StripLayout, TokenLine } from '../render/routingRaster';
import { drawStrip, lineTokenAt, shownToken, stripLayout, stripRowAt, wrapTokens } from '../render/routingRaster';
import { BEFORE, NONE } from '../render/routingCarry';
import { ranked } from '../render/routingTrace';
import { slotValue } from '../render/routingValues';
import { drawMarks } from '../ui/drawCanvas';
import { el, replace, setCss } from '../ui/dom';
import { monoMeasure } from '../ui/fonts';
import { TiledCanvas } from '../ui/tiles';
import type { PageContext } from './context';
import { fullMargin, tokenWords } from './denseView';

const TEXT_SIZE = 12;
const NAMES = 34;
/** More lines than this are not put into the page at once. */
const MOST_LINES = 48;
/** Pixels of a line's layers that are drawn in one go. */
const BAND = 192;

interface ShownLine {
  readonly line: TokenLine;
  readonly words: readonly HTMLElement[];
  readonly column: HTMLElement;
  readonly row: HTMLElement;
  readonly names: readonly HTMLElement[];
  readonly tiles: TiledCanvas;
  readonly strip: HTMLElement;
  /** What is marked: the chosen site, the place of the chosen token in the line, the pinned ones; -1 before the first time. */
  readonly marked: { site: number; at: number; pins: string };
}

/** A window on one text: its tokens as they wrap, with all sites under each line. */
export function readerView(context: PageContext): { readonly node: HTMLElement; render(width: number, most: number): void; follow(): void; mark(): void; data(sites: ReadonlySet<number> | null): void; window(): readonly [number, number] | null; hidden(): number; tokens(): readonly number[]; at(event: MouseEvent): { readonly token: number; readonly site: number } | null } {
  const { model } = context;
  const node = el('div.strips');
  let lines: readonly TokenLine[] = [];
  /** Canvases by line of the window: the next trace is drawn over the old one, so that nothing is blank in between. */
  const canvases: { tiles: TiledCanvas; line: TokenLine }[] = [];
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
    if (!head) return;
    const visible = lines.slice(first, first + most);
    shown = visible.map((line, l): ShownLine => {
      const wide = line.x[line.x.length - 1] ?? 0;
      const words = line.tokens.map((t, i) => {
        const token = head.tokens[t];
        return el('span.tok', { class: `tok${token?.special ? ' special' : ''}`, css: { width: `${(line.x[i + 1] ?? 0) - (line.x[i] ?? 0)}px` } }, token ? shownToken(token) : '');
      });
      const { tiles } = canvasFor(l, line);
      // As wide as any line, so that a line that becomes longer keeps its canvas.
      tiles.resize(Math.max(wide, width - NAMES), layout.height);
      const column = el('div.token-column', { hidden: true });
      const row = el('div.site-row');
      const strip = el('div.strip', { css: { width: `${wide}px`, height: `${layout.height}px` } }, tiles.node, row, column);
      const names = rows.map((r, s) => el('span', { css: { top: `${layout.y[s] ?? 0}px`, height: `${layout.row}px`, 'line-height': `${layout.row}px` } }, layout.row >= 14 ? r.name : r.first ? String(r.layer) : ''));
      return { line, words, column, row, names, tiles, strip, marked: { site: -1, at: -1, pins: '' } };
    });
    for (const unused of canvases.splice(shown.length)) unused.tiles.dispose();
    replace(node, shown.map((line) => el('div.line', {}, el('div.row-names', { css: { width: `${NAMES - 6}px` }, 'aria-hidden': 'true' }, line.names), el('div.line-body', {}, el('div.toks', {}, line.words), line.strip))));
    mark();
  };

  const canvasFor = (l: number, line: TokenLine): { tiles: TiledCanvas; line: TokenLine } => {
    const known = canvases[l];
    if (known) {
      known.line = line;
      return known;
    }
    const made = { line, tiles: new TiledCanvas((ink, _x, y, _w, h) => {
      const touched = model.rows.map((_, s) => ((layout.y[s] ?? 0) + layout.row > y && (layout.y[s] ?? 0) < y + h ? model.shown(s) : null));
      drawMarks(ink, drawStrip(made.line, layout, touched, model.axis, context.palette(), fullMargin(context), y, y + h, (numbers, token) => model.tokenState(numbers, token)).marks, (colour) => colour);
    }, BAND) };
    canvases[l] = made;
    return made;
  };

  const mark = (): void => {
    const { token, site } = model;
    const { pinned } = model.selection;
    const pins = pinned.join();
    for (const line of shown) {
      // Only what changed is touched: hundreds of words and names would be laid out again at every move of the pointer.
      const { marked } = line;
      const at = token === null ? -1 : line.line.tokens.indexOf(token);
      if (marked.at !== at) {
        line.column.hidden = at < 0;
        if (at >= 0) setCss(line.column, { transform: `translateX(${line.line.x[at] ?? 0}px)`, width: `${(line.line.x[at + 1] ?? 0) - (line.line.x[at] ?? 0)}px` });
        line.words[marked.at]?.classList.remove('on');
        line.words[at]?.classList.add('on');
        marked.at = at;
      }
      if (marked.pins !== pins) {
        line.words.forEach((word, i) => word.classList.toggle('pinned', pinned.includes(line.line.tokens[i] ?? -1)));
        marked.pins = pins;
      }
      if (marked.site === site) continue;
      setCss(line.row, { transform: `translateY(${(layout.y[site] ?? 0) - 1}px)`, height: `${layout.row + 1}px` });
      for (const s of [marked.site, site]) {
        const name = line.names[s];
        name?.classList.toggle('on', s === site);
        if (name && layout.row < 14) name.textContent = s === site ? model.rows[s]?.full ?? '' : model.rows[s]?.first ? String(model.rows[s]?.layer ?? '') : '';
      }
      marked.site = site;
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
    data(sites) {
      // With a scale that fits what is shown, the numbers of one site change the colours of all.
      if (sites === null || model.range === 'fit') for (const line of shown) line.tiles.invalidate();
      else for (const site of sites) for (const line of shown) line.tiles.invalidate(layout.y[site] ?? 0, (layout.y[site] ?? 0) + layout.row);
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
  const numbers = model.shown(site);
  const head = tokenWords(context, token);
  if (!row) return head;
  const state = numbers ? model.tokenState(numbers, token) : NONE;
  if (!numbers || state === NONE) return `${head}\n${row.words}: not here yet`;
  const { quantity } = model;
  const best = ranked(numbers, token).slice(0, 3).filter((entry, j) => j === 0 || entry.weight !== 0 || quantity !== 'weight');
  const margin = numbers.margins[token] ?? 0;
  return `${head}\n${row.words}: ${best.map((entry, j) => `${model.axis.columns[model.axis.columnOf(site, entry.expert)]?.mark ?? ''} ${formatNumber(slotValue(numbers, token, j, quantity))}`).join(', ')}${quantity === 'weight' ? '' : ` (${quantity})`}\n${quantity === 'weight' ? '' : `weight ${formatNumber(best[0]?.weight ?? null)}, `}margin ${formatNumber(margin)}${margin < NEAR_TIE ? ', near tie' : ''}; even weight ${formatNumber(1 / numbers.E)} of ${numbers.E}${state === BEFORE ? '\nfrom before the last edit' : ''}`;
}
