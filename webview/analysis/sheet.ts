import { formatNumber } from '../../extension/protocol/score';
import { paintCells } from '../render/colours';
import { blockEdges, blockSpan } from '../render/columns';
import type { Drawing, Mark } from '../render/drawing';
import { moved } from '../render/drawing';
import { findingOf } from '../render/finding';
import { bandNote, drawGraph, graphOf } from '../render/graph';
import { drawMass } from '../render/mass';
import { drawMatrix } from '../render/matrix';
import { drawRouter } from '../render/router';
import type { PageContext } from './context';
import { samplesNote } from './samples';

const SIDE = 384;
const GRAPH = 384;
const MARGIN = 24;
const HEAD = 76;
const NAMES = 130;

/** The picture of the chosen layer as one sheet for a file: what it is, the graph, the map, masses, labels, routers, and the nulls in words. */
export function sheetOf(context: PageContext): Drawing {
  const { model, theme } = context;
  const remote = model.picture;
  if (remote?.state !== 'ready' || !model.head) return { width: 1, height: 1, marks: [] };
  const picture = remote.value;
  const { labels } = model;
  const samples = samplesNote(context, picture);
  const edges = blockEdges(picture.sizes);
  const span = (expert: number): readonly [number, number] => blockSpan(edges, expert, { from: 0, to: 1 }, SIDE);
  const mapX = MARGIN + GRAPH + NAMES;
  const marks: Mark[] = [];
  const text = (x: number, y: number, words: string, size = 12, options: Partial<Extract<Mark, { kind: 'text' }>> = {}): void => {
    marks.push({ kind: 'text', x, y, text: words, size, fill: 'var(--ml-ink)', ...options });
  };
  text(MARGIN, 32, findingOf({ state: model.state, head: model.head, layers: model.results, document: model.document }), 15, { bold: true, fill: 'var(--ml-ink-strong)' });
  text(MARGIN, 52, `${model.head.model.name}, layer ${picture.index}: ${picture.experts} experts by ${model.head.method === 'keys' ? 'keys' : 'co-activation'}, seed ${model.head.seed}. ${samples}, ${bandNote(picture)}.`, 11, { fill: 'var(--ml-ink-dim)' });

  const graph = graphOf(picture, labels, GRAPH, SIDE, samples);
  text(MARGIN, HEAD, `${graph.above} of ${graph.pairs} pairs of experts are above the null`);
  marks.push(...moved(drawGraph(graph, model.shownExpert).marks, MARGIN, HEAD + 12));

  const kind = model.withProbe ? model.selection.map : 'excess';
  const total = edges[edges.length - 1] ?? 1;
  const bins = Math.min(total, SIDE / 2);
  const tile = model.tile(kind, [0, total], [0, total], bins, bins);
  const cells = tile?.state === 'ready' ? { data: tile.value.data, columns: tile.value.width, rows: tile.value.height, limit: tile.value.limit } : { data: kind === 'raw' ? picture.raw : picture.excess, columns: picture.experts, rows: picture.experts, limit: Math.max(...picture.excess.map(Math.abs)) };
  const name = picture.kind === 'coactivation' ? 'Co-activation' : 'Key similarity';
  const top = HEAD + 12;
  text(mapX, HEAD, `${name}${kind === 'excess' ? ' minus null' : ''}, scale ${kind === 'excess' ? '\u00b1' : '0 to '}${formatNumber(cells.limit)}`);
  marks.push({ kind: 'raster', x: mapX, y: top, width: SIDE, height: SIDE, columns: cells.columns, rows: cells.rows, rgba: paintCells(cells.data, { kind: kind === 'excess' ? 'signed' : 'magnitude', limit: cells.limit, exponent: 0.7 }, kind === 'excess' ? theme.diverging : theme.sequential) });
  for (let e = 0; e <= picture.experts && picture.experts <= 64; e++) {
    const at = e === picture.experts ? SIDE : span(e)[0];
    marks.push({ kind: 'line', x1: mapX + at, x2: mapX + at, y1: top, y2: top + SIDE, stroke: 'var(--ml-grid)', strokeWidth: 1 });
    marks.push({ kind: 'line', x1: mapX, x2: mapX + SIDE, y1: top + at, y2: top + at, stroke: 'var(--ml-grid)', strokeWidth: 1 });
  }
  const every = Math.max(1, 2 ** Math.ceil(Math.log2((16 * picture.experts) / SIDE)));
  for (let e = 0; e < picture.experts; e += every) {
    const [x0, x1] = span(e);
    text(mapX + (x0 + x1) / 2, top + SIDE + 13, String(e), 10, { anchor: 'middle', mono: true, fill: 'var(--ml-ink-dim)' });
    text(mapX - 6, top + (x0 + x1) / 2 + 4, String(e), 10, { anchor: 'end', mono: true, fill: 'var(--ml-ink-dim)' });
  }
  let y = top + SIDE + 28;
  const routerCell = Math.max(1, Math.floor(160 / Math.max(10, picture.experts)));
  text(MARGIN, y + 6, `Router rows, cosine minus null (\u00b1${formatNumber(picture.routerBand)} is the null)`);
  marks.push(...moved(drawRouter(picture, theme.diverging, routerCell).marks, MARGIN, y + 16));
  if (picture.mass.length > 0) {
    text(mapX - 6, y + 40, 'mass', 11, { anchor: 'end' });
    marks.push(...moved(drawMass(picture, labels, span, SIDE, 44, samples).marks, mapX, y));
    y += 48;
    marks.push(...moved(drawMatrix(picture, labels, span, SIDE, 20).marks, mapX, y));
    labels.forEach((label, i) => {
      text(mapX - 22, y + i * 20 + 14, label.name.slice(0, 22), 11, { anchor: 'end' });
      text(mapX - 6, y + i * 20 + 14, label.letter, 11, { anchor: 'end', mono: true, bold: true, fill: label.colour });
    });
    y += labels.length * 20 + 16;
    text(mapX, y, '\u25a0 more, \u25a1 less than chance, area |log\u2082 fold|, \u00b7 inside the null (q \u2265 0.05)', 10, { fill: 'var(--ml-ink-dim)' });
  }
  return { width: mapX + SIDE + MARGIN, height: Math.max(y, top + SIDE + 28 + 16 + routerCell * picture.experts) + MARGIN, marks };
}
