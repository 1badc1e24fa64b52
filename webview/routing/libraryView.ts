import type { LibraryFacts, LibraryOverlaps, LibrarySimilarityKind } from '../../extension/protocol/routingLibrary';
import { SIMILARITY_SAYS } from '../../extension/protocol/routingLibrary';
import { formatNumber, isEvidence } from '../../extension/protocol/score';
import type { LibraryLayout, LibraryMeasure, MatrixLayout, PairMatrix } from '../render/routingLibrary';
import { adapterStyles, drawLibrary, drawMatrix, LIBRARY_MEASURES, libraryAt, libraryLayout, libraryLimit, libraryTip, matrixAt, matrixLayout, MEASURE_NAMES } from '../render/routingLibrary';
import { axisNumber, niceLimit } from '../render/routingScale';
import type { SiteRow } from '../render/routingTrace';
import { siteRows } from '../render/routingTrace';
import { scoreTip } from '../render/scoreText';
import { cellText } from '../render/table';
import { drawTrack } from '../render/track';
import { CallError, type PendingCall } from '../ui/bridge';
import { CanvasPicture } from '../ui/canvasPicture';
import { colourScale } from '../ui/colourScale';
import { linkButton } from '../ui/controls';
import { el, replace, setCss } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { picture, section } from './section';
import { chip } from './sliceView';

/** What the library's pictures are made of, for the tables behind them. */
export interface ShownLibrary {
  readonly facts: LibraryFacts;
  readonly overlaps: LibraryOverlaps | null;
  readonly rows: readonly SiteRow[];
}
type SiteKind = 'cosine' | 'direction' | 'readOverlap';
const SITE_KINDS: Readonly<Record<SiteKind, readonly [string, string]>> = {
  cosine: ['cosine of updates', 'Cosine of the updates as vectors; 0 for unrelated ones.'],
  direction: ['|cos| of directions', '|cos| of the directions that tokens are compared with: near 1, Arrow cannot tell the two apart.'],
  readOverlap: ['reads in common', 'O-LoRA\u2019s overlap, sum of |A A\u2032\u1d40|: 0 where two adapters read nothing in common.'],
};
/** Widest that the facts and the matrices are drawn. */
const WIDEST = 360;
/** Adapters that are named in the line above the pictures. */
const NAMES_MOST = 24;

/** What the weights of a library of adapters say: facts of each adapter at each linear map, how alike adapters are, groups. No text is run. */
export function libraryView(context: PageContext, host: HTMLElement): { shown(): ShownLibrary | null } {
  const { model, bridge } = context;
  const parts = section('library', 'Library of adapters');
  const status = el('p.note');
  const factsBox = picture('library-box', 'library', 'Linear maps by adapters. Arrow keys move the cell, Enter locks the row, T opens the table.');
  const pairsBox = picture('library-pairs', 'library-pairs', 'Pairs of adapters over all linear maps. Arrow keys move the cell, T opens the table.');
  const siteBox = picture('library-site', 'library-site', 'Pairs of adapters at the chosen linear map. Arrow keys move the cell, T opens the table.');
  const grid = el('div.library-grid', { hidden: true });
  parts.body.append(status, grid);
  const [factsCanvas, pairsCanvas, siteCanvas] = [new CanvasPicture(), new CanvasPicture(), new CanvasPicture()];
  const [factsMark, pairsMark, siteMark] = [el('div.cell-cursor', { hidden: true }), el('div.cell-cursor', { hidden: true }), el('div.cell-cursor', { hidden: true })];
  const part = (title: HTMLElement, controls: HTMLElement, box: HTMLElement, canvas: CanvasPicture, mark: HTMLElement, foot: HTMLElement): HTMLElement => {
    box.append(canvas.node, mark);
    return el('div.library-part', {}, el('div.part-head', {}, title, controls), box, foot);
  };
  const heading = (text: string): HTMLElement => el('h3', {}, text);
  const measureChoice = el('select.select', { 'aria-label': 'Fact', onchange: () => { measure = measureChoice.value as LibraryMeasure; render(); } }, Object.entries(MEASURE_NAMES).map(([value, text]) => el('option', { value }, text)));
  const kindChoice = el('select.select', { 'aria-label': 'Compared by', onchange: () => { kind = kindChoice.value as LibrarySimilarityKind; render(); } });
  const groupChoice = el('select.select', { 'aria-label': 'Groups', onchange: () => { clusters = Number(groupChoice.value); render(); } });
  const siteChoice = el('select.select', { 'aria-label': 'Compared at the linear map by', onchange: () => { siteKind = siteChoice.value as SiteKind; render(); } }, Object.entries(SITE_KINDS).map(([value, [text]]) => el('option', { value }, text)));
  siteChoice.value = 'direction';
  const siteTitle = heading('At one linear map');
  const [factsFoot, pairsFoot, siteFoot] = [el('div.library-foot'), el('div.library-foot'), el('div.library-foot')];
  const subtraction = el('p.library-general');
  const names = el('ul.library-names', { 'aria-label': 'Adapters' });
  grid.append(
    names,
    part(heading('Trust by linear map'), measureChoice, factsBox, factsCanvas, factsMark, factsFoot),
    part(heading('How alike adapters are'), el('span.part-tools', {}, kindChoice, groupChoice), pairsBox, pairsCanvas, pairsMark, pairsFoot),
    part(siteTitle, siteChoice, siteBox, siteCanvas, siteMark, siteFoot), subtraction);

  let key: string | null = null;
  let facts: LibraryFacts | null = null;
  let rows: readonly SiteRow[] = [];
  let overlaps: LibraryOverlaps | null = null;
  let failed: string | null = null;
  let pending: PendingCall<LibraryFacts> | null = null;
  let asking: PendingCall<LibraryOverlaps> | null = null;
  let askedSite = '';
  let measure: LibraryMeasure = 'ratio';
  let kind: LibrarySimilarityKind = 'update';
  let siteKind: SiteKind = 'direction';
  let clusters = 0;
  let layout: LibraryLayout | null = null;
  let pairs: { readonly matrix: PairMatrix; readonly layout: MatrixLayout } | null = null;
  let here: { readonly matrix: PairMatrix; readonly layout: MatrixLayout } | null = null;
  let visible = false;

  const ask = async (): Promise<void> => {
    if (key === null || pending || facts || failed) return;
    const asked = key;
    pending = bridge.call('routing/library', { path: '', modules: '' });
    render();
    try {
      const found = await pending.result;
      if (asked === key) [facts, rows, clusters] = [found, siteRows(found.sites), bestGroups(found)];
    } catch (error) {
      if (asked === key && error instanceof CallError) failed = error.record?.message ?? null;
    }
    if (asked === key) pending = null;
    render();
    askSite();
  };
  /** Linear map of the library at the page's chosen site, or the first. */
  const siteIndex = (): number => {
    const id = model.head?.sites[model.site]?.id;
    return Math.max(0, facts?.sites.findIndex((site) => site.id === id) ?? 0);
  };
  const askSite = (): void => {
    const site = facts?.sites[siteIndex()]?.id;
    if (site === undefined || site === askedSite || !visible) return;
    asking?.cancel();
    askedSite = site;
    const call = (asking = bridge.call('routing/libraryOverlaps', { path: '', modules: '', site }));
    call.result.then((found) => {
      if (askedSite !== site) return;
      overlaps = found;
      render();
    }, (error: unknown) => {
      if (error instanceof CallError && error.record) replace(siteFoot, el('p.note', {}, error.record.message));
    }).finally(() => {
      if (asking === call) asking = null;
    }).catch(() => undefined);
  };

  const render = (): void => {
    grid.hidden = facts === null;
    status.hidden = facts !== null;
    parts.caption.textContent = facts ? `${formatNumber(facts.adapters.length)} adapters at ${formatNumber(facts.sites.length)} linear maps; weights alone, no text was run` : '';
    if (!facts) {
      replace(status, pending ? 'Reading the adapters\u2019 factors\u2026' : failed ?? 'What the adapters\u2019 weights say is read when this comes into view.', ' ', failed !== null && linkButton('Try again', () => {
        failed = null;
        void ask();
      }));
      return;
    }
    const shown = facts;
    const styles = adapterStyles(shown, model.axis);
    const colours = { sequential: context.theme.sequential, diverging: context.theme.diverging };
    const palette = context.palette();
    const width = Math.min(WIDEST, Math.max(240, factsBox.clientWidth));
    layout = libraryLayout(rows, shown.adapters.length, width);
    factsCanvas.draw(drawLibrary(shown, rows, styles, measure, layout, siteIndex(), palette, colours), context.theme.resolve);
    replace(names, styles.slice(0, NAMES_MOST).map((style, a) => el('li', { tip: adapterWords(shown, a), tabindex: 0 }, chip(context, style), ` ${style.name}`)), styles.length > NAMES_MOST && el('li', {}, `and ${styles.length - NAMES_MOST} more, in the table`));
    const vague = shown.adapters.reduce((sum, adapter) => sum + adapter.hardlyDetermined, 0);
    const all = shown.adapters.reduce((sum, adapter) => sum + adapter.sites, 0);
    measureChoice.title = LIBRARY_MEASURES[measure];
    replace(factsFoot, colourScale(context.theme, false, '0', axisNumber(libraryLimit(shown, measure))), el('span.note', {}, `? hollow: direction hardly determined, ${formatNumber(vague)} of ${formatNumber(all)}; dot: no update; empty: no factors`), shown.skipped.length > 0 && el('span.note', { tip: shown.skipped.map(({ name, reason }) => `${name}: ${reason}`).join('\n'), tabindex: 0 }, `${shown.skipped.length} left out`));

    const one = shown.similarity.find((entry) => entry.kind === kind) ?? shown.similarity[0];
    replace(kindChoice, shown.similarity.map((entry) => el('option', { value: entry.kind, selected: entry.kind === kind }, entry.kind === 'update' ? 'by updates' : entry.kind === 'parameters' ? 'by factors' : 'by directions')));
    kindChoice.title = SIMILARITY_SAYS[kind];
    groupChoice.hidden = shown.groupings.length === 0;
    replace(groupChoice, el('option', { value: 0, selected: clusters === 0 }, 'no groups'), shown.groupings.map((grouping) => el('option', { value: grouping.clusters, selected: grouping.clusters === clusters }, `${grouping.clusters} groups`)));
    const grouping = shown.groupings.find((entry) => entry.clusters === clusters);
    if (one) {
      const N = shown.adapters.length;
      const { order } = shown;
      const values = one.matrix;
      const largest = off(order, (i, j) => values?.[i * N + j] ?? NaN);
      const matrix: PairMatrix = { order, at: (i, j) => values?.[(order[i] ?? 0) * N + (order[j] ?? 0)] ?? NaN, signed: one.kind !== 'direction', limit: niceLimit(largest), joinings: one.kind === shown.by ? shown.joinings : [], groups: grouping?.labels ?? [] };
      pairs = { matrix, layout: matrixLayout(matrix, width) };
      pairsCanvas.draw(drawMatrix(matrix, styles, pairs.layout, palette, colours), context.theme.resolve);
      const score = grouping?.silhouette ?? null;
      replace(pairsFoot, one.why ? el('p.note', {}, one.why) : [colourScale(context.theme, matrix.signed, matrix.signed ? `\u2212${axisNumber(matrix.limit)}` : '0', axisNumber(matrix.limit)), el('span.note', {}, `unrelated updates: ${formatNumber(one.unrelated)}; n = ${formatNumber(one.sites)} linear maps`)],
        score && el('div', { class: `silhouette${isEvidence(score) ? '' : ' inside-text'}`, tip: scoreTip('mean silhouette of the groups', score), tabindex: 0 }, el('span', {}, 'silhouette'), drawSvg(drawTrack({ domain: [Math.min(-0.2, score.value ?? 0, (score.null ?? 0) - 2 * (score.nullSd ?? 0)), 1] }, score, 96, 16)), el('span.note', {}, cellText(score))),
        grouping && !score && el('p.note', {}, 'Too few adapters for a null of this grouping, so it is only described.'),
        grouping && el('p.note', {}, shown.says));
    }
    const site = shown.sites[siteIndex()];
    const row = rows[siteIndex()];
    siteTitle.textContent = row ? `At ${row.words}` : 'At one linear map';
    siteChoice.title = SITE_KINDS[siteKind][1];
    if (overlaps && site && overlaps.site === site.id) {
      const at = overlaps;
      const E = at.adapters.length;
      const order = shown.order.filter((adapter) => at.adapters.includes(adapter));
      const place = order.map((adapter) => at.adapters.indexOf(adapter));
      const values = at[siteKind];
      const matrix: PairMatrix = { order, at: (i, j) => values[(place[i] ?? 0) * E + (place[j] ?? 0)] ?? NaN, signed: siteKind === 'cosine', limit: niceLimit(off(place, (i, j) => values[i * E + j] ?? NaN)), joinings: [], groups: [] };
      here = { matrix, layout: matrixLayout(matrix, width) };
      siteCanvas.draw(drawMatrix(matrix, styles, here.layout, palette, colours), context.theme.resolve);
      replace(siteFoot, colourScale(context.theme, matrix.signed, matrix.signed ? `\u2212${axisNumber(matrix.limit)}` : '0', axisNumber(matrix.limit)), el('span.note', {}, SITE_KINDS[siteKind][1]));
      siteBox.classList.remove('waiting');
    } else siteBox.classList.add('waiting');
    const general = shown.subtraction;
    subtraction.hidden = !general;
    if (general) replace(subtraction, el('b', {}, 'General knowledge. '), general.says, ` Used here: ${general.used}. `, general.peftWhy ?? '', ' ', linkButton('Both ways in numbers', () => context.showTable('library-general')));
  };

  const pairWords = (shown: { readonly matrix: PairMatrix } | null, at: { readonly row: number; readonly column: number } | null, what: string): string | null => {
    if (!shown || !at || !facts) return null;
    const [a, b] = [facts.adapters[shown.matrix.order[at.row] ?? -1]?.name ?? '', facts.adapters[shown.matrix.order[at.column] ?? -1]?.name ?? ''];
    return at.row === at.column ? a : `${a} and ${b}\n${what}: ${formatNumber(shown.matrix.at(at.row, at.column))}`;
  };
  const cellWords = (at: { readonly site: number; readonly adapter: number } | null): string | null => (facts && at && rows[at.site] ? libraryTip(facts, at.site, at.adapter, rows[at.site], facts.adapters[at.adapter]?.name ?? '') : null);

  const point = (box: HTMLElement, canvas: CanvasPicture, wordsAt: (x: number, y: number) => string | null): void => {
    box.addEventListener('mousemove', (event) => {
      const bounds = canvas.node.getBoundingClientRect();
      const words = wordsAt(event.clientX - bounds.left, event.clientY - bounds.top) ?? canvas.tipAt(event.clientX, event.clientY);
      if (words) box.dataset.tip = words;
      else delete box.dataset.tip;
    });
  };
  const walk = (box: HTMLElement, mark: HTMLElement, size: () => readonly [number, number], move: (row: number, column: number) => { readonly words: string | null; readonly x: number; readonly y: number; readonly width: number; readonly height: number } | null, enter: (row: number) => void): void => {
    let [row, column] = [0, 0];
    let begun = false;
    box.addEventListener('keydown', (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (event.ctrlKey || (!step && event.key !== 'Enter')) return;
      if (step) {
        const [most, wide] = size();
        if (begun) [row, column] = [Math.max(0, Math.min(most - 1, row + (step[0] ?? 0))), Math.max(0, Math.min(wide - 1, column + (step[1] ?? 0)))];
        begun = true;
        const at = move(row, column);
        if (at) {
          mark.hidden = false;
          setCss(mark, { left: `${at.x - 1}px`, top: `${at.y - 1}px`, width: `${Math.max(4, at.width + 1)}px`, height: `${Math.max(4, at.height + 1)}px` });
          context.announce((at.words ?? '').split('\n').join(', '));
        }
      } else enter(row);
      event.preventDefault();
      event.stopPropagation();
    });
    box.addEventListener('blur', () => (mark.hidden = true));
  };
  /** Locks the page's site that is this linear map, where the trace has it. */
  const lockSite = (index: number): void => {
    const site = model.head?.sites.findIndex(({ id }) => id === facts?.sites[index]?.id) ?? -1;
    if (site >= 0) model.lock({ site });
  };
  point(factsBox, factsCanvas, (x, y) => (layout ? cellWords(libraryAt(layout, x, y)) : null));
  point(pairsBox, pairsCanvas, (x, y) => pairWords(pairs, pairs && matrixAt(pairs.layout, x, y), kind === 'direction' ? 'mean |cos| of directions' : kind === 'parameters' ? 'cosine of factors' : 'cosine of updates'));
  point(siteBox, siteCanvas, (x, y) => pairWords(here, here && matrixAt(here.layout, x, y), SITE_KINDS[siteKind][0]));
  factsBox.addEventListener('click', (event) => {
    const bounds = factsCanvas.node.getBoundingClientRect();
    const at = layout && libraryAt(layout, event.clientX - bounds.left, event.clientY - bounds.top);
    if (at) lockSite(at.site);
  });
  walk(factsBox, factsMark, () => [rows.length, facts?.adapters.length ?? 0], (site, adapter) => layout && { words: cellWords({ site, adapter }), x: layout.left + adapter * layout.cell, y: layout.y[site] ?? 0, width: layout.cell, height: layout.row }, lockSite);
  const walkMatrix = (box: HTMLElement, mark: HTMLElement, get: () => typeof pairs, what: () => string): void => walk(box, mark, () => [get()?.layout.count ?? 0, get()?.layout.count ?? 0], (row, column) => {
    const shown = get();
    return shown && { words: pairWords(shown, { row, column }, what()), x: shown.layout.left + column * shown.layout.cell, y: shown.layout.top + row * shown.layout.cell, width: shown.layout.cell, height: shown.layout.cell };
  }, () => undefined);
  walkMatrix(pairsBox, pairsMark, () => pairs, () => SIMILARITY_SAYS[kind].split('.')[0] ?? '');
  walkMatrix(siteBox, siteMark, () => here, () => SITE_KINDS[siteKind][0]);

  new IntersectionObserver((entries) => {
    visible = entries.some((entry) => entry.isIntersecting);
    if (!visible) return;
    void ask();
    askSite();
  }, { rootMargin: '200px' }).observe(parts.node);
  let drawnSite = -1;
  model.watch((changes) => {
    if (changes.has('run') || changes.has('trace')) {
      const now = model.modules === null ? null : `${model.modules} ${model.modelName}`;
      if (now !== key) {
        pending?.cancel();
        asking?.cancel();
        [key, facts, overlaps, failed, pending, asking, askedSite] = [now, null, null, null, null, null, ''];
        if (key === null) parts.node.remove();
        else host.append(parts.node);
        render();
        if (visible) void ask();
      }
    }
    if (key === null) return;
    if (changes.has('theme') || changes.has('size') || changes.has('trace')) render();
    if (changes.has('selection') && facts && model.site !== drawnSite) {
      model.rested('library', () => {
        drawnSite = model.site;
        askSite();
        render();
      });
    }
  });
  return { shown: () => (facts ? { facts, overlaps: overlaps?.site === facts.sites[siteIndex()]?.id ? overlaps : null, rows } : null) };
}

function adapterWords(facts: LibraryFacts, a: number): string {
  const adapter = facts.adapters[a];
  return adapter ? `${adapter.name}\nrank ${formatNumber(adapter.rank)}, ${formatNumber(adapter.parameters)} parameters at ${formatNumber(adapter.sites)} linear maps\nof them ${formatNumber(adapter.hardlyDetermined)} with a hardly determined direction\n${adapter.base === null ? 'its settings name no base' : `trained on ${adapter.base}, as its settings say`}` : '';
}

/** Largest size off the diagonal. */
function off(order: readonly number[], at: (i: number, j: number) => number): number {
  let most = 0;
  for (const i of order) for (const j of order) if (i !== j && Number.isFinite(at(i, j))) most = Math.max(most, Math.abs(at(i, j)));
  return most;
}

/** The grouping that stands out most from chance; none when no grouping does. */
function bestGroups(facts: LibraryFacts): number {
  let best = 0;
  let most = 0;
  for (const { clusters, silhouette } of facts.groupings) if (silhouette && isEvidence(silhouette) && (silhouette.z ?? 0) > most) [best, most] = [clusters, silhouette.z ?? 0];
  return best;
}
