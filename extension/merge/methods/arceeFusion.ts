import type { Block, Kernel } from '../engine/passTypes';
import { copy } from './common';
import { ranked, type RankRequest } from './select';
import type { MergeMethod } from './types';

interface FusionParams {
  readonly mode: 'divergence' | 'rank' | 'apply';
  readonly rank: RankRequest | null;
  /** Per row of the whole tensor. */
  readonly divergence: Float64Array;
  readonly threshold: number;
}

const kernel: Kernel = ({ wasm, x, out, n, padded, row, first, params, values, counts, temporary, floats }: Block<FusionParams>) => {
  const base = floats(x[0]), model = floats(x[1]), { mode, rank } = params;
  if (mode === 'divergence') {
    for (let from = 0, r = 0; from < n; from += row, r++) {
      let topA = -Infinity, topB = -Infinity, sumA = 0, sumB = 0, total = 0;
      for (let e = from; e < from + row; e++) { if (model[e] > topA) topA = model[e]; if (base[e] > topB) topB = base[e]; }
      for (let e = from; e < from + row; e++) { sumA += Math.exp(model[e] - topA); sumB += Math.exp(base[e] - topB); }
      for (let e = from; e < from + row; e++) { const p = Math.exp(model[e] - topA) / sumA + 1e-8, q = Math.exp(base[e] - topB) / sumB + 1e-8; total += p * Math.log(p / q); }
      values[r] = total;
    }
    return;
  }
  const importance = floats(temporary(0));
  for (let e = 0; e < n; e++) importance[e] = Math.abs(Math.fround(model[e] - base[e])) * params.divergence[Math.floor((first + e) / row)];
  if (mode === 'rank' && rank) {
    new Float32Array(wasm.memory.buffer, temporary(0), padded).fill(0, n);
    rank.series.forEach((_, q) => { if (rank.kind === 'histogram') wasm.histogram(temporary(0), n, counts + 4 * (q << rank.width), rank.shift, rank.prefixes[q], rank.width); });
    return;
  }
  const result = floats(out);
  for (let e = 0; e < n; e++) result[e] = importance[e] >= params.threshold ? model[e] : base[e];
};

/** Takes over the other model's most important weights. */
export const arceeFusion: MergeMethod = {
  name: 'arcee_fusion', title: 'Arcee Fusion', formula: 'I = |θ₁−θ₀| · KL(softmax row of θ₁ ‖ of θ₀); θ = I ≥ median + 1.5·IQR ? θ₁ : θ₀', says: 'Takes over whole the few weights that stand out. The quartiles are exact, for tensors of any size.', source: 'Arcee; mergekit',
  base: 'required', models: [1, 1], baseIsModel: false, parameters: [],
  *merge(task) {
    const { elements } = task;
    if (elements === 0) return copy(0);
    const row = task.shape.at(-1) ?? 1, none = new Float64Array(0);
    const params = (mode: FusionParams['mode'], divergence: Float64Array, rank: RankRequest | null = null, threshold = 0): FusionParams => ({ mode, rank, divergence, threshold });
    const { blocks } = yield { kind: 'statistics', kernel: 'arceeFusion', params: params('divergence', none), values: Math.max(1, Math.floor(65536 / row)), rows: true, temporaries: 1 };
    const divergence = new Float64Array(elements / row), perBlock = Math.max(1, Math.floor(65536 / row));
    // Rounding can leave a divergence of equal rows a little below 0; importance has no sign.
    blocks.forEach((values, b) => { for (let r = 0; r < perBlock && b * perBlock + r < divergence.length; r++) divergence[b * perBlock + r] = Math.max(0, values[r]); });
    const at = [0.25, 0.5, 0.75].map((q) => [0, elements - 1 - Math.floor(q * (elements - 1))] as const);
    const quartiles = (yield* ranked((rank) => ({ kernel: 'arceeFusion', params: params('rank', divergence, rank), temporaries: 1 }), at)).map(({ bits }) => new Float32Array(Uint32Array.of(bits).buffer)[0]);
    const threshold = Math.fround(quartiles[1] + 1.5 * (quartiles[2] - quartiles[0]));
    return { kind: 'apply', kernel: 'arceeFusion', params: params('apply', divergence, null, threshold), temporaries: 1 };
  },
  kernels: { arceeFusion: kernel },
};
