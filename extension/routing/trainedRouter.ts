import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec, MoeSpec } from '../architecture/spec';
import { readTensorRows } from '../checkpoint/readTensor';
import { floatData } from '../graph/hostTensor';
import { matmulTransposed } from '../numerics/gemm';
import { scoreAgainstNull } from '../numerics/nullScore';
import { Random } from '../numerics/random';
import { topK } from '../partition/routers';
import type { ForwardPass } from '../probe/forward';
import { failure } from '../protocol/errors';
import type { TrainedVersusKeys } from '../protocol/routing';
import { ruleOf } from './mixtureRule';
import { moeWeights } from './moeRule';

const DRAWS = 199;

/**
 * Whether a trained router looks like avg-k: the cosine of each router row with the mean gate key of its own expert, and how often both send a
 * token to the same experts. The null pairs router rows with the keys of other experts ("A Closer Look into Mixture-of-Experts",
 * arXiv 2406.18219, compares the two; the control is ours).
 */
export async function trainedVersusKeys(model: BoundModel, pass: ForwardPass, layers: readonly number[], seed: number): Promise<readonly TrainedVersusKeys[]> {
  const hidden = await pass.embed(), out: TrainedVersusKeys[] = [];
  for (const block of pass.stack.blocks.slice(0, 1 + Math.max(...layers))) {
    const { ffn } = block;
    if (ffn.kind !== 'moe' || !layers.includes(block.index)) { await pass.block(block, hidden, {}); continue; }
    const E = ffn.experts.length, d = ffn.router.inWidth, rows = await readRows(model, ffn.router), keys = await meanKeys(model, ffn);
    const counts = new Float64Array(E * E);
    let tokens = 0;
    const rule = await ruleOf(model, ffn);
    await pass.block(block, hidden, { taps: new Set(['ffn.input', 'router.logits']) }, (pack, outputs) => {
      const { weights, ranking } = moeWeights(floatData(outputs['tap:router.logits']), pack.tokens, rule);
      const trained = topK(ranking ?? weights, pack.tokens, E, ffn.k), byKeys = topK(matmulTransposed(floatData(outputs['tap:ffn.input']), keys, pack.tokens, E, d), pack.tokens, E, ffn.k);
      tokens += pack.tokens;
      for (let t = 0; t < pack.tokens; t++) for (let i = 0; i < ffn.k; i++) for (let j = 0; j < ffn.k; j++) counts[trained.experts[t * ffn.k + i] * E + byKeys.experts[t * ffn.k + j]]++;
    });
    out.push({ site: `blocks.${block.index}.ffn`, layer: block.index, ...scoresOf(cosines(rows, keys, E, d), counts, E, tokens * ffn.k, seed, block.index) });
  }
  return out;
}

function scoresOf(cosine: Float64Array, counts: Float64Array, E: number, slots: number, seed: number, layer: number): Pick<TrainedVersusKeys, 'cosine' | 'agreement'> {
  const random = new Random(seed, 'trained router', layer), own = Int32Array.from({ length: E }, (_, e) => e);
  const diagonal = (of: Float64Array, pairing: ArrayLike<number>, by: number): number => { let sum = 0; for (let e = 0; e < E; e++) sum += of[e * E + pairing[e]]; return sum / by; };
  const pairings = Array.from({ length: DRAWS }, () => random.permutation(E)), nullKind = 'router rows paired with the keys of other experts';
  return {
    cosine: scoreAgainstNull({ value: diagonal(cosine, own, E), draws: pairings.map((p) => diagonal(cosine, p, E)), n: E, nOf: 'experts', unit: 'cosine', direction: 'greater', nullKind }),
    agreement: scoreAgainstNull({ value: diagonal(counts, own, slots), draws: pairings.map((p) => diagonal(counts, p, slots)), n: slots, nOf: 'choices', unit: 'share', direction: 'greater', nullKind }),
  };
}

/** Cosines of the rows of two matrices `[E, d]`: `[E, E]`. */
function cosines(a: Float32Array, b: Float32Array, E: number, d: number): Float64Array {
  const length = (rows: Float32Array, e: number): number => Math.hypot(...rows.subarray(e * d, (e + 1) * d)) || 1, products = matmulTransposed(a, b, E, E, d);
  return Float64Array.from(products, (x, i) => x / (length(a, Math.floor(i / E)) * length(b, i % E)));
}

/** Mean gate row of every expert `[E, d]`; of ungated experts the mean row of `up`. */
async function meanKeys(model: BoundModel, moe: MoeSpec): Promise<Float32Array> {
  const d = moe.router.inWidth, out = new Float32Array(moe.experts.length * d);
  for (const [e, { gate, up }] of moe.experts.entries()) {
    const rows = await readRows(model, gate ?? up), f = (gate ?? up).outWidth, mean = new Float64Array(d);
    for (let i = 0, at = 0; i < f; i++) for (let c = 0; c < d; c++, at++) mean[c] += rows[at] / f;
    out.set(mean, e * d);
  }
  return out;
}

/** Rows of a linear map `[out, in]`, be it a tensor of its own or a part of a stack. */
async function readRows(model: BoundModel, { weight, slice, layout, inWidth, outWidth, mxfp4, site }: LinearSpec): Promise<Float32Array> {
  if (mxfp4) throw failure('routing/no-router', { path: model.checkpoint.path, router: 'native', reason: `its experts are packed as MXFP4, whose rows (${site}) are not compared with the router` });
  const tensor = model.tensor(weight), from = slice?.from ?? 0, step = slice?.step ?? 1;
  const stored = slice ? await readTensorRows(tensor, slice.index, slice.index + 1) : await readTensorRows(tensor, 0, tensor.shape[0]);
  const width = stored.length / inWidth, out = new Float32Array(outWidth * inWidth);
  for (let o = 0; o < outWidth; o++) {
    const at = from + o * step;
    if (layout === 'outIn') out.set(stored.subarray(at * inWidth, (at + 1) * inWidth), o * inWidth);
    else for (let i = 0; i < inWidth; i++) out[o * inWidth + i] = stored[i * width + at];
  }
  return out;
}
