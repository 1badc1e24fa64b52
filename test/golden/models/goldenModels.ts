import fs from 'node:fs';
import path from 'node:path';
import { bindModel, type BoundModel } from '../../../extension/architecture/resolve';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { attachModules, type AttachedModules } from '../../../extension/module/attach';
import { openLora } from '../../../extension/module/lora';
import { ForwardPass } from '../../../extension/probe/forward';
import { parseTaps } from '../../../extension/probe/taps';
import { runTaps, tapWidth } from '../../../extension/probe/tapRun';
import type { DeviceName } from '../../../extension/protocol/documents';
import { SessionPool } from '../../../extension/runtime/pool';
import { Scheduler } from '../../../extension/runtime/scheduler';
import type { GraphSession } from '../../../extension/runtime/session';

/** A tensor of a golden file, `[rows, width]`. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly data: Float32Array;
}

export interface GoldenModel {
  readonly name: string;
  readonly folder: string;
  readonly family: string;
  readonly taps: readonly string[];
  readonly tokens: readonly number[];
  readonly notes: string;
}

export interface GoldenModule {
  readonly name: string;
  readonly folder: string;
  readonly base: string;
  readonly taps: readonly string[];
  /** Golden file -> strength at which the reference applied the module. */
  readonly strengths: Readonly<Record<string, number>>;
  readonly sites: number;
  readonly notes: string;
}

export const GOLDEN = path.join(__dirname, '../../fixtures/golden');

/** The committed list of goldens; its absence is a failure. */
export function goldenIndex(): { readonly models: readonly GoldenModel[]; readonly modules: readonly GoldenModule[] } {
  return JSON.parse(text('index.json')) as { models: GoldenModel[]; modules: GoldenModule[] };
}

/** Rows of ids that the reference ran. */
export function goldenRows(folder: string): Int32Array[] {
  const input = JSON.parse(text(folder, 'input.json')) as { input_ids: number[][] };
  return input.input_ids.map((row) => Int32Array.from(row));
}

/** A committed file of float32 matrices. */
export function readGolden(...parts: string[]): ReadonlyMap<string, Matrix> {
  return readMatrices(existing(...parts)).matrices;
}

/** Any safetensors file of float32 matrices, read without the code under test. */
export function readMatrices(name: string): { readonly metadata: Readonly<Record<string, string>>; readonly matrices: ReadonlyMap<string, Matrix> } {
  const bytes = fs.readFileSync(name);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...header } = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as { __metadata__?: Record<string, string> } & Record<string, { dtype: string; shape: [number, number]; data_offsets: [number, number] }>;
  const matrices = new Map<string, Matrix>();
  for (const [key, entry] of Object.entries(header)) {
    if (entry.dtype !== 'F32' || entry.shape.length !== 2) throw new Error(`${name}: ${key} is not a float32 matrix`);
    const [from, to] = entry.data_offsets;
    const copy = Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to));
    matrices.set(key, { rows: entry.shape[0], width: entry.shape[1], data: new Float32Array(copy.buffer) });
  }
  return { metadata: metadata ?? {}, matrices };
}

/** Opens and binds the checkpoint of a golden. */
export async function openGolden(folder: string): Promise<BoundModel> {
  return bindModel(await openCheckpoint(path.join(GOLDEN, folder)));
}

/** Reads a golden's module and attaches it to its base. */
export async function attachGolden(model: BoundModel, folder: string, strength: number): Promise<AttachedModules> {
  return attachModules(model, [{ module: await openLora(path.join(GOLDEN, folder)), strength }]);
}

/** A pool that remembers which graphs did not run wholly on its device: a fallback must not pass for the device. */
export class WatchedPool extends SessionPool {
  readonly elsewhere = new Map<string, string>();
  readonly ran = new Set<string>();

  override async with<T>(key: string, build: Parameters<SessionPool['with']>[1], use: (session: GraphSession) => Promise<T>, options?: Parameters<SessionPool['with']>[3]): Promise<T> {
    return super.with(key, build, (session) => {
      this.ran.add(session.name);
      if (session.device !== this.device || session.onCpu !== null) this.elsewhere.set(session.name, `${session.device}: ${session.onCpu ?? ''}`);
      return use(session);
    }, options);
  }
}

/** Sessions of a test file; released at its end. */
export class Runner {
  readonly pool: WatchedPool;
  constructor(readonly device: DeviceName) {
    this.pool = new WatchedPool(device, 2);
  }

  /** Names of the graphs that ran so far, and of those that ran elsewhere, with the reason. */
  get graphs(): { readonly ran: ReadonlySet<string>; readonly elsewhere: ReadonlyMap<string, string> } {
    return this.pool;
  }

  /** Runs the taps `select` (design section 5 syntax) and gathers them. */
  async taps(model: BoundModel, rows: readonly Int32Array[], select: string, modules: AttachedModules | null = null): Promise<ReadonlyMap<string, Matrix>> {
    const pass = new ForwardPass(model, rows, { pool: this.pool, scheduler: new Scheduler() }, modules);
    const out = new Map<string, Matrix>();
    const seen = new Map<string, number>();
    await runTaps(pass, parseTaps(select, pass.stack, model.spec.head !== undefined), (name, offset, data) => {
      const width = tapWidth(pass, name);
      let matrix = out.get(name);
      if (!matrix) out.set(name, (matrix = { rows: pass.tokens, width, data: new Float32Array(pass.tokens * width).fill(NaN) }));
      matrix.data.set(data, offset * width);
      seen.set(name, (seen.get(name) ?? 0) + data.length);
      return Promise.resolve();
    }, () => undefined);
    for (const [name, matrix] of out) if (seen.get(name) !== matrix.data.length) throw new Error(`${name}: ${seen.get(name)} of ${matrix.data.length} values were written`);
    return out;
  }

  async close(): Promise<void> {
    await this.pool.clear();
  }
}

/** Taps whose largest difference exceeds `tolerance` of the largest reference value, as readable lines. */
export function disagreements(found: ReadonlyMap<string, Matrix>, expected: ReadonlyMap<string, Matrix>, tolerance: number): string[] {
  const lines: string[] = [];
  for (const [name, reference] of expected) {
    const own = found.get(name);
    if (!own) lines.push(`${name}: missing`);
    else if (own.rows !== reference.rows || own.width !== reference.width) lines.push(`${name}: [${own.rows}, ${own.width}] instead of [${reference.rows}, ${reference.width}]`);
    else {
      const { relative, at } = worst(own.data, reference.data);
      // Written so that NaN is a disagreement.
      if (!(relative <= tolerance)) lines.push(`${name}: off by ${relative.toExponential(1)} of the scale at token ${Math.floor(at / own.width)}, feature ${at % own.width} (${own.data[at]} instead of ${reference.data[at]})`);
    }
  }
  return lines;
}

function worst(own: Float32Array, reference: Float32Array): { readonly relative: number; readonly at: number } {
  let scale = 0, most = -1, at = 0;
  for (let i = 0; i < reference.length; i++) {
    scale = Math.max(scale, Math.abs(reference[i]));
    const off = Math.abs(own[i] - reference[i]);
    if (!(off <= most)) {
      most = off;
      at = i;
      if (Number.isNaN(off)) return { relative: NaN, at };
    }
  }
  return { relative: most / scale, at };
}

function existing(...parts: string[]): string {
  const name = path.join(GOLDEN, ...parts);
  if (!fs.existsSync(name)) throw new Error(`the golden ${parts.join('/')} is missing: make it with test/golden/models/makeGoldens.py`);
  return name;
}
function text(...parts: string[]): string {
  return fs.readFileSync(existing(...parts), 'utf8');
}
