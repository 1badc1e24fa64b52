import { type Block, BLOCK_ELEMENTS, type Kernel } from '../engine/passTypes';
import { copy, sumBlocks } from './common';
import { type Band, bands, type RankRequest } from './select';
import type { MergeMethod } from './types';

interface SceParams {
  readonly mode: 'nonzero' | 'rank' | 'energy' | 'apply';
  readonly rank: RankRequest | null;
  readonly band: Band | null;
  readonly weights: readonly number[];
}

const kernel: Kernel = ({ wasm, x, out, n, padded, params, values, counts, index, temporary, floats, words }: Block<SceParams>) => {
  const { mode, rank, band, weights } = params, base = floats(x[0]), models = x.slice(1).map((at) => floats(at)), k = models.length;
  const variance = floats(temporary(0)), deltas = models.map((model, i) => {
    const d = floats(temporary(1 + i));
    for (let e = 0; e < n; e++) d[e] = model[e] - base[e];
    return d;
  });
  if (mode === 'nonzero' || mode === 'rank' || band) {
    for (let e = 0; e < n; e++) {
      let mean = 0, square = 0;
      for (const d of deltas) mean += d[e];
      mean /= k;
      for (const d of deltas) square += (d[e] - mean) * (d[e] - mean);
      variance[e] = square / k;
    }
    new Float32Array(wasm.memory.buffer, temporary(0), padded).fill(0, n);
  }
  if (mode === 'nonzero') { let count = 0; for (let e = 0; e < n; e++) if (variance[e] > 0) count++; values[0] = count; return; }
  if (mode === 'rank' && rank) {
    rank.series.forEach((_, q) => {
      if (rank.kind === 'histogram') wasm.histogram(temporary(0), n, counts + 4 * (q << rank.width), rank.shift, rank.prefixes[q], rank.width);
      else if (rank.kind === 'equal') values[q] = wasm.countEqual(temporary(0), padded, rank.bits[q]) - (rank.bits[q] === 0 ? padded - n : 0);
      else {
        const at = rank.perBlock ? temporary(1) : counts + 4 * q * (rank.slots + 1), slots = new Uint32Array(wasm.memory.buffer, at, rank.slots + 1);
        if (rank.perBlock) slots.fill(0);
        slots[rank.slots] += wasm.window(temporary(0), padded, at, rank.low[q], rank.high[q], rank.shift);
        if (rank.low[q] === 0) slots[0] -= padded - n;
        if (rank.perBlock) values.set(slots, q * (rank.slots + 1));
      }
    });
    return;
  }
  if (band) {
    const magnitudes = words(temporary(0)), numbers = band.cuts.map(({ before }) => before[index]);
    for (let e = 0; e < n; e++) {
      let keep = magnitudes[e] >= band.low;
      band.cuts.forEach((cut, c) => { if (magnitudes[e] === cut.bits) { if (numbers[c] < cut.from || numbers[c] >= cut.to) keep = false; numbers[c]++; } });
      if (!keep) for (const d of deltas) d[e] = 0;
    }
  }
  if (mode === 'energy') {
    deltas.forEach((d, i) => { let sum = 0; for (let e = 0; e < n; e++) sum += d[e] * d[e]; values[i] = sum; });
    return;
  }
  const result = floats(out);
  for (let e = 0; e < n; e++) {
    let vote = 0, sum = 0, divisor = 0;
    for (const d of deltas) vote += d[e];
    for (let i = 0; i < k; i++) if (vote >= 0 ? deltas[i][e] > 0 : deltas[i][e] < 0) { sum += weights[i] * deltas[i][e]; divisor += weights[i]; }
    result[e] = base[e] + sum / Math.max(divisor, 1e-6);
  }
};

/** Selects where the models differ most, weights them by energy, and erases minority signs. */
export const sce: MergeMethod = {
  name: 'sce', title: 'SCE', formula: 'select top variance over τᵢ; wᵢ = mean τᵢ² / Σ mean τⱼ²; θ = θ₀ + Σ[sign τᵢ = s] wᵢτᵢ / Σ[sign τᵢ = s] wᵢ, s = sign Σ τᵢ', says: 'Keeps the places where the models differ most; a model weighs as much as it changed.', source: 'Wan et al., arXiv 2408.07990 (FuseChat)',
  base: 'required', models: [1, null], baseIsModel: false,
  parameters: [{ name: 'select_topk', type: 'number', scope: 'merge', default: 1, least: 0, most: 1, says: 'Share of the places with any variance that is kept.' }, { name: 'int8_mask', type: 'boolean', scope: 'merge', default: false, says: 'Has no effect here.' }],
  *merge(task) {
    const share = task.number('select_topk'), k = task.models, temporaries = 1 + k;
    const params = (mode: SceParams['mode'], rank: RankRequest | null, band: Band | null, weights: readonly number[] = []): SceParams => ({ mode, rank, band, weights });
    let band: Band | null = null;
    if (share < 1) {
      const nonzero = sumBlocks(yield { kind: 'statistics', kernel: 'sce', params: params('nonzero', null, null), values: 1, temporaries }, 1)[0], keep = share <= 0 ? 0 : Math.floor(nonzero * share);
      if (keep === 0) return copy(0);
      [band] = yield* bands((rank) => ({ kernel: 'sce', params: params('rank', rank, null), temporaries }), [{ series: 0, skip: 0, keep }], { elements: task.elements, blocks: Math.ceil(task.elements / BLOCK_ELEMENTS) });
    }
    const energy = sumBlocks(yield { kind: 'statistics', kernel: 'sce', params: params('energy', null, band), values: k, temporaries }, k), total = energy.reduce((a, b) => a + b, 0);
    if (total === 0) return copy(0);
    const equal = task.asMergekit && total / task.elements < 1e-6;
    return { kind: 'apply', kernel: 'sce', params: params('apply', null, band, Array.from(energy, (e) => (equal ? 1 / k : e / total))), temporaries };
  },
  kernels: { sce: kernel },
};
