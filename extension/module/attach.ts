import type { BoundModel } from '../architecture/resolve';
import { linearsOf } from '../architecture/resolve';
import type { BlockSpec, LinearSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { LinearHook } from '../graph/block';
import { Random } from '../numerics/random';
import { failure } from '../protocol/errors';
import { floats, type HostTensor } from '../graph/hostTensor';
import { shuffledFactors } from './shuffle';
import type { LoraModule, LoraSite } from './types';

/** A module with the strength it acts with. */
export interface ActiveModule {
  readonly module: LoraModule;
  readonly strength: number;
  /** Instead of what was learned, its null: the factors' entries permuted with this seed (`shuffledFactors`). */
  readonly shuffleSeed?: number;
}

/** Modules bound to the sites of a base: graph hooks and the inputs that go with them. */
export interface AttachedModules {
  /** Tells graphs with different attachments apart (not strengths: those are inputs). */
  readonly key: string;
  readonly hook: LinearHook;
  feeds(block: BlockSpec): Readonly<Record<string, HostTensor>>;
  readonly modules: readonly ActiveModule[];
}

interface Attachment {
  readonly id: number;
  readonly site: LoraSite;
  readonly a: HostTensor;
  readonly b: HostTensor;
  readonly strength: HostTensor;
}

/**
 * Reads the factors and finds each one's linear map by its tensor name. A, B and strength are graph inputs, so that a
 * change of strength needs no new session. A factor without a map, or of another width, is an input error.
 */
export async function attachModules(model: BoundModel, active: readonly ActiveModule[]): Promise<AttachedModules> {
  const bySite = new Map<string, Attachment[]>();
  const find = linearFinder(model);
  let id = 0;
  for (const { module, strength, shuffleSeed } of active) {
    for (const site of module.sites) {
      const spec = find(site.target);
      if (!spec) throw failure('module/no-site', { path: module.path, target: site.target });
      if (site.a.shape[1] !== spec.inWidth) throw failure('module/shape', { path: module.path, tensor: site.a.name, expected: `${site.rank}, ${spec.inWidth}`, found: site.a.shape.join(', ') });
      if (site.b.shape[0] !== spec.outWidth) throw failure('module/shape', { path: module.path, tensor: site.b.name, expected: `${spec.outWidth}, ${site.rank}`, found: site.b.shape.join(', ') });
      const list = bySite.get(spec.weight) ?? [];
      const learned = { a: await readTensor(site.a), b: await readTensor(site.b) };
      const { a, b } = shuffleSeed === undefined ? learned : shuffledFactors(learned, site.rank, new Random(shuffleSeed, 'random module', site.target));
      list.push({ id: id++, site, a: floats([site.rank, spec.inWidth], a), b: floats([spec.outWidth, site.rank], b), strength: floats([1], Float32Array.of(strength * site.scaling)) });
      bySite.set(spec.weight, list);
    }
  }
  return {
    key: active.map(({ module }) => module.weights.files.map((f) => `${f.path}.${f.mtimeMs}.${f.size}`).join()).join('+'),
    modules: active,
    hook: (b, spec, x, y) => {
      let out = y;
      for (const { id: n, site } of bySite.get(spec.weight) ?? []) {
        const a = b.input(`module.${n}.a`, 'float32', [site.rank, spec.inWidth]), up = b.input(`module.${n}.b`, 'float32', [spec.outWidth, site.rank]), strength = b.input(`module.${n}.strength`, 'float32', [1]);
        const inner = b.gemm(x, a, { transposed: true, width: site.rank });
        out = b.add(out, b.mul(b.gemm(inner, up, { transposed: true, width: spec.outWidth }), strength));
      }
      return out;
    },
    feeds: (block) => {
      const out: Record<string, HostTensor> = {};
      for (const spec of linearsOf(block)) for (const { id: n, a, b, strength } of bySite.get(spec.weight) ?? []) Object.assign(out, { [`module.${n}.a`]: a, [`module.${n}.b`]: b, [`module.${n}.strength`]: strength });
      return out;
    },
  };
}

/** Finds the linear map that a PEFT target names ("model.layers.0.self_attn.q_proj"), undefined where the model has none. */
export function linearFinder(model: BoundModel): (target: string) => LinearSpec | undefined {
  const linears = new Map<string, LinearSpec>();
  // Parts of a stack of experts have no name of their own that a target could mean.
  for (const stack of model.spec.stacks) for (const block of stack.blocks) for (const spec of linearsOf(block)) if (!spec.slice) linears.set(model.tensor(spec.weight).name.replace(/\.weight$/, ''), spec);
  return (target) => findLinear(linears, target, model.spec.bodyPrefixes);
}

/** A module may have been trained on the base with or without its head's prefix. */
function findLinear(linears: ReadonlyMap<string, LinearSpec>, target: string, prefixes: readonly string[]): LinearSpec | undefined {
  const direct = linears.get(target);
  if (direct) return direct;
  for (const prefix of prefixes) {
    const bare = prefix !== '' && target.startsWith(prefix) ? target.slice(prefix.length) : target;
    for (const other of prefixes) {
      const found = linears.get(other + bare);
      if (found) return found;
    }
  }
  return undefined;
}
