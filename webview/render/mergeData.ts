import { addDeltas, addPairs, conflictScore, cosineScore, type DeltaSums, type InspectCell, type InspectPart, lostShare, type MergeInspectDocument, NO_DELTA, NO_PAIR, pairsOf, relativeDelta } from '../../extension/protocol/mergeInspect';
import type { Score } from '../../extension/protocol/score';

/** Parts as captions name them. */
export const PART_WORDS: Readonly<Record<InspectPart, string>> = { attention: 'attention', ffn: 'FFN', norm: 'norms', embedding: 'embedding', head: 'head', other: 'other' };

/** Neighbouring layers that are looked at together; `layers` is empty for what lies outside of the layers. */
export interface LayerGroup {
  readonly name: string;
  readonly layers: readonly number[];
}

/** Sizes of groups that a page offers: 0 = all layers in one. */
export function groupSizes(layers: number): readonly number[] {
  return [1, 2, 4, 8, 16].filter((size) => size === 1 || size < layers).concat(layers > 1 ? [0] : []);
}

/** The size that gives at most four groups, so that the matrices of all groups are seen at once. */
export function usualSize(layers: number): number {
  return [1, 2, 4, 8, 16].find((size) => Math.ceil(layers / size) <= 4) ?? 0;
}

export function layerGroups(layers: number, size: number): readonly LayerGroup[] {
  const step = size > 0 ? size : Math.max(1, layers);
  return Array.from({ length: Math.ceil(layers / step) }, (_, g) => {
    const from = g * step, to = Math.min(layers, from + step);
    return { name: to - from === 1 ? `L${from}` : `L${from}\u2013${to - 1}`, layers: Array.from({ length: to - from }, (_unused, i) => from + i) };
  });
}

/** One pair of models at one group of layers and one part. */
export interface PairFigure {
  readonly a: number;
  readonly b: number;
  readonly cosine: Score;
  readonly conflict: Score;
}
export interface PairMatrix {
  readonly group: LayerGroup;
  readonly part: InspectPart;
  readonly pairs: readonly PairFigure[];
  readonly elements: number;
}

/** Parts that hold matrices: a norm is a single row, which has no null. */
const COMPARED: readonly InspectPart[] = ['attention', 'ffn', 'other'];

function cellsIn(document: MergeInspectDocument, layers: readonly number[], part: InspectPart | null): readonly InspectCell[] {
  const wanted = new Set(layers);
  return document.cells.filter((cell) => (cell.layer === null ? layers.length === 0 : wanted.has(cell.layer)) && (part === null || cell.part === part));
}

function deltaOf(cells: readonly InspectCell[], model: number): DeltaSums {
  return cells.reduce((sum, cell) => addDeltas(sum, cell.deltas[model] ?? NO_DELTA), NO_DELTA);
}

function figureOf(cells: readonly InspectCell[], pair: number, a: number, b: number): PairFigure {
  const sums = cells.reduce((sum, cell) => addPairs(sum, cell.pairs[pair] ?? NO_PAIR), NO_PAIR);
  return { a, b, cosine: cosineScore(sums), conflict: conflictScore(sums) };
}

/** Parts of the layers that have pairs to show, in their order. */
export function comparedParts(document: MergeInspectDocument): readonly InspectPart[] {
  return COMPARED.filter((part) => document.cells.some((cell) => cell.layer !== null && cell.part === part));
}

/** Matrices of all pairs, group by group and part by part. */
export function pairMatrices(document: MergeInspectDocument, groups: readonly LayerGroup[]): readonly PairMatrix[] {
  const pairs = pairsOf(document.models.length), parts = comparedParts(document);
  return groups.flatMap((group) => parts.map((part) => {
    const cells = cellsIn(document, group.layers, part);
    return { group, part, pairs: pairs.map(([a, b], p) => figureOf(cells, p, a, b)), elements: cells.reduce((sum, cell) => sum + (cell.deltas[0]?.elements ?? 0), 0) };
  }));
}

/** All pairs over everything. */
export function wholePairs(document: MergeInspectDocument): readonly PairFigure[] {
  return pairsOf(document.models.length).map(([a, b], p) => figureOf(document.cells, p, a, b));
}

/** A row of the map of differences: a layer, or a part outside of the layers. */
export interface DeltaRow {
  readonly name: string;
  /** Null outside of the layers. */
  readonly layer: number | null;
  /** ‖τ‖/‖θ₀‖ of each model; null where there is none. */
  readonly moved: readonly (number | null)[];
}

/** How far each model moved, layer by layer; a part alone where one is given. Without a base there is nothing to relate to: no rows. */
export function deltaRows(document: MergeInspectDocument, part: InspectPart | null): readonly DeltaRow[] {
  const { models, layers, cells } = document;
  const row = (name: string, layer: number | null, found: readonly InspectCell[]): DeltaRow => ({ name, layer, moved: models.map((_, m) => relativeDelta(deltaOf(found, m))) });
  const inside = Array.from({ length: layers }, (_, l) => row(`L${l}`, l, cellsIn(document, [l], part)));
  const outside = part === null ? [...new Set(cells.flatMap((cell) => (cell.layer === null ? [cell.part] : [])))].map((one) => row(PART_WORDS[one], null, cells.filter((cell) => cell.layer === null && cell.part === one))) : [];
  return [...inside, ...outside].filter(({ moved }) => moved.some((value) => value !== null));
}

/** Rounding of each model over everything: share of changed elements that come to nothing. */
export function lostRows(document: MergeInspectDocument): readonly { readonly name: string; readonly share: number | null; readonly changed: number; readonly elements: number }[] {
  return document.models.map((model, m) => {
    const sums = deltaOf(document.cells, m);
    return { name: model.name, share: lostShare(sums), changed: sums.changed, elements: sums.elements };
  });
}

/** What the map of layers by parts may show. */
export type Measure = 'moved' | 'lost' | 'cosine' | 'conflict';
export const MEASURE_WORDS: Readonly<Record<Measure, string>> = { moved: 'moved', lost: 'lost to rounding', cosine: 'cosine', conflict: 'opposite signs' };
export const isPairMeasure = (measure: Measure): boolean => measure === 'cosine' || measure === 'conflict';

export interface PartCell {
  readonly value: number | null;
  /** Pairs only. */
  readonly score: Score | null;
}
export interface PartMap {
  readonly measure: Measure;
  /** The model, or the pair, in words. */
  readonly about: string;
  readonly parts: readonly InspectPart[];
  readonly rows: readonly { readonly name: string; readonly layer: number; readonly cells: readonly PartCell[] }[];
}

/** Layers by parts for one model or one pair (`subject` counts models, or pairs in the order of `pairsOf`). */
export function partMap(document: MergeInspectDocument, measure: Measure, subject: number): PartMap {
  const { models, layers } = document, pairs = pairsOf(models.length);
  const parts = document.parts.filter((part) => document.cells.some((cell) => cell.layer !== null && cell.part === part));
  const [a, b] = pairs[subject] ?? [0, 0];
  const cellOf = (found: readonly InspectCell[]): PartCell => {
    if (found.length === 0) return { value: null, score: null };
    if (!isPairMeasure(measure)) return { value: measure === 'moved' ? relativeDelta(deltaOf(found, subject)) : lostShare(deltaOf(found, subject)), score: null };
    const figure = figureOf(found, subject, a, b), score = measure === 'cosine' ? figure.cosine : figure.conflict;
    return { value: score.value, score };
  };
  const about = isPairMeasure(measure) ? `${models[a]?.name ?? ''} and ${models[b]?.name ?? ''}` : (models[subject]?.name ?? '');
  return { measure, about, parts, rows: Array.from({ length: layers }, (_, l) => ({ name: `L${l}`, layer: l, cells: parts.map((part) => cellOf(cellsIn(document, [l], part))) })) };
}

/** Names for narrow places: without what all of them begin and end with, in whole pieces between separators. */
export function shortNames(names: readonly string[]): readonly string[] {
  if (names.length < 2) return names;
  const pieces = names.map((name) => name.split(/(?<=[-_./ ])/)), least = Math.min(...pieces.map(({ length }) => length));
  let from = 0, to = 0;
  while (from < least - 1 && pieces.every((all) => all[from] === pieces[0]?.[from])) from++;
  const ends = names.map((name) => name.split(/(?=[-_./ ])/)), shortest = Math.min(...ends.map(({ length }) => length));
  while (to < shortest - 1 && ends.every((all) => all[all.length - 1 - to] === ends[0]?.[ends[0].length - 1 - to])) to++;
  const tail = (ends[0] ?? []).slice((ends[0]?.length ?? 0) - to).join('').length;
  const short = names.map((name, i) => name.slice((pieces[i] ?? []).slice(0, from).join('').length, Math.max(0, name.length - tail)));
  return short.every((name) => name !== '') && new Set(short).size === new Set(names).size ? short : names;
}
