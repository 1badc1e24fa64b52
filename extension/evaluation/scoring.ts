import type { BoundModel } from '../architecture/resolve';
import type { HeadSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import { floatData } from '../graph/hostTensor';
import type { AttachedModules } from '../module/attach';
import { RowReader } from '../probe/embed';
import { type ForwardEnvironment, ForwardPass } from '../probe/forward';
import { failure } from '../protocol/errors';

/** What scoring runs on. */
export interface ScoringSetting {
  readonly model: BoundModel;
  readonly environment: ForwardEnvironment;
  readonly modules: AttachedModules | null;
}

/** The probability asked for: of token `id` by the logits at position `row`. */
export interface Target {
  readonly row: number;
  readonly id: number;
}

/** One sequence to run, at most as long as the context, with what to read from its logits. */
export interface ScoredSequence {
  readonly ids: Int32Array;
  readonly targets: readonly Target[];
}

/** Bytes that the hidden states, decoder inputs and attention biases of one group of sequences may take together. */
const GROUP_BYTES = 256 << 20;
/** Packs hold at least this many tokens where sequences are short; their biases are counted with it. */
const PACK_TOKENS = 512;

/**
 * Natural log-probabilities of every target, handed out in the order of `sequences` as float64. Sequences run in groups
 * whose hidden states stay under a fixed limit. The normaliser is merged over vocabulary slices in float64; the target's
 * own logit is a float64 dot product of its decoder row, so `[tokens, vocabulary]` never exists.
 */
export async function scoreSequences(setting: ScoringSetting, sequences: Iterable<ScoredSequence>, each: (index: number, logProbabilities: Float64Array) => void, progress?: (tokensDone: number) => void): Promise<void> {
  const stack = setting.model.spec.stacks[0], inWidth = headOf(setting.model).decoder.inWidth;
  let group: ScoredSequence[] = [], bytes = 0, first = 0, done = 0;
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    const tokens = group.reduce((sum, s) => sum + s.ids.length, 0), before = done;
    const scores = await scoreGroup(setting, group, (share) => progress?.(before + Math.round(tokens * share)));
    scores.forEach((score, i) => { each(first + i, score); });
    first += group.length;
    done += tokens;
    group = [];
    bytes = 0;
  };
  for (const sequence of sequences) {
    const n = sequence.ids.length, size = 4 * n * (2 * stack.dModel + inWidth + Math.max(n, PACK_TOKENS));
    if (bytes + size > GROUP_BYTES) await flush();
    group.push(sequence);
    bytes += size;
  }
  await flush();
}

/** The head that losses need, or the typed failure. */
export function headOf(model: BoundModel): HeadSpec {
  if (!model.spec.head) throw failure('evaluate/no-head', { path: model.checkpoint.path });
  return model.spec.head;
}

async function scoreGroup(setting: ScoringSetting, group: readonly ScoredSequence[], progress: (share: number) => void): Promise<Float64Array[]> {
  const { model, environment, modules } = setting;
  const pass = new ForwardPass(model, group.map((s) => s.ids), environment, modules);
  const blocks = pass.stack.blocks, hidden = await pass.embed();
  for (const [i, block] of blocks.entries()) {
    await pass.block(block, hidden, {});
    progress((i + 1) / (blocks.length + 1));
  }
  const { decoderInput } = await pass.preHead(hidden, { final: true, head: true });
  return logProbabilities(pass.model, pass, decoderInput, group.map((s) => s.targets), modules);
}

/** Natural log-probabilities of the targets of each sequence of a pass whose decoder inputs are known, float64. */
export async function logProbabilities(model: BoundModel, pass: ForwardPass, decoderInput: readonly Float32Array[], targets: readonly (readonly Target[])[], modules: AttachedModules | null = null): Promise<Float64Array[]> {
  const head = headOf(model), width = head.decoder.inWidth;
  // Only rows that a target is read from go through the head.
  const places = pass.packs.map((): { readonly sequence: number; readonly target: number; readonly id: number }[] => []);
  const wanted = pass.packs.map((pack, p) => {
    const rows: number[] = [];
    for (let t = 0; t < pack.tokens; t++) {
      if (pack.positions[t] !== 0) continue;
      const sequence = pack.sequences[t];
      targets[sequence].forEach((target, k) => {
        rows.push(t + target.row);
        places[p].push({ sequence, target: k, id: target.id });
      });
    }
    const out = new Float32Array(rows.length * width);
    rows.forEach((row, i) => { out.set(decoderInput[p].subarray(row * width, (row + 1) * width), i * width); });
    return out;
  });
  const top = places.map((list) => new Float64Array(list.length).fill(-Infinity)), sum = places.map((list) => new Float64Array(list.length));
  await pass.head(wanted, 'logSumExp', (_pack, p, _slice, outputs) => {
    const sliceTop = floatData(outputs['max']), sliceSum = floatData(outputs['sum']);
    for (let i = 0; i < sliceTop.length; i++) mergeSlice(top[p], sum[p], i, sliceTop[i], sliceSum[i]);
  });
  const own = await ownLogits(model, head, places.map((list) => list.map((place) => place.id)), wanted, modules);
  const out = targets.map((list) => new Float64Array(list.length));
  places.forEach((list, p) => {
    list.forEach(({ sequence, target }, i) => {
      const value = own[p][i] - (top[p][i] + Math.log(sum[p][i]));
      if (!Number.isFinite(value)) throw failure('runtime/not-finite', { what: `The logits of ${model.checkpoint.path}`, value: String(value) });
      out[sequence][target] = value;
    });
  });
  return out;
}

/** Adds a slice's maximum and sum of exp(logit - maximum) to the running pair (Milakov and Gimelshein, 1805.02867). */
export function mergeSlice(top: Float64Array, sum: Float64Array, i: number, sliceTop: number, sliceSum: number): void {
  if (sliceTop > top[i]) {
    sum[i] = sum[i] * Math.exp(top[i] - sliceTop) + sliceSum;
    top[i] = sliceTop;
  } else sum[i] += sliceSum * Math.exp(sliceTop - top[i]);
}

/** Logits of the targets: decoder row times decoder input in float64, then what the head does to logits. */
async function ownLogits(model: BoundModel, head: HeadSpec, ids: readonly (readonly number[])[], inputs: readonly Float32Array[], modules: AttachedModules | null): Promise<Float64Array[]> {
  const width = head.decoder.inWidth, rows = new RowReader(model.tensor(head.decoder.weight));
  const bias = head.decoder.bias ? await readTensor(model.tensor(head.decoder.bias)) : null, vocabulary = rows.tensor.shape[0];
  for (const [row, list] of ids.entries()) for (const id of list) if (id >= vocabulary) throw failure('model/token-id', { id, vocabulary, row });
  await rows.load(ids.flat());
  return ids.map((list, p) => Float64Array.from(list, (id, i) => {
    const weights = modules?.head?.row(id, rows.row(id)) ?? rows.row(id), at = i * width;
    let logit = bias ? bias[id] : 0;
    for (let k = 0; k < width; k++) logit += weights[k] * inputs[p][at + k];
    if (head.scale !== undefined) logit *= head.scale;
    return head.softcap === undefined ? logit : head.softcap * Math.tanh(logit / head.softcap);
  }));
}
