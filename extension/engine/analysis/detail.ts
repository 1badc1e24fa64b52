import { readTensorRows } from '../../checkpoint/readTensor';
import { readTensor } from '../../checkpoint/readTensor';
import type { BoundModel } from '../../architecture/resolve';
import { scoreAgainstNull } from '../../numerics/nullScore';
import { matmulTransposed } from '../../numerics/gemm';
import { quantile } from '../../numerics/statistics';
import { Random } from '../../numerics/random';
import { rankedNeurons } from '../../partition/activity';
import { shuffledLabels } from '../../partition/controls';
import type { Tokenizer } from '../../probe/tokenizer';
import type { ExpertDetail, TokenInContext } from '../../protocol/documents';
import type { Score } from '../../protocol/score';
import { type AnalysisRecord, type ProbeRecord, TOP_TOKENS, type WeightsRecord } from './records';
import { matchedGroup } from '../../partition/matchedGroups';

const ENRICHMENT_DRAWS = 200;
const ORACLE_DRAWS = 200;
const NEURON_DRAWS = 200;
/** Words shown on each side of the logit effect. */
const WORDS = 6;
/** Characters of context on each side of a token. */
const CONTEXT_CHARACTERS = 48;
/** Rows of the decoder that are multiplied at once. */
const DECODER_ROWS = 4096;

export interface DetailInput {
  readonly record: AnalysisRecord;
  readonly weights: WeightsRecord;
  readonly probe: ProbeRecord | null;
  readonly expert: number;
  readonly model: BoundModel | null;
  readonly tokenizer: Tokenizer | null;
}

/** What one expert is about, beside random groups of the same layer. */
export async function expertDetail(input: DetailInput): Promise<ExpertDetail> {
  const { record, weights, probe, expert } = input, { experts, seed } = record.head;
  const labels = probe?.labels ?? weights.labels, router = probe?.router ?? weights.router;
  const ranked = rankedNeurons(probe?.meanOutput ?? weights.norms, labels, expert, experts, seed, NEURON_DRAWS);
  const flagged = (flags: Uint8Array | undefined): number => (flags ? ranked.ids.reduce((sum, i) => sum + flags[i], 0) : 0);
  const effect = probe && input.model ? await logitEffect(input.model, probe, expert, experts, input.tokenizer) : null;
  return {
    layer: weights.index, expert, mass: probe?.massScores[expert] ?? null,
    byLabel: probe && record.probe ? record.probe.labelNames.map((label, l) => ({ label, enrichment: enrichment(probe, labels, expert, experts, l, seed), q: probe.q[expert * record.probe!.labelNames.length + l] })) : [],
    topTokens: probe && record.probe && input.tokenizer ? topTokens(record, probe, expert, input.tokenizer) : [],
    logitEffect: effect && 'up' in effect ? effect : null, ...(effect && 'missing' in effect ? { logitMissing: effect.missing } : {}),
    neurons: { ids: ranked.ids, norms: ranked.values, nullLow: ranked.nullLow, nullHigh: ranked.nullHigh, nullDraws: ranked.nullDraws, notSeenActive: flagged(probe?.notSeenActive), resident: flagged(probe?.resident), normOf: probe ? 'output' : weights.normOf },
    routerRow: { cosine: router.cosine.slice(expert * experts, (expert + 1) * experts), nullLow: router.nullLow, nullHigh: router.nullHigh, nullDraws: router.nullDraws },
    oracleAgreement: probe ? oracleAgreement(probe, expert, record.head.topK, seed) : null,
  };
}

/** Fold of a label's most selective neurons in the expert, null: the same neurons with experts dealt at random. */
function enrichment(probe: ProbeRecord, labels: Int32Array, expert: number, experts: number, label: number, seed: number): Score {
  const f = labels.length, scores = probe.selectivity.subarray(label * f, (label + 1) * f);
  const eligible = Array.from(labels.keys()).filter((i) => probe.eligible[i] === 1);
  const listed = [...eligible].sort((a, b) => scores[b] - scores[a] || a - b).slice(0, probe.listed);
  const fold = (by: ArrayLike<number>): number => {
    let inside = 0, size = 0;
    for (const i of listed) if (by[i] === expert) inside++;
    for (const i of eligible) if (by[i] === expert) size++;
    return size > 0 ? inside / ((size * listed.length) / eligible.length) : NaN;
  };
  const value = fold(labels), draws = Float64Array.from({ length: ENRICHMENT_DRAWS }, (_, draw) => fold(shuffledLabels(labels, seed, draw)));
  return scoreAgainstNull({ value, draws, n: listed.length, nOf: 'most selective neurons of the label', unit: 'fold', direction: 'greater', nullKind: `neurons dealt to ${experts} experts at random, sizes kept` });
}

/** How often avg-k finds the expert where the oracle wants it; null: the router's choices for other tokens. */
function oracleAgreement(probe: ProbeRecord, expert: number, k: number, seed: number): Score | null {
  const n = probe.sample, has = (choice: Int32Array): Uint8Array => Uint8Array.from({ length: n }, (_, t) => { for (let s = 0; s < k; s++) if (choice[t * k + s] === expert) return 1; return 0; });
  const router = has(probe.chosen), oracle = has(probe.oracle), wanted = oracle.reduce((sum, x) => sum + x, 0);
  if (wanted === 0) return null;
  const share = (order: ArrayLike<number> | null): number => { let hit = 0; for (let t = 0; t < n; t++) if (oracle[t]) hit += router[order ? order[t] : t]; return hit / wanted; };
  const draws = Float64Array.from({ length: ORACLE_DRAWS }, (_, draw) => share(new Random(seed, 'oracleAgreement', expert, draw).permutation(n)));
  return scoreAgainstNull({ value: share(null), draws, n: wanted, nOf: 'tokens where the oracle chooses it', unit: 'share', direction: 'greater', nullKind: 'the router\u2019s choices for other tokens' });
}

function topTokens(record: AnalysisRecord, probe: ProbeRecord, expert: number, tokenizer: Tokenizer): TokenInContext[] {
  const texts = record.probe;
  if (!texts) return [];
  const out: TokenInContext[] = [];
  for (let i = 0; i < TOP_TOKENS; i++) {
    const row = probe.topTokens[expert * TOP_TOKENS + i];
    if (row < 0) continue;
    const sequence = texts.sequence[row], at = texts.position[row], ids = texts.sequences[sequence], label = texts.labels[sequence];
    const words = (from: number, to: number): string => Array.from(ids.subarray(Math.max(0, from), to), (id) => (tokenizer.isSpecial(id) ? '' : tokenizer.tokenText(id))).join('');
    out.push({ before: words(at - 24, at).slice(-CONTEXT_CHARACTERS), token: tokenizer.tokenText(ids[at]), after: words(at + 1, at + 25).slice(0, CONTEXT_CHARACTERS), activation: probe.topActivations[expert * TOP_TOKENS + i], label: label >= 0 ? texts.labelNames[label] : null });
  }
  return out;
}

/**
 * What the expert's output, when it is most active, pushes the vocabulary towards: decoder rows times the final norm's weights times the
 * written direction (the norm's own division is left out), minus the mean over the vocabulary. The null band is the effect that the
 * strongest word of a matched random group reaches in 95 % of draws.
 */
async function logitEffect(model: BoundModel, probe: ProbeRecord, expert: number, experts: number, tokenizer: Tokenizer | null): Promise<NonNullable<ExpertDetail['logitEffect']> | { readonly missing: string }> {
  const head = model.spec.head, stack = model.spec.stacks[0], d = stack.dModel;
  if (!head) return { missing: 'The checkpoint holds no language-model head.' };
  if (head.transform || head.projection || head.decoder.inWidth !== d) return { missing: 'The head transforms before it reaches the vocabulary, so a direction has no effect of its own.' };
  if (probe.writes.length !== experts * d) return { missing: 'The FFN\u2019s output matrix was not recognised.' };
  const gain = stack.finalNorm?.weight ? await readTensor(model.tensor(stack.finalNorm.weight)) : null;
  const directions = new Float32Array((1 + probe.writeDraws) * d);
  directions.set(probe.writes.subarray(expert * d, (expert + 1) * d));
  directions.set(probe.nullWrites.subarray(expert * probe.writeDraws * d, (expert + 1) * probe.writeDraws * d), d);
  if (gain) for (let i = 0; i < directions.length; i++) directions[i] *= (stack.finalNorm?.addOne ? 1 : 0) + gain[i % d];
  const table = model.tensor(head.decoder.weight), vocabulary = table.shape[0], count = 1 + probe.writeDraws;
  const effects = Array.from({ length: count }, () => new Float32Array(vocabulary));
  for (let from = 0; from < vocabulary; from += DECODER_ROWS) {
    const to = Math.min(vocabulary, from + DECODER_ROWS), product = matmulTransposed(directions, await readTensorRows(table, from, to), count, to - from, d);
    for (let g = 0; g < count; g++) effects[g].set(product.subarray(g * (to - from), (g + 1) * (to - from)), from);
  }
  for (const effect of effects) { const mean = effect.reduce((sum, x) => sum + x, 0) / vocabulary; for (let v = 0; v < vocabulary; v++) effect[v] -= mean; }
  const strongest = Float64Array.from(effects.slice(1), (effect) => effect.reduce((most, x) => Math.max(most, Math.abs(x)), 0)).sort();
  const order = Int32Array.from({ length: vocabulary }, (_, v) => v).sort((a, b) => effects[0][b] - effects[0][a] || a - b);
  const word = (v: number): { token: string; value: number } => ({ token: tokenizer ? tokenizer.tokenText(v) : `#${v}`, value: effects[0][v] });
  return { up: Array.from(order.subarray(0, WORDS), word), down: Array.from(order.subarray(vocabulary - WORDS).reverse(), word), nullBand: quantile(strongest, 0.95), nullDraws: probe.writeDraws, n: vocabulary };
}

/** Random groups that an expert is compared with when it is ablated: same layer, size and norms. */
export function ablationGroups(weights: WeightsRecord, labels: Int32Array, expert: number, seed: number, draws: number): readonly Int32Array[] {
  const members = Array.from(labels.keys()).filter((i) => labels[i] === expert);
  return Array.from({ length: draws }, (_, draw) => matchedGroup(weights.norms, members, seed, draw));
}
