import type { BoundModel } from '../architecture/resolve';
import { ropeTables } from '../architecture/rope';
import type { BlockSpec, StackSpec } from '../architecture/spec';
import { assertUnchanged } from '../checkpoint/files';
import { BLOCK_INPUTS, BLOCK_OUTPUTS, type BlockOptions, buildBlock } from '../graph/block';
import { floatData, floats, type HostTensor } from '../graph/hostTensor';
import { buildEmbeddingStage } from '../graph/stages';
import type { AttachedModules } from '../module/attach';
import { failure } from '../protocol/errors';
import { Embedder } from './embed';
import { checkVocabulary, type ForwardEnvironment, ForwardPass, hooksOf, sessionPrefix } from './forward';
import { virtualId } from './lead';
import { cachedBias, type Pack } from './pack';

/** Keys and values of one block's past, `[kvHeads, past, headDim]` each. */
interface Past {
  readonly key: HostTensor;
  readonly value: HostTensor;
}

/** What else a block's graph gives while a text goes through it. */
export interface BlockLook {
  readonly options?: Pick<BlockOptions, 'taps' | 'extend' | 'mask'>;
  /** Tells graphs with different options apart. */
  readonly key?: string;
  readonly feeds?: Readonly<Record<string, HostTensor>>;
  /** Gets the outputs of the appended tokens. */
  readonly see?: (outputs: Readonly<Record<string, HostTensor>>, tokens: number) => void;
}

/**
 * Runs a causal model over one growing text: what was fed stays as keys and values, so that a new token costs one token.
 * Calls must not overlap. A failed `feed` leaves the text as it was before.
 */
export class Decoder {
  private readonly stack: StackSpec;
  private readonly embedder: Embedder;
  private past: readonly Past[];
  private fed = 0;
  /** Places in the past before the text: what modules put there so far. */
  private lead: number;
  private readonly model: BoundModel;

  constructor(base: BoundModel, private environment: ForwardEnvironment, private readonly modules: AttachedModules | null = null) {
    const model = (this.model = modules?.model ?? base), before = modules?.lead;
    this.stack = model.spec.stacks[0];
    if (!this.stack.blocks.every((block) => block.attention.causal)) throw failure('model/not-causal', { path: model.checkpoint.path, what: 'going through a text token by token' });
    if (modules?.averages) throw failure('module/whole-texts', { path: modules.modules.map(({ module }) => module.path).join(', ') });
    this.embedder = new Embedder(model, this.stack, modules);
    this.past = this.stack.blocks.map((block) => before?.past(block) ?? emptyPast(block));
    this.lead = before?.prefix ?? 0;
  }

  /** Ids fed so far. */
  get length(): number {
    return this.fed;
  }

  /** Bytes of the keys and values. */
  get pastBytes(): number {
    return this.past.reduce((sum, { key, value }) => sum + key.data.byteLength + value.data.byteLength, 0);
  }

  /** Goes on in another environment: each request has its own signal. */
  use(environment: ForwardEnvironment): void {
    this.environment = environment;
  }

  /** Forgets everything after the first `length` ids. */
  truncate(length: number): void {
    if (!(length >= 0 && length <= this.fed)) throw new RangeError(`cannot cut ${this.fed} ids to ${length}`);
    if (length === this.fed) return;
    this.past = this.past.map(({ key, value }) => ({ key: firstRows(key, this.lead + length), value: firstRows(value, this.lead + length) }));
    this.fed = length;
  }

  /** Appends ids and returns the logits after the last one `[1, vocabulary]`, or after every one of them `[ids, vocabulary]`. */
  async feed(ids: ArrayLike<number>, rows: 'last' | 'all' = 'last'): Promise<Float32Array> {
    const n = ids.length, { dModel } = this.stack, added = Int32Array.from(ids);
    // A pass over the same ids runs the head; its own positions are not used.
    const hidden = await this.advance(added), pass = new ForwardPass(this.model, [rows === 'all' ? added : added.slice(n - 1)], this.environment, this.modules);
    const { decoderInput } = await pass.preHead([rows === 'all' ? hidden : hidden.subarray((n - 1) * dModel)], { final: true, head: true });
    const width = pass.headRows, logits = new Float32Array(pass.tokens * width);
    await pass.head(decoderInput, 'logits', (_pack, _index, [from, to], outputs) => {
      const part = floatData(outputs['logits']);
      for (let t = 0; t < pass.tokens; t++) logits.set(part.subarray(t * (to - from), (t + 1) * (to - from)), t * width + from);
    });
    return logits;
  }

  /**
   * Appends ids and returns what leaves the last block `[ids, d_model]`. `look` names what else a block's graph should give and is handed it.
   * A failure leaves the text as it was before.
   */
  async advance(ids: ArrayLike<number>, look?: (block: BlockSpec) => BlockLook | null): Promise<Float32Array> {
    const n = ids.length, start = this.fed, { context } = this.stack;
    if (n === 0) throw new RangeError('at least one id is needed');
    if (start + n > context) throw failure('model/too-long', { row: 0, tokens: start + n, context });
    checkVocabulary(Int32Array.from(ids), this.embedder.vocabulary, 0);
    await this.feedPrompt();
    const { hidden, past } = await this.step(Int32Array.from(ids), this.lead + start, look);
    this.past = past;
    this.fed = start + n;
    return hidden;
  }

  /** Runs the virtual tokens that modules put before the text, once. */
  private async feedPrompt(): Promise<void> {
    const { prefix = 0, prompt = 0 } = this.modules?.lead ?? {};
    if (this.lead === prefix + prompt) return;
    this.past = (await this.step(Int32Array.from({ length: prompt }, (_, i) => virtualId(i)), prefix)).past;
    this.lead = prefix + prompt;
  }

  /** Runs ids behind `offset` places of the past; changes nothing. */
  private async step(ids: Int32Array, offset: number, look?: (block: BlockSpec) => BlockLook | null): Promise<{ readonly hidden: Float32Array; readonly past: readonly Past[] }> {
    const n = ids.length, { dModel } = this.stack, before = this.modules?.lead, unseen = before ? before.length - before.shift : 0;
    const pack: Pack = { ids, positions: Float32Array.from({ length: n }, (_, i) => offset - unseen + i), sequences: new Int32Array(n), offset, tokens: n };
    let hidden = await this.embed(pack);
    const past: Past[] = [], shared = new Map<string, HostTensor>();
    for (const [i, block] of this.stack.blocks.entries()) {
      const { options = {}, key = '', feeds = {}, see } = look?.(block) ?? {};
      const out = await this.run(`decode ${block.index}|${this.modules?.key ?? ''}|${key}`, () => buildBlock(this.model, this.stack, block, { gather: this.environment.pool.device === 'cpu', ...options, ...hooksOf(this.modules), cache: true }), {
        ...this.modules?.feeds(block), ...feeds, ...this.attentionFeeds(block, pack, shared),
        [BLOCK_INPUTS.hidden]: floats([n, dModel], hidden), [BLOCK_INPUTS.pastKey]: this.past[i].key, [BLOCK_INPUTS.pastValue]: this.past[i].value,
      });
      hidden = floatData(out[BLOCK_OUTPUTS.hidden]);
      past.push({ key: out[BLOCK_OUTPUTS.presentKey], value: out[BLOCK_OUTPUTS.presentValue] });
      see?.(out, n);
    }
    await assertUnchanged(this.model.checkpoint.files);
    return { hidden, past };
  }

  private async embed(pack: Pack): Promise<Float32Array> {
    let rows = await this.embedder.rows(pack);
    const { norm, projection, width } = this.stack.embedding;
    if (norm || projection) {
      const { stages } = this.modules ?? {};
      const out = await this.run(`embeddings${stages ? `|${stages.key}` : ''}`, async () => {
        const stage = await buildEmbeddingStage(this.model, this.stack, this.modules ?? {});
        if (!stage) throw new Error('an embedding stage was expected');
        return stage;
      }, { ...stages?.feeds, rows: floats([pack.tokens, width], rows) });
      rows = floatData(out['hidden']);
    }
    this.embedder.addLatePositions(pack, rows);
    return rows;
  }

  /** Bias and rotary tables of the new tokens; blocks that need the same ones share them. */
  private attentionFeeds(block: BlockSpec, pack: Pack, shared: Map<string, HostTensor>): Record<string, HostTensor> {
    const { window, rope } = block.attention, bias = BLOCK_INPUTS.bias(window), feeds: Record<string, HostTensor> = {};
    if (!shared.has(bias)) shared.set(bias, floats([pack.tokens, pack.offset + pack.tokens], this.biasOf(pack, window)));
    const names = [bias], spec = rope === undefined ? undefined : this.stack.ropes.get(rope);
    if (spec && rope !== undefined) {
      names.push(BLOCK_INPUTS.cos(rope), BLOCK_INPUTS.sin(rope));
      if (!shared.has(names[1])) {
        const { cos, sin } = ropeTables(spec, pack.positions);
        shared.set(names[1], floats([pack.tokens, 1, spec.rotaryDim], cos));
        shared.set(names[2], floats([pack.tokens, 1, spec.rotaryDim], sin));
      }
    }
    for (const name of names) {
      const tensor = shared.get(name);
      if (tensor) feeds[name] = tensor;
    }
    return feeds;
  }

  /** The text sees what modules put before it as strongly as they say; their virtual tokens see each other in full. */
  private biasOf(pack: Pack, window: number | undefined): Float32Array {
    const bias = cachedBias(pack.tokens, pack.offset, window), { lead } = this.modules ?? {};
    if (!lead) return bias;
    const keys = pack.offset + pack.tokens, places = Math.min(pack.offset, lead.length);
    for (let q = 0; q < pack.tokens; q++) for (let k = 0; k < places; k++) if (bias[q * keys + k] === 0) bias[q * keys + k] = lead.bias[k];
    return bias;
  }

  private async run(key: string, build: Parameters<ForwardEnvironment['pool']['with']>[1], feeds: Readonly<Record<string, HostTensor>>): Promise<Readonly<Record<string, HostTensor>>> {
    await this.environment.scheduler.turn(this.environment.signal, this.environment.interactive);
    return this.environment.pool.with(sessionPrefix(this.model) + key, build, (session) => session.run(feeds), { stays: true });
  }
}

function emptyPast(block: BlockSpec): Past {
  const { kvHeads, headDim, valueDim = headDim } = block.attention;
  return { key: floats([kvHeads, 0, headDim], new Float32Array(0)), value: floats([kvHeads, 0, valueDim], new Float32Array(0)) };
}

/** The first rows of each head of `[kvHeads, rows, headDim]`. */
function firstRows(tensor: HostTensor, rows: number): HostTensor {
  const [heads, had, width] = tensor.dims, data = floatData(tensor), out = new Float32Array(heads * rows * width);
  for (let h = 0; h < heads; h++) out.set(data.subarray(h * had * width, (h * had + rows) * width), h * rows * width);
  return floats([heads, rows, width], out);
}
