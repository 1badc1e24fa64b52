import { groupedLayers, paperLayers } from '../layers';
import type { CarriedPart, LayerCarried, LayerWork, PartPair, SourcePart, TransferMethod } from '../types';

/** What methods without maps report of them. */
const NO_MAPS: CarriedPart['maps'] = { coverageIn: 1, coverageOut: 1, mapIn: 'identity', mapOut: 'identity', rhoIn: null, rhoOut: null, r2: null, r2Null: null, r2In: null, r2Out: null, scaleIn: 1, scaleOut: 1, tokens: 0, heldOut: 0 };

/** Why factors cannot be taken over as they are, or the rule by which they are. */
function sameShape(pair: PartPair, rule: string): { readonly rule: string } | { readonly drop: string } {
  const { to } = pair;
  for (const { part } of pair.from) {
    if (part.inWidth !== to.inWidth || part.outWidth !== to.outWidth) return { drop: `its map is ${part.inWidth} to ${part.outWidth} on the source and ${to.inWidth} to ${to.outWidth} on the target, and nothing is mapped by this method` };
  }
  if (new Set(pair.from.map((s) => s.rank)).size > 1) return { drop: 'the layers of its group have factors of different ranks, which have no mean' };
  return { rule };
}

/** Weighted sum of the factors of several layers, entry by entry, as the paper averages adapters. */
function combined(sources: readonly SourcePart[], weights: readonly number[], factor: 'a' | 'b'): Float32Array {
  const out = new Float64Array(sources[0][factor].length);
  // Scalings may differ between layers; the update is what counts, so B takes the difference up.
  for (const [i, source] of sources.entries()) {
    const weight = weights[i] * (factor === 'b' ? source.scaling / sources[0].scaling : 1);
    for (let k = 0; k < out.length; k++) out[k] += weight * source[factor][k];
  }
  return Float32Array.from(out);
}

function carry(work: LayerWork, weightsOf: (count: number) => readonly number[]): Promise<LayerCarried> {
  return Promise.resolve({
    heads: [], dropped: [],
    parts: work.pairs.map((pair): CarriedPart => {
      const weights = weightsOf(pair.from.length), { rank, scaling } = pair.from[0];
      return { pair, rank, scaling, a: combined(pair.from, weights, 'a'), b: combined(pair.from, weights, 'b'), maps: NO_MAPS };
    }),
  });
}

const needs = { activations: false, pairing: 'characters' } as const;
const one = (): readonly number[] => [1];

/** Factors as they are, layer by layer. Works where the target continues the source's training; elsewhere it is the control that other methods must beat. */
export const copy: TransferMethod = {
  name: 'copy', title: 'Copy', needs, layerRules: ['paper'],
  says: 'The factors are taken over unchanged, layer by layer: right when the target continues the source\u2019s training, a control otherwise.',
  layers: (from, to) => Array.from({ length: to }, (_, l) => (l < from ? [l] : [])),
  plan: (pair) => sameShape(pair, 'taken over unchanged'),
  run: (work) => carry(work, one),
};

/** The paper's SKIP: every k-th layer. */
export const skip: TransferMethod = {
  name: 'skip', title: 'Skip layers', needs, layerRules: ['paper'],
  says: 'Every k-th layer\u2019s factors are taken over unchanged, for a target of the same width and fewer layers.',
  layers: paperLayers,
  plan: (pair) => sameShape(pair, 'taken over unchanged'),
  run: (work) => carry(work, one),
};

/** The paper's AVG: the mean of k neighbouring layers. */
export const average: TransferMethod = {
  name: 'average', title: 'Average layers', needs, layerRules: ['paper'],
  says: 'The factors of each group of k neighbouring layers are averaged, for a target of the same width and fewer layers.',
  layers: groupedLayers,
  plan: (pair) => sameShape(pair, `mean of ${pair.from.length} ${pair.from.length === 1 ? 'layer' : 'layers'}`),
  run: (work) => carry(work, (count) => Array.from({ length: count }, () => 1 / count)),
};

/** AVG as the released code computes it: the last layer of a group never enters the sum, which is divided by k all the same. */
export const averageAsReleased: TransferMethod = {
  name: 'average-as-released', title: 'Average layers, as released', needs, layerRules: ['paper'],
  says: 'What the released code of the paper computes instead of a mean: the sum of all but the last layer of each group, divided by the group\u2019s size.',
  layers: groupedLayers,
  plan: (pair) => {
    const planned = sameShape(pair, `sum of the first ${pair.from.length - 1} of ${pair.from.length} layers, over ${pair.from.length}`);
    return pair.from.length === 1 ? { drop: 'its group has one layer, which the released code leaves out of the sum' } : planned;
  },
  run: (work) => carry(work, (count) => Array.from({ length: count }, (_, i) => (i < count - 1 ? 1 / count : 0))),
};
