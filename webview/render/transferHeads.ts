import type { HeadPairs, TransferPlan } from '../../extension/protocol/transfer';
import type { Ramp } from './colours';
import { cssOf, sequentialIndex } from './colours';
import type { Drawing, Mark } from './drawing';
import { HATCH, round } from './drawing';
import type { RoutingPalette } from './routingColours';
import { inkOn, insideGrey } from './routingColours';
import { mean } from './transferData';
import { fixed } from './transferLayers';

/** Heads of one kind: rows are target layers, columns target heads, the number is the source head. */
export interface HeadPicture {
  readonly part: HeadPairs['part'];
  readonly heads: number;
  readonly sourceHeads: number | null;
  readonly rows: readonly { readonly layer: number; readonly pairs: HeadPairs | null }[];
}

export type HeadPart = HeadPairs['part'];

export const HEAD_WORDS: Readonly<Record<HeadPart, string>> = { q: 'query heads', kv: 'key/value heads' };

/** Kinds of heads that there is something to show of. */
export function headParts(heads: readonly HeadPairs[]): readonly HeadPart[] {
  return (['q', 'kv'] as const).filter((part) => heads.some((one) => one.part === part));
}

/** What a run found. */
export function headsFound(heads: readonly HeadPairs[], part: HeadPart, sourceHeads: number | null): HeadPicture {
  const mine = heads.filter((one) => one.part === part).sort((a, b) => a.layer - b.layer);
  return { part, heads: Math.max(0, ...mine.map(({ from }) => from.length)), sourceHeads, rows: mine.map((pairs) => ({ layer: pairs.layer, pairs })) };
}

/** The same place before anything was run. */
export function headsPlanned(plan: TransferPlan): HeadPicture | null {
  if (!plan.heads) return null;
  const layers = [...new Set(plan.layers.filter(({ from }) => from !== null).map(({ to }) => to))].sort((a, b) => a - b);
  return { part: 'q', heads: plan.heads.to.q, sourceHeads: plan.heads.from.q, rows: layers.map((layer) => ({ layer, pairs: null })) };
}

export interface HeadLayout {
  readonly cell: number;
  readonly row: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export function headLayout(picture: HeadPicture, width: number): HeadLayout {
  const left = 34;
  const cell = Math.max(2, Math.min(30, Math.floor((width - left - 2) / Math.max(1, picture.heads))));
  const row = picture.rows.length <= 12 ? 24 : picture.rows.length <= 24 ? 18 : 11;
  const known = picture.rows.some(({ pairs }) => pairs !== null);
  return { cell, row, left, top: 22, width: Math.max(left + cell * picture.heads, Math.min(width, left + 150)), height: 22 + picture.rows.length * row + (known ? 40 : 4) };
}

/** What a cell says. */
export function headText(picture: HeadPicture, row: number, head: number): string {
  const at = picture.rows[row];
  if (!at) return '';
  const { pairs, layer } = at;
  const lines = [`Target layer ${layer}, ${picture.part === 'q' ? 'query' : 'key/value'} head ${head}`];
  if (!pairs) return [...lines, 'known after the texts were run'].join('\n');
  const from = pairs.from[head];
  if (from == null) return [...lines, 'takes no source head'].join('\n');
  const score = pairs.score[head] ?? 0;
  return [...lines, `takes source head ${from}`, `fit ${fixed(score, 3)}`, `best assignment on shuffled tokens: ${fixed(pairs.nullScore, 3)}`, ...(score <= pairs.nullScore ? ['Inside the null: no evidence'] : [])].join('\n');
}

/** A cell narrower than this has no number in it. */
const CELL_WITH_NUMBER = 15;

export function drawHeads(picture: HeadPicture, layout: HeadLayout, ramp: Ramp, palette: RoutingPalette): Drawing {
  const { cell, row, left, top } = layout;
  const wide = picture.heads * cell;
  const marks: Mark[] = [{ kind: 'text', x: left, y: 12, text: picture.heads === 1 ? `target ${HEAD_WORDS[picture.part].slice(0, -1)}` : `target ${HEAD_WORDS[picture.part]} 0 to ${picture.heads - 1}`, size: 11, fill: 'var(--ml-ink-dim)' }];
  const gap = cell >= 6 ? 1 : 0;
  const step = row >= 13 ? 1 : 5;
  picture.rows.forEach(({ layer, pairs }, r) => {
    const y = top + r * row;
    if (r % step === 0) marks.push({ kind: 'text', x: 0, y: y + row / 2 + 4, text: `L${layer}`, size: 11, mono: true, fill: 'var(--ml-ink)' });
    for (let head = 0; head < picture.heads; head++) {
      const x = left + head * cell;
      const box = { kind: 'rect', x, y, width: cell - gap, height: row - 1, name: 'cell', key: layer } as const;
      const from = pairs?.from[head];
      if (!pairs || from == null) {
        marks.push({ ...box, fill: pairs ? 'transparent' : HATCH, ...(pairs ? { stroke: 'var(--ml-grid)' } : {}), tip: headText(picture, r, head) });
        continue;
      }
      const score = Math.max(0, Math.min(1, pairs.score[head] ?? 0));
      const at = sequentialIndex(score, 1);
      const inside = score <= pairs.nullScore;
      marks.push({ ...box, fill: inside ? insideGrey(palette, score) : cssOf(ramp, at), tip: headText(picture, r, head) });
      if (cell < CELL_WITH_NUMBER || row < 15) continue;
      const ink = inside ? 'var(--ml-ink)' : inkOn([ramp[at * 3] ?? 0, ramp[at * 3 + 1] ?? 0, ramp[at * 3 + 2] ?? 0]);
      marks.push({ kind: 'text', x: x + (cell - gap) / 2, y: y + row / 2 + 4, text: String(from), size: 11, mono: true, anchor: 'middle', fill: ink, name: 'ghost' });
    }
    marks.push({ kind: 'rect', x: 0, y, width: left + wide, height: row - 1, fill: 'none', name: 'row-hit', key: layer });
  });
  const known = picture.rows.flatMap(({ pairs }) => (pairs ? [pairs.nullScore] : []));
  if (known.length > 0) marks.push(...scaleMarks(left, top + picture.rows.length * row + 10, Math.max(wide, 110), mean(known) ?? 0, ramp, palette));
  return { width: layout.width, height: layout.height, marks };
}

function scaleMarks(left: number, y: number, wide: number, nullScore: number, ramp: Ramp, palette: RoutingPalette): readonly Mark[] {
  const steps = 48;
  const marks: Mark[] = Array.from({ length: steps }, (_, i): Mark => {
    const value = (i + 0.5) / steps;
    return { kind: 'rect', x: round(left + (wide * i) / steps), y, width: round(wide / steps + 0.5), height: 6, fill: value <= nullScore ? insideGrey(palette, value) : cssOf(ramp, sequentialIndex(value, 1)) };
  });
  const at = left + wide * Math.max(0, Math.min(1, nullScore));
  const share = (at - left) / wide;
  marks.push({ kind: 'line', x1: at, x2: at, y1: y - 3, y2: y + 9, stroke: 'var(--ml-ink)', strokeWidth: 1.5, tip: `shuffled tokens: ${fixed(nullScore, 3)} on average` });
  if (share > 0.12) marks.push({ kind: 'text', x: left, y: y + 20, text: '0', size: 11, mono: true, fill: 'var(--ml-ink-dim)' });
  marks.push({ kind: 'text', x: at, y: y + 20, text: 'shuffled', size: 11, anchor: share < 0.25 ? 'start' : share > 0.75 ? 'end' : 'middle', fill: 'var(--ml-ink-dim)' });
  if (share < 0.6) marks.push({ kind: 'text', x: left + wide, y: y + 20, text: '1', size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  return marks;
}
