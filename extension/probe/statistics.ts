import type { BoundModel } from '../architecture/resolve';
import { type BlockSpec, requireFfn } from '../architecture/spec';
import { floatData, floats } from '../graph/hostTensor';
import { buildDown, buildStatistics } from '../graph/statistics';
import { bitCount, bitRowBytes } from '../numerics/pairCounts';
import { countPairs } from '../runtime/pairThreads';
import type { ProbeArrays } from './arrays';
import type { ForwardEnvironment } from './forward';
import type { HalfActivations } from './layerProbe';

/** Per-neuron statistics of one half. */
export interface NeuronStatistics {
  readonly tokens: number;
  readonly mean: Float64Array;
  readonly meanAbs: Float64Array;
  readonly meanSquare: Float64Array;
  /** Mean length of what the neuron writes. */
  readonly meanOutput: Float64Array;
  /** Tokens on which the neuron is active. */
  readonly count: Float64Array;
  /** Sum of output norms by label `[labels, d_ff]`. */
  readonly labelSum: Float64Array;
  /** Bit 1 where active `[d_ff, tokens]`, rows of `bitRowBytes(tokens)` bytes. */
  readonly bits: Uint8Array;
}

/** Tokens in one run of a statistics graph; a multiple of 8, so that slices fill whole bytes of the activity bits. */
const SLICE = 512;
/** Mean share of the FFN output that silencing weak neurons may cost (CETT, arXiv 2402.03804). */
export const CETT_TARGET = 0.2;
/** Tokens on which the threshold is sought. */
const CETT_TOKENS = 64;
/** Candidate thresholds: quantiles of the output norms. */
const CETT_QUANTILES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99];

/** Runs the statistics graphs of one layer. */
export class LayerStatistics {
  constructor(private readonly model: BoundModel, private readonly block: BlockSpec, private readonly environment: ForwardEnvironment, private readonly arrays: ProbeArrays) {}

  private get f(): number { return requireFfn(this.block).up.outWidth; }
  private get id(): string { return `${this.model.checkpoint.path}|${this.block.index}|${this.model.checkpoint.files.map((s) => `${s.mtimeMs}.${s.size}`).join()}`; }
  private turn(): Promise<void> { return this.environment.scheduler.turn(this.environment.signal, this.environment.interactive); }

  /**
   * Threshold on a neuron's output norm above which it counts as active: the largest one whose neglect costs at most
   * CETT_TARGET of the FFN output on average. 0 for ReLU, whose zeros are exact.
   */
  async threshold(half: HalfActivations, norms: Float32Array): Promise<number> {
    const { activation, gate, down } = requireFfn(this.block);
    if ((activation === 'relu' || activation === 'relu2') && !gate) return 0;
    const n = Math.min(CETT_TOKENS, half.tokens), f = this.f, d = down.outWidth;
    if (n === 0) return 0;
    const rows = Array.from({ length: n }, (_, i) => Math.floor((i * half.tokens) / n));
    const output = new Float32Array(n * f);
    rows.forEach((row, i) => { for (let j = 0; j < f; j++) output[i * f + j] = Math.abs(half.hidden[row * f + j]) * norms[j]; });
    const sorted = output.slice().sort();
    const candidates = CETT_QUANTILES.map((q) => sorted[Math.floor(q * (sorted.length - 1))]);
    return this.environment.pool.with(`down|${this.id}`, () => buildDown(this.model, down), async (session) => {
      const project = async (limit: number): Promise<Float32Array> => {
        const hidden = new Float32Array(n * f);
        rows.forEach((row, i) => { for (let j = 0; j < f; j++) if (output[i * f + j] <= limit) hidden[i * f + j] = half.hidden[row * f + j]; });
        await this.turn();
        return floatData((await session.run({ hidden: floats([n, f], hidden) }))['output']);
      };
      const whole = await project(Infinity);
      let best = 0;
      for (const limit of candidates) {
        const lost = await project(limit);
        let sum = 0;
        for (let i = 0; i < n; i++) sum += Math.sqrt(squareSum(lost, i * d, d) / (squareSum(whole, i * d, d) || 1));
        if (sum / n > CETT_TARGET) break;
        best = limit;
      }
      return best;
    });
  }

  /** Means, activity and label sums of one half. `labelOf` gives a token's label index or -1. */
  async neurons(half: HalfActivations, norms: Float32Array, epsilon: number, labels: number, labelOf: (token: number) => number): Promise<NeuronStatistics> {
    const f = this.f, t = half.tokens;
    const out = { mean: new Float64Array(f), meanAbs: new Float64Array(f), meanSquare: new Float64Array(f), meanOutput: new Float64Array(f), count: new Float64Array(f) };
    const labelSum = new Float64Array(labels * f), bits = new Uint8Array(f * bitRowBytes(t));
    await this.environment.pool.with(`statistics|${f}|${labels}`, () => Promise.resolve(buildStatistics(f, labels)), async (session) => {
      for (let from = 0; from < t; from += SLICE) {
        const real = Math.min(SLICE, t - from), n = 8 * Math.ceil(real / 8);
        const groups = new Float32Array((1 + labels) * n).fill(1, 0, n);
        for (let i = 0; i < real; i++) { const label = labelOf(from + i); if (label >= 0) groups[(1 + label) * n + i] = 1; }
        let hidden = half.hidden.subarray(from * f, (from + real) * f);
        // Tokens of zeros fill the last eight: they are never active and add nothing to a sum.
        if (n > real) { const filled = new Float32Array(n * f); filled.set(hidden); hidden = filled; }
        await this.turn();
        const result = await session.run({ hidden: floats([n, f], hidden), norms: floats([f], norms), epsilon: floats([1], Float32Array.of(epsilon)), ones: floats([1, n], groups.subarray(0, n)), groups: floats([1 + labels, n], groups) });
        const sum = floatData(result['sum']), sumSquare = floatData(result['sumSquare']), sumAbs = floatData(result['sumAbs']);
        for (let i = 0; i < f; i++) { out.mean[i] += sum[i]; out.meanSquare[i] += sumSquare[i]; out.meanAbs[i] += sumAbs[i]; }
        for (let i = 0; i < labels * f; i++) labelSum[i] += sumAbs[f + i];
        transposeBytes(floatData(result['active']), n / 8, f, bits, bitRowBytes(t), from / 8);
      }
    });
    for (let label = 0, at = 0; label < labels; label++) for (let i = 0; i < f; i++, at++) labelSum[at] *= norms[i];
    for (const sums of [out.mean, out.meanAbs, out.meanSquare]) for (let i = 0; i < f; i++) sums[i] /= Math.max(1, t);
    for (let i = 0; i < f; i++) {
      out.meanOutput[i] = out.meanAbs[i] * norms[i];
      out.count[i] = bitCount(bits.subarray(i * bitRowBytes(t), (i + 1) * bitRowBytes(t)));
    }
    return { tokens: t, ...out, labelSum, bits };
  }

  /**
   * How often pairs of the `rows` neurons of `bits` are active together `[rows, rows]`: exact counts, on the CPU, faster than a float product
   * in a graph. Valid until a layer asks for a matrix of the same name.
   */
  coactivation(name: string, bits: Uint8Array, tokens: number, rows = this.f): Promise<Float32Array> {
    return countPairs(bits, rows, tokens, this.environment.pool.threads, this.arrays.take(`co-activation ${name}`, rows * rows, true), this.environment.signal);
  }
}

/** Whole numbers below 256 `[rows, columns]` as bytes `to[column * stride + at + row]`, some lines of the cache at a time. */
function transposeBytes(numbers: Float32Array, rows: number, columns: number, to: Uint8Array, stride: number, at: number): void {
  const tile = 16;
  for (let first = 0; first < columns; first += tile) {
    const last = Math.min(columns, first + tile);
    for (let row = 0; row < rows; row++) for (let column = first, cell = row * columns + first; column < last; column++, cell++) to[column * stride + at + row] = numbers[cell];
  }
}

function squareSum(x: Float32Array, at: number, n: number): number {
  let sum = 0;
  for (let i = at; i < at + n; i++) sum += x[i] * x[i];
  return sum;
}
