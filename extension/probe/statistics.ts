import type { BoundModel } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import { floatData, floats } from '../graph/hostTensor';
import { buildDown, buildGramPanel, buildStatistics } from '../graph/statistics';
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
  /** `[d_ff, tokens]`, 1 where active. */
  readonly active: Float32Array;
}

/** Tokens in one run of a statistics graph. */
const SLICE = 512;
/** Mean share of the FFN output that silencing weak neurons may cost (CETT, arXiv 2402.03804). */
export const CETT_TARGET = 0.2;
/** Tokens on which the threshold is sought. */
const CETT_TOKENS = 64;
/** Candidate thresholds: quantiles of the output norms. */
const CETT_QUANTILES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99];

/** Runs the statistics graphs of one layer. */
export class LayerStatistics {
  constructor(private readonly model: BoundModel, private readonly block: BlockSpec, private readonly environment: ForwardEnvironment) {}

  private get f(): number { return this.block.ffn.up.outWidth; }
  private get id(): string { return `${this.model.checkpoint.path}|${this.block.index}|${this.model.checkpoint.files.map((s) => `${s.mtimeMs}.${s.size}`).join()}`; }
  private turn(): Promise<void> { return this.environment.scheduler.turn(this.environment.signal, this.environment.interactive); }

  /**
   * Threshold on a neuron's output norm above which it counts as active: the largest one whose neglect costs at most
   * CETT_TARGET of the FFN output on average. 0 for ReLU, whose zeros are exact.
   */
  async threshold(half: HalfActivations, norms: Float32Array): Promise<number> {
    const { activation, gate, down } = this.block.ffn;
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
    const labelSum = new Float64Array(labels * f), active = new Float32Array(f * t);
    await this.environment.pool.with(`statistics|${f}|${labels}`, () => Promise.resolve(buildStatistics(f, labels)), async (session) => {
      for (let from = 0; from < t; from += SLICE) {
        const n = Math.min(SLICE, t - from);
        const oneHot = new Float32Array(labels * n);
        for (let i = 0; i < n; i++) { const label = labelOf(from + i); if (label >= 0) oneHot[label * n + i] = 1; }
        await this.turn();
        const result = await session.run({ hidden: floats([n, f], half.hidden.subarray(from * f, (from + n) * f)), norms: floats([f], norms), epsilon: floats([1], Float32Array.of(epsilon)), ...(labels > 0 ? { labels: floats([labels, n], oneHot) } : {}) });
        const pairs = [['sum', out.mean], ['sumAbs', out.meanAbs], ['sumSquare', out.meanSquare], ['sumOutput', out.meanOutput], ['count', out.count], ...(labels > 0 ? [['labelSum', labelSum]] : [])] as [string, Float64Array][];
        for (const [name, into] of pairs) { const part = floatData(result[name]); for (let i = 0; i < into.length; i++) into[i] += part[i]; }
        const slice = floatData(result['active']);
        for (let i = 0; i < f; i++) active.set(slice.subarray(i * n, (i + 1) * n), i * t + from);
      }
    });
    for (const sums of [out.mean, out.meanAbs, out.meanSquare, out.meanOutput]) for (let i = 0; i < f; i++) sums[i] /= Math.max(1, t);
    return { tokens: t, ...out, labelSum, active };
  }

  /** How often pairs of the `f` neurons of `active` are active together `[f, f]`: only the upper triangle is multiplied, panel by panel. */
  async coactivation(active: Float32Array, tokens: number, f = this.f): Promise<Float32Array> {
    const out = new Float32Array(f * f);
    const panel = Math.max(16, Math.min(f, Math.round(6e9 / Math.max(1, 2 * tokens * f))));
    await this.environment.pool.with('gramPanel', () => Promise.resolve(buildGramPanel()), async (session) => {
      for (let from = 0; from < f; from += panel) {
        const rows = Math.min(panel, f - from), width = f - from;
        await this.turn();
        const product = floatData((await session.run({ left: floats([rows, tokens], active.subarray(from * tokens, (from + rows) * tokens)), right: floats([width, tokens], active.subarray(from * tokens)) }))['product']);
        for (let i = 0; i < rows; i++) out.set(product.subarray(i * width + i, (i + 1) * width), (from + i) * f + from + i);
      }
    });
    mirror(out, f);
    return out;
  }
}

function squareSum(x: Float32Array, at: number, n: number): number {
  let sum = 0;
  for (let i = at; i < at + n; i++) sum += x[i] * x[i];
  return sum;
}

/** Copies the upper triangle to the lower one, in tiles. */
function mirror(matrix: Float32Array, n: number): void {
  const tile = 64;
  for (let i0 = 0; i0 < n; i0 += tile) for (let j0 = 0; j0 <= i0; j0 += tile) {
    for (let i = i0; i < Math.min(n, i0 + tile); i++) for (let j = j0; j < Math.min(i, j0 + tile); j++) matrix[i * n + j] = matrix[j * n + i];
  }
}
