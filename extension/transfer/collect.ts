import type { BoundModel } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import type { LinearHook } from '../graph/block';
import { GraphBuilder } from '../graph/builder';
import { floatData, floats } from '../graph/hostTensor';
import type { Graph } from '../graph/ir';
import { Random } from '../numerics/random';
import { type ForwardEnvironment, ForwardPass } from '../probe/forward';
import { inputGroup, partsOfBlock } from './parts';
import type { GroupStatistics, LayerStatistics, PairedRows } from './statistics';
import type { PairedText, TokenPairs } from './tokenPairs';
import type { GroupName, SitePart, WantedGroup } from './types';

/** Tokens that run before sums are taken: their rows are all that is alive of a group. */
const CHUNK_TOKENS = 2048;
/** Rows that assignments are made on. */
const SAMPLE_ROWS = 4096;
/** Share of the tokens of a chunk with the largest norms on either base that sums leave out: massive activations would decide everything. */
const MASSIVE_SHARE = 0.001;
/** Floating-point operations of one product: about a tenth of a second. */
const FLOPS_PER_PRODUCT = 12e9;

/** Texts that run together on both bases. */
interface Chunk {
  readonly heldOut: boolean;
  readonly pairs: number;
  readonly sides: readonly [ChunkSide, ChunkSide];
}

interface ChunkSide {
  readonly sequences: readonly Int32Array[];
  /** Row of each token of the run among the chunk's pairs; -1: none. */
  readonly rowOf: Int32Array;
}

function chunksOf(texts: readonly PairedText[], heldOut: boolean): Chunk[] {
  const out: Chunk[] = [];
  for (let at = 0; at < texts.length;) {
    const group: PairedText[] = [];
    let tokens = 0;
    while (at < texts.length && (group.length === 0 || tokens + size(texts[at]) <= CHUNK_TOKENS)) {
      tokens += size(texts[at]);
      group.push(texts[at++]);
    }
    out.push({ heldOut, pairs: group.reduce((sum, { to }) => sum + to.length, 0), sides: [sideOf(group, 'from'), sideOf(group, 'to')] });
  }
  return out;
}

function size({ fromIds, toIds }: PairedText): number {
  return Math.max(fromIds.length, toIds.length);
}

function sideOf(texts: readonly PairedText[], side: 'from' | 'to'): ChunkSide {
  const sequences = texts.map((text) => (side === 'from' ? text.fromIds : text.toIds)), rowOf = new Int32Array(sequences.reduce((sum, ids) => sum + ids.length, 0)).fill(-1);
  let offset = 0, row = 0;
  for (const [i, text] of texts.entries()) {
    for (const place of side === 'from' ? text.from : text.to) rowOf[offset + place] = row++;
    offset += sequences[i].length;
  }
  return { sequences, rowOf };
}

/** One base on its way through its blocks; hidden states wait chunk by chunk. */
class Walker {
  private readonly passes: readonly ForwardPass[];
  /** Hidden states that enter `layer`; null before the embeddings. */
  private hidden: Float32Array[][] | null = null;
  private layer = 0;
  /** What leaves the block that was collected from, so that it need not run again. */
  private next: Float32Array[][] | null = null;

  constructor(readonly model: BoundModel, chunks: readonly ChunkSide[], environment: ForwardEnvironment) {
    this.passes = chunks.map(({ sequences }) => new ForwardPass(model, sequences, environment));
  }

  block(layer: number): BlockSpec {
    return this.model.spec.stacks[0].blocks[layer];
  }

  /** Brings the hidden states to a layer at or after the present one. */
  async enter(layer: number): Promise<void> {
    if (!this.hidden) {
      this.hidden = [];
      for (const pass of this.passes) this.hidden.push(await pass.embed());
    }
    while (this.layer < layer) {
      if (this.next) this.hidden = this.next;
      else for (const [i, pass] of this.passes.entries()) await pass.block(this.block(this.layer), this.hidden[i], {});
      this.next = null;
      this.layer++;
    }
    if (this.layer !== layer) throw new Error('layers are walked upwards');
  }

  /** Runs the present block on one chunk and hands out the activations of each group, pack by pack. */
  async collect(chunk: number, taps: Taps, each: (group: GroupName, offset: number, tokens: number, rows: Float32Array) => void): Promise<void> {
    if (!this.hidden) throw new Error('nothing has entered');
    const hidden = [...this.hidden[chunk]];
    await this.passes[chunk].block(this.block(this.layer), hidden, { hook: taps.hook, key: taps.key }, (pack, outputs) => {
      for (const { group, output, rows, width } of taps.picks) {
        const all = floatData(outputs[output]);
        each(group, pack.offset, pack.tokens, rows ? pickColumns(all, width, rows) : all);
      }
    });
    this.next ??= [];
    this.next[chunk] = hidden;
  }
}

function pickColumns(x: Float32Array, width: number, rows: Int32Array): Float32Array {
  const n = x.length / width, out = new Float32Array(n * rows.length);
  for (let t = 0; t < n; t++) for (let j = 0; j < rows.length; j++) out[t * rows.length + j] = x[t * width + rows[j]];
  return out;
}

/** How the inputs and outputs of a block's maps are given out. */
interface Taps {
  readonly key: string;
  readonly hook: LinearHook;
  readonly picks: readonly { readonly group: GroupName; readonly output: string; readonly rows: Int32Array | null; readonly width: number }[];
  readonly widths: ReadonlyMap<GroupName, number>;
}

function tapsFor(model: BoundModel, block: BlockSpec, groups: readonly GroupName[]): Taps {
  const parts = partsOfBlock(model, block), picks: { group: GroupName; output: string; rows: Int32Array | null; width: number }[] = [], outputs = new Set<string>(), widths = new Map<GroupName, number>();
  for (const group of groups) {
    const input = group.startsWith('in:'), part = parts.find((p) => (input ? inputGroup(p.role) === group : `out:${p.role}` === group));
    if (!part) continue;
    const output = `${input ? 'x' : 'y'}|${part.linear.weight}`;
    outputs.add(output);
    picks.push({ group, output, rows: input ? null : part.rows, width: input ? part.inWidth : part.linear.outWidth });
    widths.set(group, input ? part.inWidth : part.outWidth);
  }
  return {
    picks, widths, key: `taps ${[...outputs].sort().join()}`,
    hook: (b, spec, x, y) => {
      if (outputs.has(`x|${spec.weight}`)) b.output(`x|${spec.weight}`, x);
      if (outputs.has(`y|${spec.weight}`)) b.output(`y|${spec.weight}`, y);
      return y;
    },
  };
}

/** p^T p, p^T o and p^T o' of `[n, .]` rows. */
function buildProducts(p: number, o: number): Graph {
  const b = new GraphBuilder('paired products'), predictor = b.input('predictor', 'float32', ['n', p]), outcome = b.input('outcome', 'float32', ['n', o]), shuffled = b.input('shuffled', 'float32', ['n', o]);
  b.output('gram', b.gemm(predictor, predictor, { transposed: false, transposedInput: true, rows: p, width: p }));
  b.output('cross', b.gemm(predictor, outcome, { transposed: false, transposedInput: true, rows: p, width: o }));
  b.output('crossShuffled', b.gemm(predictor, shuffled, { transposed: false, transposedInput: true, rows: p, width: o }));
  return b.build();
}

/** Sums that grow chunk by chunk; rows of `out:` groups are shifted by the first chunk's means. */
class Gathering {
  private readonly input: boolean;
  private readonly p: number;
  private readonly o: number;
  private tokens = 0;
  private shift: { readonly from: Float64Array; readonly to: Float64Array } | null = null;
  private readonly predictorSum: Float64Array;
  private readonly outcomeSum: Float64Array;
  private readonly outcomeSquares: Float64Array;
  private readonly products: { gram: Float64Array; cross: Float64Array; crossShuffled: Float64Array } | null;
  private readonly samples: { from: Float32Array[]; to: Float32Array[]; n: number } | null;
  private readonly heldOut: { from: Float32Array[]; to: Float32Array[]; n: number } = { from: [], to: [], n: 0 };

  constructor(readonly wanted: WantedGroup, readonly fromWidth: number, readonly toWidth: number, private readonly seed: number) {
    this.input = wanted.group.startsWith('in:');
    [this.p, this.o] = this.input ? [toWidth, fromWidth] : [fromWidth, toWidth];
    this.predictorSum = new Float64Array(this.p);
    this.outcomeSum = new Float64Array(this.o);
    this.outcomeSquares = new Float64Array(this.o);
    this.products = wanted.kind === 'samples' ? null : { gram: new Float64Array(this.p * this.p), cross: new Float64Array(this.p * this.o), crossShuffled: new Float64Array(this.p * this.o) };
    this.samples = wanted.kind === 'covariance' ? null : { from: [], to: [], n: 0 };
  }

  async add(rows: PairedRows, heldOut: boolean, chunk: number, environment: ForwardEnvironment): Promise<void> {
    const all = this.shifted(rows);
    if (heldOut) return void keep(this.heldOut, all, all.n, this.fromWidth, this.toWidth);
    if (this.samples) keep(this.samples, all, SAMPLE_ROWS - this.samples.n, this.fromWidth, this.toWidth);
    const kept = withoutMassive(all, this.fromWidth, this.toWidth), [predictor, outcome] = this.input ? [kept.to, kept.from] : [kept.from, kept.to];
    this.tokens += kept.n;
    for (let t = 0, at = 0; t < kept.n; t++) for (let j = 0; j < this.p; j++, at++) this.predictorSum[j] += predictor[at];
    for (let t = 0, at = 0; t < kept.n; t++) for (let j = 0; j < this.o; j++, at++) {
      this.outcomeSum[j] += outcome[at];
      this.outcomeSquares[j] += outcome[at] ** 2;
    }
    if (this.products) await this.multiply(this.products, predictor, outcome, kept.n, chunk, environment);
  }

  finish(): GroupStatistics {
    const { wanted: { group }, fromWidth, toWidth, tokens, predictorSum, outcomeSum, outcomeSquares, products } = this;
    return { group, fromWidth, toWidth, tokens, predictorSum, outcomeSum, outcomeSquares, products, samples: this.samples ? joined(this.samples) : null, heldOut: joined(this.heldOut) };
  }

  /** Takes the shift off in place: the rows are this group's alone. */
  private shifted(rows: PairedRows): PairedRows {
    if (this.input) return rows;
    this.shift ??= { from: meansOf(rows.from, rows.n, this.fromWidth), to: meansOf(rows.to, rows.n, this.toWidth) };
    for (const [x, mean] of [[rows.from, this.shift.from], [rows.to, this.shift.to]] as const) for (let t = 0, at = 0; t < rows.n; t++) for (let j = 0; j < mean.length; j++, at++) x[at] -= mean[j];
    return rows;
  }

  /** Float32 products of a slice on the device, float64 sums of slices here. */
  private async multiply(sums: { readonly gram: Float64Array; readonly cross: Float64Array; readonly crossShuffled: Float64Array }, predictor: Float32Array, outcome: Float32Array, n: number, chunk: number, { pool, scheduler, signal, interactive }: ForwardEnvironment): Promise<void> {
    const { p, o } = this, order = new Random(this.seed, 'shuffled pairs', chunk).permutation(n), rows = Math.max(64, Math.min(CHUNK_TOKENS, Math.floor(FLOPS_PER_PRODUCT / (2 * p * (p + 2 * o)))));
    const shuffled = new Float32Array(n * o);
    order.forEach((from, to) => { shuffled.set(outcome.subarray(from * o, (from + 1) * o), to * o); });
    await pool.with(`transfer products ${p} ${o}`, () => Promise.resolve(buildProducts(p, o)), async (session) => {
      for (let at = 0; at < n; at += rows) {
        const end = Math.min(n, at + rows);
        await scheduler.turn(signal, interactive);
        const out = await session.run({ predictor: floats([end - at, p], predictor.subarray(at * p, end * p)), outcome: floats([end - at, o], outcome.subarray(at * o, end * o)), shuffled: floats([end - at, o], shuffled.subarray(at * o, end * o)) });
        for (const name of ['gram', 'cross', 'crossShuffled'] as const) {
          const part = floatData(out[name]), total = sums[name];
          for (let i = 0; i < part.length; i++) total[i] += part[i];
        }
      }
    });
  }
}

function meansOf(x: Float32Array, n: number, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (let t = 0, at = 0; t < n; t++) for (let j = 0; j < width; j++, at++) mean[j] += x[at];
  return mean.map((sum) => Math.fround(sum / Math.max(1, n)));
}

function keep(store: { from: Float32Array[]; to: Float32Array[]; n: number }, rows: PairedRows, most: number, fromWidth: number, toWidth: number): void {
  const n = Math.min(rows.n, most);
  if (n <= 0) return;
  store.from.push(rows.from.slice(0, n * fromWidth));
  store.to.push(rows.to.slice(0, n * toWidth));
  store.n += n;
}

function joined({ from, to, n }: { readonly from: readonly Float32Array[]; readonly to: readonly Float32Array[]; readonly n: number }): PairedRows {
  const join = (parts: readonly Float32Array[]): Float32Array => {
    const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  };
  return { n, from: join(from), to: join(to) };
}

/** Rows without those of the largest norms on either side. */
function withoutMassive(rows: PairedRows, fromWidth: number, toWidth: number): PairedRows {
  const drop = Math.floor(rows.n * MASSIVE_SHARE), gone = new Set<number>();
  for (const [x, width] of [[rows.from, fromWidth], [rows.to, toWidth]] as const) {
    const norms = Float64Array.from({ length: rows.n }, (_, t) => { let sum = 0; for (let j = t * width; j < (t + 1) * width; j++) sum += x[j] ** 2; return sum; });
    for (const t of Array.from(norms, (_, i) => i).sort((i, j) => norms[j] - norms[i] || i - j).slice(0, drop)) gone.add(t);
  }
  if (gone.size === 0) return rows;
  const without = (x: Float32Array, width: number): Float32Array => {
    const out = new Float32Array((rows.n - gone.size) * width);
    for (let t = 0, at = 0; t < rows.n; t++) {
      if (gone.has(t)) continue;
      out.set(x.subarray(t * width, (t + 1) * width), at);
      at += width;
    }
    return out;
  };
  return { n: rows.n - gone.size, from: without(rows.from, fromWidth), to: without(rows.to, toWidth) };
}

/** Runs both bases in step and gives the statistics of one pair of layers after the other; one pair's are alive at a time. */
export class PairedActivations {
  private readonly chunks: readonly Chunk[];
  private readonly walkers: readonly [Walker, Walker];

  constructor(from: BoundModel, to: BoundModel, pairs: TokenPairs, private readonly environment: ForwardEnvironment, private readonly seed: number, private readonly shufflePairs: boolean) {
    this.chunks = [...chunksOf(pairs.fit, false), ...chunksOf(pairs.heldOut, true)];
    this.walkers = [new Walker(from, this.chunks.map(({ sides }) => sides[0]), environment), new Walker(to, this.chunks.map(({ sides }) => sides[1]), environment)];
  }

  /** Statistics of source layer `from` with target layer `to`; both may only grow from call to call. */
  async layer(from: number, to: number, wanted: readonly WantedGroup[], progress?: (done: number, total: number) => void): Promise<LayerStatistics> {
    const layers = [from, to] as const, names = wanted.map(({ group }) => group), taps = this.walkers.map((walker, side) => tapsFor(walker.model, walker.block(layers[side]), names));
    const gatherings = new Map<GroupName, Gathering>();
    for (const one of wanted) {
      const widths = taps.map((t) => t.widths.get(one.group));
      if (widths[0] !== undefined && widths[1] !== undefined) gatherings.set(one.group, new Gathering(one, widths[0], widths[1], this.seed));
    }
    for (const [side, walker] of this.walkers.entries()) await walker.enter(layers[side]);
    for (const [c, chunk] of this.chunks.entries()) {
      const order = this.shufflePairs ? new Random(this.seed, 'pairs at random', c).permutation(chunk.pairs) : null;
      const rows = [new Map<GroupName, Float32Array>(), new Map<GroupName, Float32Array>()];
      for (const [side, walker] of this.walkers.entries()) {
        const { rowOf } = chunk.sides[side];
        await walker.collect(c, taps[side], (group, offset, tokens, data) => {
          const width = data.length / tokens;
          let target = rows[side].get(group);
          if (!target) rows[side].set(group, (target = new Float32Array(chunk.pairs * width)));
          for (let t = 0; t < tokens; t++) {
            const row = rowOf[offset + t];
            if (row >= 0) target.set(data.subarray(t * width, (t + 1) * width), (side === 1 && order ? order[row] : row) * width);
          }
        });
      }
      for (const [group, gathering] of gatherings) {
        const a = rows[0].get(group), b = rows[1].get(group);
        if (a && b) await gathering.add({ n: chunk.pairs, from: a, to: b }, chunk.heldOut, c, this.environment);
      }
      progress?.(c + 1, this.chunks.length);
    }
    return new Map([...gatherings].map(([group, gathering]) => [group, gathering.finish()]));
  }
}

/** Rows of one group at every layer of a base, on the first `most` paired tokens that are held out: `[n, width]` per layer. */
export async function rowsOfLayers(model: BoundModel, side: 0 | 1, texts: readonly PairedText[], group: GroupName, most: number, environment: ForwardEnvironment, each: (layer: number, rows: Float32Array, n: number, width: number) => Promise<void>): Promise<void> {
  const chunks = chunksOf(texts, true), total = Math.min(most, chunks.reduce((sum, { pairs }) => sum + pairs, 0)), walker = new Walker(model, chunks.map(({ sides }) => sides[side]), environment);
  for (const block of model.spec.stacks[0].blocks) {
    await walker.enter(block.index);
    const taps = tapsFor(model, block, [group]), width = taps.widths.get(group) ?? 0, rows = new Float32Array(total * width);
    let from = 0;
    for (const [c, chunk] of chunks.entries()) {
      const { rowOf } = chunk.sides[side], first = from;
      await walker.collect(c, taps, (_, offset, tokens, data) => {
        for (let t = 0; t < tokens; t++) {
          const row = rowOf[offset + t];
          if (row >= 0 && first + row < total) rows.set(data.subarray(t * width, (t + 1) * width), (first + row) * width);
        }
      });
      from += chunk.pairs;
    }
    await each(block.index, rows, total, width);
  }
}

/** Groups that a part reads and writes. */
export function groupsOf(part: SitePart): readonly GroupName[] {
  return [inputGroup(part.role), `out:${part.role}`];
}
