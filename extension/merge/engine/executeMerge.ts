import { closeSync, openSync, promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { asWriteFailure } from '../../checkpoint/atomicFile';
import { type Dtype, isFloatDtype } from '../../checkpoint/dtypes';
import { asReadFailure } from '../../checkpoint/files';
import { failure } from '../../protocol/errors';
import type { ReportProgress } from '../../protocol/progress';
import type { MergePlan, PlannedFile, PlannedTensor, TensorSource } from '../plan/types';
import type { Journal } from './journal';
import { BLOCK_ELEMENTS, CHUNK_ELEMENTS, type ApplyPass, type CopyPass, type PassInput, type PassSetup, type Statistics, type StatisticsPass, type ThreadReply } from './passTypes';
import { writeRowTable } from './rowTables';
import { MergeThreads } from './threads';

/** Tensors that are computed at the same time: while one waits for its statistics, threads work on the next. */
const TENSORS_AT_ONCE = 4;
/** Bytes written before they are made durable and noted in the journal; also starts the disk's work early. */
const DURABLE_BYTES = 128 << 20;
/** Bytes of one task of copying. */
const COPY_BYTES = 8 << 20;

export interface ExecuteOptions {
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly progress: ReportProgress;
  /** For tests: other sizes change no byte of the result. */
  readonly chunkElements?: number;
  readonly durableBytes?: number;
}

export interface Executed {
  /** By file of the result, and by path of each input. */
  readonly outputDigests: ReadonlyMap<string, string>;
  readonly inputDigests: ReadonlyMap<string, string>;
  readonly resumed: number;
  readonly copied: number;
  readonly merged: number;
  /** Values beyond float16 that were set to its largest number, by tensor. */
  readonly clamped: ReadonlyMap<string, number>;
  readonly bytesRead: number;
}

/** Computes the files of a plan in `folder`. Nothing outside it is written; what the journal names is not computed again. */
export async function executeMerge(plan: MergePlan, folder: string, journal: Journal, options: ExecuteOptions): Promise<Executed> {
  const run = new MergeRun(plan, folder, journal, options);
  try {
    return await run.execute();
  } finally {
    await run.close();
  }
}

interface OutputFile { readonly file: PlannedFile; readonly handle: FileHandle; readonly done: boolean[]; front: number; firstOpen: number }

class MergeRun {
  private readonly threads: MergeThreads;
  private readonly inputs = new Map<string, number>();
  private readonly outputs: OutputFile[] = [];
  private readonly clamped = new Map<string, number>();
  private passes = 0;
  private finishedBytes = 0;
  private bytesRead = 0;
  private merged = 0;
  private copied = 0;
  private pending: { readonly output: OutputFile; readonly tensor: string; readonly clamped: number; readonly bytes: number }[] = [];
  private durable: Promise<void> = Promise.resolve();
  private readonly total: number;
  private readonly body: number;
  private readonly began = performance.now();

  constructor(private readonly plan: MergePlan, private readonly folder: string, private readonly journal: Journal, private readonly options: ExecuteOptions) {
    this.total = plan.files.reduce((sum, { bytes }) => sum + bytes, 0);
    this.body = Math.max(1, plan.tensors.reduce((sum, { bytes }) => sum + bytes, 0));
    this.threads = new MergeThreads(Math.max(1, options.threads));
  }

  async execute(): Promise<Executed> {
    const { signal } = this.options;
    signal.throwIfAborted();
    await this.openFiles();
    const resumed = this.skipFinished();
    const hashes = this.startHashes();
    // A failed hash is reported when it is waited for; until then it must not count as unhandled.
    hashes.catch(() => undefined);
    const work = this.outputs.flatMap((output) => output.file.tensors.map((place, index) => ({ output, index, ...place }))).filter(({ output, index }) => !output.done[index]);
    let next = 0;
    const lane = async (): Promise<void> => {
      for (;;) {
        // Lanes start a tensor only when threads would otherwise run dry.
        const item = work[next++];
        if (!item) return;
        signal.throwIfAborted();
        await this.tensor(item.output, item.index, item.tensor, item.offset);
      }
    };
    await Promise.all(Array.from({ length: TENSORS_AT_ONCE }, lane));
    this.flush();
    await this.durable;
    const [outputDigests, inputDigests] = await hashes;
    return { outputDigests, inputDigests, resumed, copied: this.copied, merged: this.merged, clamped: this.clamped, bytesRead: this.bytesRead };
  }

  async close(): Promise<void> {
    await this.threads.close();
    await this.durable.catch(() => undefined);
    for (const fd of this.inputs.values()) closeSync(fd);
    for (const { handle } of this.outputs) await handle.close().catch(() => undefined);
  }

  private async openFiles(): Promise<void> {
    for (const file of this.plan.files) {
      const target = path.join(this.folder, file.name);
      try {
        const handle = await fs.open(target, 'r+').catch(() => fs.open(target, 'w+'));
        this.outputs.push({ file, handle, done: file.tensors.map(() => false), front: file.head.length, firstOpen: 0 });
        await handle.truncate(file.bytes);
        await handle.write(file.head, 0, file.head.length, 0);
      } catch (error) {
        throw asWriteFailure(target, error);
      }
    }
  }

  /** Marks what an earlier run finished. */
  private skipFinished(): number {
    let resumed = 0;
    for (const output of this.outputs) {
      output.file.tensors.forEach(({ tensor }, i) => {
        const clamped = this.journal.finished.get(tensor.name);
        if (clamped === undefined && tensor.bytes > 0) return;
        output.done[i] = true;
        if (clamped) this.clamped.set(tensor.name, clamped);
        if (clamped !== undefined) { resumed++; if (tensor.task) this.merged++; else this.copied++; }
        this.finishedBytes += tensor.bytes;
      });
      this.moveFront(output);
    }
    return resumed;
  }

  /** Inputs are hashed at the pace of the merge, outputs as far as they are complete from the front. */
  private startHashes(): Promise<[ReadonlyMap<string, string>, ReadonlyMap<string, string>]> {
    const outputs = this.outputs.map(async (output) => [output.file.name, await this.threads.hash({ fd: output.handle.fd, size: output.file.bytes, available: () => output.front })] as const);
    const inputs = this.plan.models.flatMap(({ checkpoint, lora }) => [...checkpoint.files, ...(lora?.weights.files ?? [])]).filter(({ path: file }) => !file.endsWith('.json'));
    const unique = [...new Map(inputs.map((stamp) => [stamp.path, stamp])).values()].filter(({ size }) => size > 0);
    const digests = unique.map(async ({ path: file, size }) => [file, await this.threads.hash({ fd: this.input(file), size, available: () => (this.finishedBytes >= this.body ? size : Math.floor((this.finishedBytes / this.body) * size)) })] as const);
    return Promise.all([Promise.all(outputs).then((list) => new Map(list)), Promise.all(digests).then((list) => new Map(list))]);
  }

  private input(file: string): number {
    const open = this.inputs.get(file);
    if (open !== undefined) return open;
    try {
      const fd = openSync(file, 'r');
      this.inputs.set(file, fd);
      return fd;
    } catch (error) {
      throw asReadFailure(file, error);
    }
  }

  private async tensor(output: OutputFile, index: number, tensor: PlannedTensor, offset: number): Promise<void> {
    const { task } = tensor;
    let clamped = 0;
    if (tensor.elements > 0) {
      const scratch: string[] = [];
      try {
        const inputs = await Promise.all(tensor.sources.map((source, i) => this.passInput(tensor, source, i, scratch)));
        const job = task ? this.plan.method.merge(task) : null;
        let last: ApplyPass | CopyPass = { kind: 'copy', input: 0 };
        if (job) {
          let step = job.next();
          while (step.done !== true) step = job.next(await this.statistics(tensor, inputs, step.value));
          last = step.value;
        }
        clamped = await this.finish(output, tensor, inputs, last, offset);
      } finally {
        for (const file of scratch) { closeSync(this.inputs.get(file) ?? -1); this.inputs.delete(file); await fs.rm(file, { force: true }); }
      }
    }
    if (clamped > 0) this.clamped.set(tensor.name, clamped);
    if (task) this.merged++; else this.copied++;
    output.done[index] = true;
    this.moveFront(output);
    this.pending.push({ output, tensor: tensor.name, clamped, bytes: tensor.bytes });
    if (this.pending.reduce((sum, { bytes }) => sum + bytes, 0) >= (this.options.durableBytes ?? DURABLE_BYTES)) this.flush();
    this.threads.pump();
  }

  private async passInput(tensor: PlannedTensor, source: TensorSource, number: number, scratch: string[]): Promise<PassInput> {
    const cast: PassInput['cast'] = this.plan.asMergekit && this.plan.recipe.dtype ? ({ float32: null, float16: 'F16', bfloat16: 'BF16' } as const)[this.plan.recipe.dtype] : null;
    const loras = source.loras ? await source.loras() : [];
    if (source.rows) {
      const file = path.join(this.folder, `merge.rows-${this.passes++}-${number}`);
      await writeRowTable(source.rows, tensor.shape[1], file);
      scratch.push(file);
      return { fd: this.input(file), offset: 0, dtype: 'F32', cast, loras };
    }
    return { fd: this.input(source.tensor.file), offset: source.tensor.offset, dtype: source.tensor.dtype, cast, loras };
  }

  private setup(tensor: PlannedTensor, inputs: readonly PassInput[], pass: StatisticsPass | ApplyPass, output: PassSetup['output']): PassSetup {
    const row = tensor.shape.at(-1) ?? 1, blockElements = pass.rows ? row * Math.max(1, Math.floor(BLOCK_ELEMENTS / row)) : BLOCK_ELEMENTS;
    return {
      id: this.passes++, kernel: pass.kernel, params: pass.params, inputs, output, elements: tensor.elements, row, blockElements, deltas: pass.deltas === true, temporaries: pass.temporaries ?? 0,
      values: pass.kind === 'statistics' ? pass.values : 0, counts: pass.kind === 'statistics' ? pass.counts ?? 0 : 0,
    };
  }

  /** Runs a pass over all chunks of a tensor; replies come in chunk order. */
  private async chunks(tensor: PlannedTensor, setup: PassSetup, each: (reply: ThreadReply, chunk: number, bytes: number) => void, sample?: number): Promise<void> {
    const blocks = Math.ceil(setup.elements / setup.blockElements), perChunk = Math.max(1, Math.floor((this.options.chunkElements ?? CHUNK_ELEMENTS) / setup.blockElements));
    const sampled = sample !== undefined && sample < blocks;
    const starts = sampled ? Array.from({ length: sample }, (_, i) => Math.floor(((i + 0.5) * blocks) / sample)) : Array.from({ length: Math.ceil(blocks / perChunk) }, (_, i) => i * perChunk);
    this.threads.announce(setup);
    try {
      await Promise.all(starts.map(async (block, chunk) => {
        this.options.signal.throwIfAborted();
        const count = sampled ? 1 : Math.min(perChunk, blocks - block), elements = Math.min(setup.elements - block * setup.blockElements, count * setup.blockElements);
        const reply = await this.threads.run({ kind: 'chunk', pass: setup.id, block, blocks: count });
        this.check(tensor, reply);
        this.bytesRead += setup.inputs.reduce((sum, { dtype }) => sum + elements * sizeOf(dtype), 0);
        each(reply, chunk, setup.output ? elements * sizeOf(setup.output.dtype) : 0);
        this.options.signal.throwIfAborted();
      }));
    } finally {
      this.threads.forget(setup.id);
    }
  }

  private async statistics(tensor: PlannedTensor, inputs: readonly PassInput[], pass: StatisticsPass): Promise<Statistics> {
    const setup = this.setup(tensor, inputs, pass, null), values: Float64Array[] = [], counts = new Uint32Array(setup.counts);
    await this.chunks(tensor, setup, (reply, chunk) => {
      values[chunk] = reply.values ?? new Float64Array(0);
      if (reply.counts) for (let i = 0; i < counts.length; i++) counts[i] += reply.counts[i];
    }, pass.sample);
    const blocks = values.flatMap((chunk) => (setup.values === 0 ? [] : Array.from({ length: chunk.length / setup.values }, (_, b) => chunk.subarray(b * setup.values, (b + 1) * setup.values))));
    return { blocks, counts };
  }

  /** The pass that writes; the number of clamped values. */
  private async finish(output: OutputFile, tensor: PlannedTensor, inputs: readonly PassInput[], pass: ApplyPass | CopyPass, offset: number): Promise<number> {
    if (pass.kind === 'copy') {
      const input = inputs[pass.input];
      const asIs = input.dtype === tensor.dtype && input.loras.length === 0 && input.cast === null;
      if (asIs || !isFloatDtype(tensor.dtype)) {
        await this.copy(output, tensor, input, offset);
        return 0;
      }
    }
    let clamped = 0;
    const setup = pass.kind === 'copy'
      ? this.setup(tensor, [inputs[pass.input]], { kind: 'apply', kernel: 'combine', params: { coefficients: [1] } }, { fd: output.handle.fd, offset, dtype: tensor.dtype })
      : this.setup(tensor, inputs, pass, { fd: output.handle.fd, offset, dtype: tensor.dtype });
    await this.chunks(tensor, setup, (reply, _, bytes) => {
      clamped += reply.clamped ?? 0;
      this.advance(bytes);
    });
    return clamped;
  }

  private async copy(output: OutputFile, tensor: PlannedTensor, { fd, offset: from }: PassInput, offset: number): Promise<void> {
    const tasks = Math.ceil(tensor.bytes / COPY_BYTES);
    await Promise.all(Array.from({ length: tasks }, async (_, i) => {
      const at = i * COPY_BYTES, bytes = Math.min(COPY_BYTES, tensor.bytes - at);
      this.check(tensor, await this.threads.run({ kind: 'copy', from: fd, fromOffset: from + at, to: output.handle.fd, toOffset: offset + at, bytes }));
      this.bytesRead += bytes;
      this.advance(bytes);
      this.options.signal.throwIfAborted();
    }));
  }

  private advance(bytes: number): void {
    this.finishedBytes += bytes;
    const seconds = (performance.now() - this.began) / 1000;
    this.options.progress({ stage: `merging (${this.plan.method.title})`, done: this.finishedBytes, total: this.total, etaSeconds: this.finishedBytes > 0 ? (seconds / this.finishedBytes) * (this.total - this.finishedBytes) : null });
    this.threads.pump();
  }

  /** How far a file is complete from its beginning: so far it can be hashed. */
  private moveFront(output: OutputFile): void {
    const { tensors, bytes } = output.file;
    while (output.firstOpen < tensors.length && output.done[output.firstOpen]) output.firstOpen++;
    output.front = output.firstOpen < tensors.length ? tensors[output.firstOpen].offset : bytes;
  }

  /** Makes finished tensors durable, then notes them. Goes on beside the computing. */
  private flush(): void {
    const batch = this.pending;
    this.pending = [];
    if (batch.length === 0) return;
    this.durable = this.durable.then(async () => {
      try {
        for (const handle of new Set(batch.map(({ output }) => output.handle))) await handle.datasync();
      } catch (error) {
        throw asWriteFailure(this.folder, error);
      }
      await this.journal.add(batch.map(({ tensor, clamped }) => ({ tensor, clamped })));
    });
    this.durable.catch(() => undefined);
  }

  private check(tensor: PlannedTensor, { failure: failed }: ThreadReply): void {
    if (!failed) return;
    const fileOf = (input: number): string => tensor.sources[Math.min(input, tensor.sources.length - 1)].tensor.file;
    switch (failed.kind) {
      case 'input-not-finite': throw failure('merge/not-finite', { tensor: tensor.sources[failed.input].tensor.name, file: fileOf(failed.input), what: 'NaN or infinity' });
      case 'result-not-finite': throw failure('merge/result-not-finite', { tensor: tensor.name, dtype: tensor.dtype });
      case 'changed': throw failure('checkpoint/changed', { path: fileOf(failed.input) });
      case 'error':
        if (failed.code === 'ENOSPC' || failed.code === 'EDQUOT') throw failure('output/disk-full', { path: this.folder });
        throw failure('merge/thread', { tensor: tensor.name, reason: failed.message });
    }
  }
}

const SIZES: Readonly<Partial<Record<Dtype, number>>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };
function sizeOf(dtype: Dtype): number {
  return SIZES[dtype] ?? 1;
}

