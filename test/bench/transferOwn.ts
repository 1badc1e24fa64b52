import { promises as fs } from 'node:fs';
import path from 'node:path';
import { bindModel } from '../../extension/architecture/resolve';
import { linearsOf } from '../../extension/architecture/resolve';
import { openCheckpoint } from '../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../extension/checkpoint/readTensor';
import { safetensorsBytes } from '../../extension/checkpoint/safetensorsWriter';
import { describeModel } from '../../extension/engine/modelFacts';
import { optimalAssignment } from '../../extension/numerics/optimalAssignment';
import { Random } from '../../extension/numerics/random';
import type { ForwardEnvironment } from '../../extension/probe/forward';
import { readTexts } from '../../extension/probe/texts';
import { openTokenizer } from '../../extension/probe/tokenizer';
import { SessionPool } from '../../extension/runtime/pool';
import { Scheduler } from '../../extension/runtime/scheduler';
import { planTransfer, runTransfer } from '../../extension/transfer';
import { targetOf } from '../../extension/transfer/parts';
import { newtonSchulz } from '../../extension/transfer/tools';
import type { SourceModule, TransferModel } from '../../extension/transfer/types';

const RANK = 16;

async function open(folder: string): Promise<TransferModel> {
  const { checkpoint, facts } = await describeModel(await openCheckpoint(folder));
  return { model: bindModel(checkpoint), facts, tokenizer: await openTokenizer(folder) };
}

/** A second base of the same shape: every tensor's values moved on, so that no weight is where it was. */
async function otherBase(from: string, to: string): Promise<void> {
  const { tensors } = await openCheckpoint(from), moved: Parameters<typeof safetensorsBytes>[0][number][] = [];
  for (const tensor of tensors.values()) {
    const data = await readTensor(tensor), by = Math.floor(data.length * 0.37) + 1, out = new Float32Array(data.length);
    out.set(data.subarray(by));
    out.set(data.subarray(0, by), data.length - by);
    moved.push({ name: tensor.name, dtype: 'F32', shape: tensor.shape, data: out });
  }
  await fs.mkdir(to, { recursive: true });
  for (const file of ['config.json', 'tokenizer.json']) await fs.copyFile(path.join(from, file), path.join(to, file));
  await fs.writeFile(path.join(to, 'model.safetensors'), safetensorsBytes(moved));
}

function moduleOf(base: TransferModel): SourceModule {
  const random = new Random(0, 'bench module'), normals = (n: number): Float32Array => Float32Array.from({ length: n }, () => 0.02 * random.normal());
  const factors = base.model.spec.stacks[0].blocks.flatMap((block) => linearsOf(block).map((l) => ({ target: targetOf(base.model, l), rank: RANK, scaling: 2, inWidth: l.inWidth, outWidth: l.outWidth, a: normals(RANK * l.inWidth), b: normals(l.outWidth * RANK) })));
  return { path: 'bench', name: 'bench', kind: 'lora', base: null, rank: RANK, parameters: factors.reduce((n, f) => n + f.a.length + f.b.length, 0), factors };
}

async function timed<T>(work: () => T | Promise<T>): Promise<readonly [number, T]> {
  const began = performance.now(), result = await work();
  return [(performance.now() - began) / 1000, result];
}

/** `prepare FROM TO`, `run FROM TO TOKENS`, or `algebra FILE N` (float64 `[N, N]`). Prints one JSON line. */
async function main(): Promise<void> {
  const [mode, ...args] = process.argv.slice(2), environment: ForwardEnvironment = { pool: new SessionPool('cpu', 0), scheduler: new Scheduler() };
  if (mode === 'prepare') await otherBase(args[0], args[1]);
  else if (mode === 'run') {
    const from = await open(args[0]), to = await open(args[1]), inputs = { module: moduleOf(from), from, to, probe: await readTexts(path.join(args[0], 'texts.jsonl')), data: null };
    const [planSeconds, planned] = await timed(() => planTransfer({ module: 'bench', from: args[0], to: args[1], method: 'activation-transport', layers: 'proportional', tokens: Number(args[2]) }, inputs));
    const [runSeconds, result] = await timed(() => runTransfer(planned, environment));
    console.log(JSON.stringify({ layers: from.model.spec.stacks[0].blocks.length, sites: result.sites.length, pairedTokens: result.probe?.pairedTokens, relation: planned.plan.relation, planSeconds, runSeconds, stages: result.timings, peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024) }));
  } else {
    const n = Number(args[1]), bytes = await fs.readFile(args[0]), values = new Float64Array(bytes.buffer, bytes.byteOffset, n * n);
    const [assignmentSeconds, { score }] = await timed(() => optimalAssignment(values, n, n));
    // Sessions are made once a run: the first product pays for that and is not counted.
    await newtonSchulz(values, n, n, environment, () => Promise.resolve());
    const [procrustesSeconds, { singularSum }] = n > 1000 ? [null, { singularSum: null }] : await timed(() => newtonSchulz(values, n, n, environment, () => Promise.resolve()));
    console.log(JSON.stringify({ n, assignmentSeconds, score, procrustesSeconds, singularSum }));
  }
  await environment.pool.clear();
}

void main();
