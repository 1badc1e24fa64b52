import type { BoundModel } from '../architecture/resolve';
import { hollow, type HollowGram, unbiasedHsic } from '../numerics/cka';
import { columnMoments } from '../numerics/correlation';
import { gramSteps } from '../numerics/gemm';
import { scoreAgainstNull } from '../numerics/nullScore';
import { Random } from '../numerics/random';
import { finishInTurns } from '../numerics/steps';
import type { ForwardEnvironment } from '../probe/forward';
import type { Score } from '../protocol/score';
import { rowsOfLayers } from './collect';
import type { PairedText } from './tokenPairs';

/** Tokens that layers are compared on; the matrices of all layers of two bases are alive together. */
const COMPARED_TOKENS = 512;
/** Shuffled pairings behind each null. */
const NULL_DRAWS = 39;

/** How alike the layers of two bases are: linear CKA (unbiased) of what their attention reads, on tokens that no map is fitted on. */
export class LayerLikeness {
  private constructor(private readonly to: readonly HollowGram[], private readonly from: readonly HollowGram[], private readonly n: number, private readonly seed: number) {}

  static async measure(from: BoundModel, to: BoundModel, texts: readonly PairedText[], environment: ForwardEnvironment, seed: number, shufflePairs: boolean, progress: (done: number, total: number) => void): Promise<LayerLikeness> {
    const total = from.spec.stacks[0].blocks.length + to.spec.stacks[0].blocks.length, grams: [HollowGram[], HollowGram[]] = [[], []];
    let tokens = 0, done = 0;
    for (const [side, model] of [from, to].entries()) {
      await rowsOfLayers(model, side as 0 | 1, texts, 'in:attention', COMPARED_TOKENS, environment, async (_layer, rows, n, width) => {
        const order = shufflePairs && side === 1 ? new Random(seed, 'pairs at random', 'layers').permutation(n) : null;
        const { mean } = columnMoments(rows, n, width), centred = new Float32Array(rows.length);
        for (let t = 0; t < n; t++) for (let j = 0; j < width; j++) centred[(order ? order[t] : t) * width + j] = rows[t * width + j] - mean[j];
        grams[side].push(hollow(await finishInTurns(gramSteps(centred, n, width), environment.signal), n));
        tokens = n;
        progress(++done, total);
      });
    }
    return new LayerLikeness(grams[1], grams[0], tokens, seed);
  }

  /** CKA of every target layer with every source layer `[to, from]`; null where nothing can be compared. */
  table(): Float64Array | null {
    if (this.n <= 3) return null;
    const out = new Float64Array(this.to.length * this.from.length), left = this.to.map((k) => unbiasedHsic(k, k, this.n)), right = this.from.map((k) => unbiasedHsic(k, k, this.n));
    for (const [l, a] of this.to.entries()) for (const [s, b] of this.from.entries()) {
      const scale = left[l] * right[s];
      out[l * this.from.length + s] = scale > 0 ? unbiasedHsic(a, b, this.n) / Math.sqrt(scale) : 0;
    }
    return out.some((x) => x !== 0) ? out : null;
  }

  /** The figure of one pair of layers beside what shuffled pairs give. */
  score(to: number, from: number): Score | null {
    const { n } = this, a = this.to[to], b = this.from[from], scale = Math.sqrt(Math.max(0, unbiasedHsic(a, a, n) * unbiasedHsic(b, b, n)));
    if (n <= 3 || !(scale > 0)) return null;
    const random = new Random(this.seed, 'null of cka', to, from), draws = Array.from({ length: NULL_DRAWS }, () => unbiasedHsic(a, b, n, random.permutation(n)) / scale);
    return scoreAgainstNull({ value: unbiasedHsic(a, b, n) / scale, draws, n, nOf: 'paired tokens', unit: 'CKA', direction: 'greater', nullKind: 'token pairs shuffled' });
  }
}
