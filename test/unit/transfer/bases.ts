import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { bindModel } from '../../../extension/architecture/resolve';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../../extension/checkpoint/readTensor';
import { safetensorsBytes } from '../../../extension/checkpoint/safetensorsWriter';
import { elementCount } from '../../../extension/checkpoint/dtypes';
import { describeModel } from '../../../extension/engine/modelFacts';
import { attachModules } from '../../../extension/module/attach';
import { loweredSites, openModule } from '../../../extension/module/openModule';
import { loraFolderFiles, type LoraFactors } from '../../../extension/module/writeLora';
import { Random } from '../../../extension/numerics/random';
import { type ForwardEnvironment, ForwardPass } from '../../../extension/probe/forward';
import { runTaps } from '../../../extension/probe/tapRun';
import { readTexts } from '../../../extension/probe/texts';
import { openTokenizer } from '../../../extension/probe/tokenizer';
import { SessionPool } from '../../../extension/runtime/pool';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { partsOfBlock } from '../../../extension/transfer/parts';
import type { SourceModule, TransferInputs, TransferModel } from '../../../extension/transfer/types';

export const SAMPLE = path.resolve('media/sample'), MAIN = path.join(SAMPLE, 'modulens-sample'), SMALL = path.join(SAMPLE, 'modulens-sample-small'), DUTCH = path.join(SAMPLE, 'lora-dutch'), BANKING = path.join(SAMPLE, 'lora-banking');
export const PROBE = path.resolve('media/probe/default.jsonl');

export const environment = (): ForwardEnvironment => ({ pool: new SessionPool('cpu', 2), scheduler: new Scheduler() });

export async function openBase(folder: string): Promise<TransferModel> {
  const described = await describeModel(await openCheckpoint(folder));
  return { model: bindModel(described.checkpoint), facts: described.facts, tokenizer: await openTokenizer(folder) };
}

export async function openSource(folder: string, from: TransferModel): Promise<SourceModule> {
  const plugged = await openModule(folder), { sites, left } = await loweredSites(plugged, from.model);
  return { path: folder, name: plugged.name, kind: plugged.kind, base: plugged.base, rank: plugged.rank, parameters: [...plugged.weights.tensors.values()].reduce((sum, t) => sum + elementCount(t.shape), 0), factors: sites, left };
}

export async function inputsOf(module: string, from: string, to: string, probe = PROBE): Promise<TransferInputs> {
  const source = await openBase(from);
  return { module: await openSource(module, source), from: source, to: await openBase(to), probe: await readTexts(probe), data: null };
}

export const temporaryFolder = (): Promise<string> => fs.mkdtemp(path.join(os.tmpdir(), 'modulens-bases-'));

export async function writeModule(folder: string, sites: readonly LoraFactors[]): Promise<string> {
  await fs.mkdir(folder, { recursive: true });
  for (const { name, bytes } of loraFolderFiles({ base: 'base', taskType: 'CAUSAL_LM', sites, metadata: {} })) await fs.writeFile(path.join(folder, name), bytes);
  return folder;
}

/** Logits of some texts, with a module where one is named. */
export async function logitsOf(base: TransferModel, texts: readonly string[], module: string | null, env: ForwardEnvironment): Promise<Float32Array> {
  const attached = module === null ? null : await attachModules(base.model, [{ module: await openModule(module), strength: 1 }]);
  const pass = new ForwardPass(base.model, texts.map((text) => (base.tokenizer?.encode(text) ?? new Int32Array()).slice(0, 64)), env, attached), parts: Float32Array[] = [];
  await runTaps(pass, { embeddings: false, blocks: new Map(), final: false, logits: true }, (_name, _offset, data) => { parts.push(data); return Promise.resolve(); }, () => undefined);
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function largestDifference(x: Float32Array, y: Float32Array): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i] - y[i]));
  return most;
}

type Weights = Map<string, { readonly shape: readonly number[]; data: Float32Array }>;

/** A matrix [rows, columns] with its columns multiplied by Q from the right: W Q. */
function times(w: Float32Array, rows: number, columns: number, q: Float64Array): Float32Array {
  const out = new Float32Array(w.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += w[i * columns + k] * q[k * columns + j];
    out[i * columns + j] = sum;
  }
  return out;
}
function transposed(w: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(w.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = w[i * columns + j];
  return out;
}

/** Random orthogonal matrix [n, n] by Gram-Schmidt. */
export function orthogonal(n: number, seed: number): Float64Array {
  const random = new Random(seed, 'orthogonal'), q = Float64Array.from({ length: n * n }, () => random.normal());
  for (let i = 0; i < n; i++) {
    for (let pass = 0; pass < 2; pass++) for (let j = 0; j < i; j++) {
      let dot = 0;
      for (let k = 0; k < n; k++) dot += q[i * n + k] * q[j * n + k];
      for (let k = 0; k < n; k++) q[i * n + k] -= dot * q[j * n + k];
    }
    const length = Math.hypot(...q.subarray(i * n, (i + 1) * n));
    for (let k = 0; k < n; k++) q[i * n + k] /= length;
  }
  return q;
}

/** The matrix that takes place j from place `order[j]`, with signs: x Q = x[order] * signs. */
export function signedPermutation(order: ArrayLike<number>, signs: ArrayLike<number>): Float64Array {
  const n = order.length, q = new Float64Array(n * n);
  for (let j = 0; j < n; j++) q[order[j] * n + j] = signs[j];
  return q;
}

export interface BaseChange {
  /** Norm weights go into the maps that read them, so that norms have no weights of their own. */
  readonly fold?: boolean;
  /** Change of basis of the residual stream: x becomes x Q. */
  readonly residual?: (width: number) => Float64Array;
  /** Order and signs of FFN units, by layer. */
  readonly units?: (layer: number, width: number) => { readonly order: ArrayLike<number>; readonly signs: ArrayLike<number> };
  /** Heads of keys and values in another order, with the query heads that go with them. */
  readonly heads?: (layer: number, kvHeads: number) => ArrayLike<number>;
}

/** Writes a copy of the sample model that computes the same function in another basis. Float32; the head is untied. */
export async function changedBase(change: BaseChange, folder: string, source = MAIN): Promise<string> {
  const checkpoint = await openCheckpoint(source), config = JSON.parse(await fs.readFile(path.join(source, 'config.json'), 'utf8')) as Record<string, unknown>;
  const d = Number(config['hidden_size']), f = Number(config['intermediate_size']), layers = Number(config['num_hidden_layers']), kv = Number(config['num_key_value_heads']), q = Number(config['num_attention_heads']), width = Number(config['head_dim']);
  const weights: Weights = new Map();
  for (const tensor of checkpoint.tensors.values()) weights.set(tensor.name, { shape: tensor.shape, data: await readTensor(tensor) });
  const get = (name: string): Float32Array => { const found = weights.get(name); if (!found) throw new Error(`no ${name}`); return found.data; };
  const set = (name: string, data: Float32Array): void => { const found = weights.get(name); if (!found) throw new Error(`no ${name}`); found.data = data; };
  if (!weights.has('lm_head.weight')) weights.set('lm_head.weight', { shape: [Number(config['vocab_size']), d], data: Float32Array.from(get('model.embed_tokens.weight')) });
  const name = (layer: number, rest: string): string => `model.layers.${layer}.${rest}.weight`;
  const scaleColumns = (tensor: string, by: Float32Array): void => { set(tensor, get(tensor).map((x, i) => x * by[i % by.length])); };
  const readers = (layer: number): [string, string[]][] => [[name(layer, 'input_layernorm'), ['q_proj', 'k_proj', 'v_proj'].map((p) => name(layer, `self_attn.${p}`))], [name(layer, 'post_attention_layernorm'), ['gate_proj', 'up_proj'].map((p) => name(layer, `mlp.${p}`))]];
  if (change.fold) {
    for (let l = 0; l < layers; l++) for (const [norm, maps] of readers(l)) {
      for (const map of maps) scaleColumns(map, get(norm));
      set(norm, new Float32Array(d).fill(1));
    }
    scaleColumns('lm_head.weight', get('model.norm.weight'));
    set('model.norm.weight', new Float32Array(d).fill(1));
  }
  const basis = change.residual?.(d);
  if (basis) {
    const vocabulary = Number(config['vocab_size']), turn = (tensor: string, rows: number): void => { set(tensor, times(get(tensor), rows, d, basis)); };
    const permuteNorm = (tensor: string): void => { set(tensor, Float32Array.from({ length: d }, (_, j) => { let sum = 0; for (let k = 0; k < d; k++) sum += get(tensor)[k] * Math.abs(basis[k * d + j]); return sum; })); };
    turn('model.embed_tokens.weight', vocabulary);
    turn('lm_head.weight', vocabulary);
    for (let l = 0; l < layers; l++) {
      for (const [part, rows] of [['self_attn.q_proj', q * width], ['self_attn.k_proj', kv * width], ['self_attn.v_proj', kv * width], ['mlp.gate_proj', f], ['mlp.up_proj', f]] as const) turn(name(l, part), rows);
      for (const [part, columns] of [['self_attn.o_proj', q * width], ['mlp.down_proj', f]] as const) set(name(l, part), transposed(times(transposed(get(name(l, part)), d, columns), columns, d, basis), columns, d));
      if (!change.fold) for (const norm of ['input_layernorm', 'post_attention_layernorm']) permuteNorm(name(l, norm));
    }
    if (!change.fold) permuteNorm('model.norm.weight');
  }
  for (let l = 0; l < layers; l++) {
    const units = change.units?.(l, f), heads = change.heads?.(l, kv);
    if (units) {
      const rows = (tensor: string, signed: boolean): void => { const w = get(tensor); set(tensor, Float32Array.from({ length: f * d }, (_, i) => { const u = Math.floor(i / d); return (signed ? units.signs[u] : 1) * w[units.order[u] * d + (i % d)]; })); };
      rows(name(l, 'mlp.gate_proj'), false);
      rows(name(l, 'mlp.up_proj'), true);
      const down = get(name(l, 'mlp.down_proj'));
      set(name(l, 'mlp.down_proj'), Float32Array.from({ length: d * f }, (_, i) => units.signs[i % f] * down[Math.floor(i / f) * f + units.order[i % f]]));
    }
    if (heads) {
      const group = q / kv, place = (i: number, perHead: number): number => heads[Math.floor(i / (perHead * width))] * perHead * width + (i % (perHead * width));
      for (const [part, perHead] of [['q_proj', group], ['k_proj', 1], ['v_proj', 1]] as const) { const w = get(name(l, `self_attn.${part}`)), n = kv * perHead * width; set(name(l, `self_attn.${part}`), Float32Array.from({ length: n * d }, (_, i) => w[place(Math.floor(i / d), perHead) * d + (i % d)])); }
      const o = get(name(l, 'self_attn.o_proj')), n = q * width;
      set(name(l, 'self_attn.o_proj'), Float32Array.from({ length: d * n }, (_, i) => o[Math.floor(i / n) * n + place(i % n, group)]));
    }
  }
  await fs.mkdir(folder, { recursive: true });
  await fs.writeFile(path.join(folder, 'config.json'), JSON.stringify({ ...config, tie_word_embeddings: false, torch_dtype: 'float32' }));
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) await fs.copyFile(path.join(source, file), path.join(folder, file));
  await fs.writeFile(path.join(folder, 'model.safetensors'), safetensorsBytes([...weights].map(([tensor, { shape, data }]) => ({ name: tensor, dtype: 'F32', shape, data })), new Map([['format', 'pt']])));
  return folder;
}

/** A LoRA of random factors on every map of a base; `size`: entries of B. */
export async function randomModule(base: TransferModel, folder: string, rank: number, size: number): Promise<string> {
  const random = new Random(5, 'module'), sites: LoraFactors[] = base.model.spec.stacks[0].blocks.flatMap((block) => partsOfBlock(base.model, block).map(({ target, inWidth, outWidth }) => ({
    target, rank, inWidth, outWidth, scaling: 2, a: Float32Array.from({ length: rank * inWidth }, () => random.normal() / Math.sqrt(inWidth)), b: Float32Array.from({ length: outWidth * rank }, () => size * random.normal()),
  })));
  return writeModule(folder, sites);
}
