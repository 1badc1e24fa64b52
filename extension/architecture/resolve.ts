import path from 'node:path';
import type { Checkpoint, TensorInfo } from '../checkpoint/types';
import { failure, ModulensError } from '../protocol/errors';
import { configReader } from './config';
import { ARCHITECTURES } from './families/index';
import type { BlockSpec, ExpertSpec, LinearSpec, ModelSpec, NormSpec, QkvSpec } from './spec';

/** A spec whose tensor names have been found in a checkpoint. */
export interface BoundModel {
  readonly checkpoint: Checkpoint;
  readonly spec: ModelSpec;
  /** The tensor under any body prefix and any old spelling; a missing one is an input error. */
  tensor(name: string): TensorInfo;
  has(name: string): boolean;
  /** Tensors that no role claims, in file order. */
  readonly leftOver: readonly string[];
}

/** Old TensorFlow-derived spellings of a norm's parameters. */
const OLD_SPELLINGS: readonly (readonly [string, string])[] = [['.weight', '.gamma'], ['.bias', '.beta']];

export const KNOWN_FAMILIES: string = ARCHITECTURES.flatMap((a) => a.modelTypes).join(', ');

/**
 * Finds the family of a checkpoint and binds its tensors. Fails with a typed error where the family is unknown, the
 * config asks for something that we do not run, or a tensor is missing or has another shape than the config says.
 */
export function bindModel(checkpoint: Checkpoint): BoundModel {
  if (!checkpoint.config) throw failure('model/no-config', { path: checkpoint.path });
  const family = familyOf(checkpoint);
  const architecture = ARCHITECTURES.find((a) => family !== null && a.modelTypes.includes(family));
  if (!architecture || family === null) throw failure('model/unsupported-family', { path: checkpoint.path, family: family ?? 'unknown', known: KNOWN_FAMILIES });
  const config = configReader(checkpoint.config, path.join(checkpoint.folder, 'config.json'), family);
  let prefixes: readonly string[] = [...new Set(ARCHITECTURES.flatMap((a) => (a === architecture ? PREFIX_GUESSES : [])))];
  const find = (name: string): TensorInfo | null => {
    for (const prefix of prefixes) for (const spelling of spellings(name)) {
      const found = checkpoint.tensors.get(prefix + spelling);
      if (found) return found;
    }
    return null;
  };
  const spec = architecture.read(config, (name) => find(name) !== null);
  prefixes = spec.bodyPrefixes;
  const expected = expectedShapes(spec), packed = packedTensors(spec);
  const claimed = new Set<string>();
  for (const [name, shape] of expected) {
    const found = find(name);
    if (!found) throw failure('model/missing-tensor', { path: checkpoint.path, tensor: name, tried: prefixes.map((prefix) => prefix + name).join(', ') });
    if (shape && (found.shape.length !== shape.length || found.shape.some((size, i) => shape[i] !== -1 && size !== shape[i]))) throw failure('model/tensor-shape', { path: checkpoint.path, tensor: found.name, expected: shape.map((s) => (s === -1 ? '*' : s)).join(', '), found: found.shape.join(', ') });
    if (packed.has(name) ? found.dtype !== 'U8' : !['F32', 'F16', 'BF16', 'F64'].includes(found.dtype)) throw failure('model/tensor-dtype', { path: checkpoint.path, tensor: found.name, dtype: found.dtype });
    claimed.add(found.name);
  }
  const leftOver = [...checkpoint.tensors.keys()].filter((name) => !claimed.has(name) && !spec.buffers.some((buffer) => buffer.test(name)));
  return {
    checkpoint, spec, leftOver,
    has: (name) => find(name) !== null,
    tensor: (name) => find(name) ?? raise(failure('model/missing-tensor', { path: checkpoint.path, tensor: name, tried: prefixes.map((prefix) => prefix + name).join(', ') })),
  };
}

/** The bound model, or the reason why this checkpoint cannot be run. Errors that are not ours pass through. */
export function tryBindModel(checkpoint: Checkpoint): { readonly model: BoundModel; readonly error: null } | { readonly model: null; readonly error: ModulensError } {
  try {
    return { model: bindModel(checkpoint), error: null };
  } catch (error) {
    if (error instanceof ModulensError) return { model: null, error };
    throw error;
  }
}

/** config.json's `model_type`. */
export function familyOf(checkpoint: Checkpoint): string | null {
  const value = checkpoint.config?.['model_type'];
  return typeof value === 'string' ? value : null;
}

const PREFIX_GUESSES = ['', 'transformer.', 'model.', 'bert.', 'roberta.', 'camembert.', 'distilbert.', 'albert.', 'gpt_neox.', 'model.decoder.', 'decoder.'];

function spellings(name: string): readonly string[] {
  const old = OLD_SPELLINGS.find(([now]) => name.endsWith(now));
  return old ? [name, name.slice(0, -old[0].length) + old[1]] : [name];
}

function raise(error: Error): never {
  throw error;
}

/** Every tensor that the spec needs, with its shape (-1: any size, null: any shape). */
function expectedShapes(spec: ModelSpec): ReadonlyMap<string, readonly number[] | null> {
  const out = new Map<string, readonly number[] | null>();
  const linear = (l: LinearSpec | undefined): void => {
    if (!l) return;
    const [experts, rows, columns] = l.slice?.shape ?? [null, ...(l.layout === 'outIn' ? [l.outWidth, l.inWidth] : [l.inWidth, l.outWidth])] as const;
    const stack = experts === null ? [] : [experts];
    if (l.mxfp4) {
      out.set(l.weight, [...stack, rows, columns / MXFP4_GROUP, MXFP4_GROUP / 2]);
      out.set(l.mxfp4.scales, [...stack, rows, columns / MXFP4_GROUP]);
    } else out.set(l.weight, [...stack, rows, columns]);
    if (l.bias) out.set(l.bias, [...stack, l.layout === 'outIn' ? rows : columns]);
  };
  const norm = (n: NormSpec | undefined): void => {
    if (n?.weight) out.set(n.weight, [n.width]);
    if (n?.bias) out.set(n.bias, [n.width]);
  };
  for (const stack of spec.stacks) {
    const e = stack.embedding;
    out.set(e.token, [-1, e.width]);
    if (e.position) out.set(e.position.weight, [-1, -1]);
    if (e.tokenType) out.set(e.tokenType, [-1, -1]);
    norm(e.norm);
    linear(e.projection);
    for (const block of stack.blocks) for (const l of linearsOf(block)) linear(l);
    for (const block of stack.blocks) {
      for (const n of normsOf(block)) norm(n);
      for (const { name, length } of vectorsOf(block, stack.dModel)) out.set(name, [length]);
    }
    norm(stack.finalNorm);
  }
  if (spec.head) {
    linear(spec.head.transform?.dense);
    norm(spec.head.transform?.norm);
    linear(spec.head.projection);
    out.set(spec.head.decoder.weight, [-1, spec.head.decoder.inWidth]);
    if (spec.head.decoder.bias) out.set(spec.head.decoder.bias, [-1]);
  }
  return out;
}

/** Values that share one scale in microscaling FP4. */
export const MXFP4_GROUP = 32;

/** Names of tensors that hold packed values or scales. */
function packedTensors(spec: ModelSpec): ReadonlySet<string> {
  return new Set(spec.stacks.flatMap((stack) => stack.blocks.flatMap((block) => linearsOf(block).flatMap((l) => (l.mxfp4 ? [l.weight, l.mxfp4.scales] : [])))));
}

/** The linear maps of a block as they lie on disk, in the order in which data meets them: router, experts and shared expert of a mixture. */
export function linearsOf(block: BlockSpec): readonly LinearSpec[] {
  const { qkv, o } = block.attention, { ffn } = block;
  const attention = [...qkvLinears(qkv), ...(o ? [o] : [])];
  if (ffn.kind === 'ffn') return [...attention, ...(ffn.gate ? [ffn.gate] : []), ffn.up, ffn.down];
  const all = (expert: ExpertSpec): readonly LinearSpec[] => [expert.gate, expert.up, expert.down];
  return [...attention, ffn.router, ...ffn.experts.flatMap(all), ...(ffn.shared ? [...all(ffn.shared.expert), ...(ffn.shared.gate ? [ffn.shared.gate] : [])] : [])];
}

function qkvLinears(qkv: QkvSpec): readonly LinearSpec[] {
  switch (qkv.kind) {
    case 'separate': return [qkv.q, qkv.k, qkv.v];
    case 'fused': return [qkv.linear];
    case 'routed': return [qkv.router, qkv.kv, ...qkv.experts.flatMap(({ q, o }) => [q, o])];
    case 'latent': return [...(qkv.qLatent ? [qkv.qLatent.down] : []), qkv.q, qkv.kvDown, qkv.kvUp];
  }
}

/** Vectors of a block that belong to no map and no norm. */
export function vectorsOf({ attention, ffn }: BlockSpec, dModel: number): readonly { readonly name: string; readonly length: number }[] {
  return [
    ...(attention.sinks ? [{ name: attention.sinks, length: attention.heads }] : []), ...(attention.qkv.kind === 'routed' ? [{ name: attention.qkv.bias, length: dModel }] : []),
    ...(ffn.kind === 'moe' && ffn.rule.kind === 'sigmoidGroups' ? [{ name: ffn.rule.bias, length: ffn.experts.length }] : []), ...(ffn.kind === 'moe' && ffn.bias ? [{ name: ffn.bias, length: dModel }] : []),
  ];
}

/** The norms of a block. */
export function normsOf(block: BlockSpec): readonly NormSpec[] {
  const a = block.attention, f = block.ffn, latent = a.qkv.kind === 'latent' ? [a.qkv.qLatent?.norm, a.qkv.kvNorm] : [];
  return [...latent, a.norms.before, a.norms.branch, a.norms.after, a.qNorm, a.kNorm, f.norms.before, f.norms.branch, f.norms.after].filter((n): n is NormSpec => n !== undefined);
}
