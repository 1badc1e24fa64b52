import type { BoundModel } from '../architecture/resolve';
import { linearsOf } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import type { JoinHook, LinearHook, LinearInputHook } from '../graph/block';
import type { HostTensor } from '../graph/hostTensor';
import { stageLinears } from '../graph/stages';
import type { Notice } from '../protocol/documents';
import { failure } from '../protocol/errors';
import { type AttachedHead, attachHead } from './attachHead';
import { type AttachedLead, attachLead } from './attachLead';
import { type SavedWeights, withSavedWeights } from './attachSaved';
import type { ModuleControl } from './controls';
import { type BranchPart, branchName, type LinearPart, type ModuleParts, type RowFactors } from './parts';
import type { PluggedModule } from './types';

export { linearFinder } from './sites';

/** A module with the strength it acts with. */
export interface ActiveModule {
  readonly module: PluggedModule;
  readonly strength: number;
  /** Instead of what was learned, its null. */
  readonly control?: ModuleControl;
}

/** Modules bound to the sites of a base: graph hooks and the inputs that go with them. What no module needs is absent. */
export interface AttachedModules {
  /** Tells graphs with different attachments apart (not strengths: those are inputs). */
  readonly key: string;
  readonly hook: LinearHook;
  feeds(block: BlockSpec): Readonly<Record<string, HostTensor>>;
  readonly modules: readonly ActiveModule[];
  readonly before?: LinearInputHook;
  readonly join?: JoinHook;
  /** The base with the tensors that modules saved anew, and with a context shorter by what stands before every text. */
  readonly model?: BoundModel;
  /** The graphs before and after the blocks differ from the base's: what tells them apart, and their inputs. */
  readonly stages?: { readonly key: string; readonly feeds: Readonly<Record<string, HostTensor>> };
  readonly head?: AttachedHead;
  /** Changes of a token's embedding row, before any factor of the family. */
  readonly tokens?: (id: number, row: Float32Array) => Float32Array;
  readonly lead?: AttachedLead;
  /** Graphs of blocks average over whole texts, so that a text cannot be run token by token. */
  readonly averages?: boolean;
  /** What of the modules changes nothing that is computed here. */
  readonly remarks?: readonly string[];
}

/**
 * Reads what the modules learned and finds each part's place in the base. Learned values and strengths are graph inputs, so that a change of strength
 * needs no new session; only tensors of the base that a module saved anew are constants. A part without a place, or of another size, is an input error.
 */
export async function attachModules(model: BoundModel, active: readonly ActiveModule[]): Promise<AttachedModules> {
  const bound: ModuleParts[] = [];
  for (const [index, { module, strength, control }] of active.entries()) {
    if (!Number.isFinite(strength)) throw failure('module/strength', { path: module.path, strength: String(strength), kind: module.kind });
    bound.push(await module.bind(model, { strength, prefix: `module.${index}.`, ...(control ? { control } : {}) }));
  }
  const linears = new Map<string, LinearPart[]>(), branches = new Map<string, BranchPart>(), rows: RowFactors[] = [];
  for (const [index, parts] of bound.entries()) {
    for (const [weight, list] of parts.linears ?? []) linears.set(weight, [...(linears.get(weight) ?? []), ...list]);
    for (const [name, part] of parts.branches ?? []) {
      if (branches.has(name)) throw failure('module/together', { path: active[index].module.path, reason: 'another active module changes the same joins of the residual stream, and their order is not defined' });
      branches.set(name, part);
    }
    rows.push(...(parts.tokens ?? []));
  }
  const saved = mergeSaved(bound, active), heads = bound.flatMap((parts) => parts.head ?? []), remarks = bound.flatMap((parts) => parts.remarks ?? []);
  const lead = attachLead(model, bound, active.map(({ module }) => module.path)), changed = withSavedWeights(model, saved, lead?.shift ?? 0);
  const key = active.map(({ module }) => module.weights.files.map((f) => `${f.path}.${f.mtimeMs}.${f.size}`).join()).join('+') + saved.key;
  const inputsOf = (weights: readonly string[]): Record<string, HostTensor> => Object.assign({}, ...weights.flatMap((weight) => (linears.get(weight) ?? []).map(({ inputs }) => inputs))) as Record<string, HostTensor>;
  const before = [...linears.values()].flat().some((part) => part.before), stage = stageLinears(model, model.spec.stacks[0]).map((spec) => spec.weight).filter((weight) => linears.has(weight));
  return {
    key, modules: active,
    hook: (b, spec, x, y) => {
      const parts = linears.get(spec.weight) ?? [];
      const scaled = parts.reduce((out, part) => (part.scale ? b.mul(out, part.scale(b, spec)) : out), y);
      return parts.reduce((out, part) => (part.add ? b.add(out, part.add(b, spec, x, y)) : out), scaled);
    },
    feeds: (block) => Object.assign(inputsOf(linearsOf(block).map((spec) => spec.weight)), ...(['attention', 'ffn'] as const).map((part) => branches.get(branchName(block.index, part))?.inputs ?? {})) as Record<string, HostTensor>,
    ...(before ? { before: (b, spec, x) => (linears.get(spec.weight) ?? []).reduce((value, part) => (part.before ? part.before(b, spec, value) : value), x) } : {}),
    ...(branches.size > 0 ? { join: (b, block, at) => branches.get(branchName(block.index, at.part))?.join(b, block, at) ?? null } : {}),
    ...(changed ? { model: changed } : {}),
    ...(stage.length > 0 || saved.key !== '' || heads.length > 0 ? { stages: { key, feeds: inputsOf(stage) } } : {}),
    ...(heads.length > 0 ? { head: attachHead(heads) } : {}),
    ...(rows.length > 0 ? { tokens: (id, row) => changedRow(rows, id, row) } : {}),
    ...(lead ? { lead } : {}),
    ...(bound.some((parts) => parts.averages) ? { averages: true } : {}),
    ...(remarks.length > 0 ? { remarks } : {}),
  };
}

/** What of the modules changes nothing that is computed, for a document's warnings. */
export function remarksOf(attached: AttachedModules | null): Notice[] {
  return (attached?.remarks ?? []).map((message) => ({ code: 'module-part', message }));
}

/** Two modules that saved the same tensor contradict each other. */
function mergeSaved(bound: readonly ModuleParts[], active: readonly ActiveModule[]): SavedWeights {
  const tensors = new Map<string, { readonly tensor: NonNullable<ModuleParts['savedHead']>['tensor']; readonly strength: number }>();
  let head: ModuleParts['savedHead'], key = '';
  for (const [index, parts] of bound.entries()) {
    for (const [name, saved] of parts.saved ?? []) {
      if (tensors.has(name)) throw failure('module/together', { path: active[index].module.path, reason: `another active module holds the base's "${name}" anew too` });
      tensors.set(name, saved);
    }
    if (parts.savedHead && head) throw failure('module/together', { path: active[index].module.path, reason: 'another active module brings its own head too' });
    head ??= parts.savedHead;
    if ((parts.saved?.size ?? 0) > 0 || parts.savedHead) key += `|saved ${index}=${active[index].strength}`;
  }
  return { tensors, ...(head ? { head } : {}), key, files: active.flatMap(({ module }) => module.weights.files) };
}

function changedRow(factors: readonly RowFactors[], id: number, row: Float32Array): Float32Array {
  const out = Float32Array.from(row);
  for (const { a, b, rank, rows, width, scaling } of factors) {
    // Rows that the base has and the module does not know stay as they are.
    if (id >= rows) continue;
    for (let i = 0; i < width; i++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += b[i * rank + r] * a[r * rows + id];
      out[i] = Math.fround(out[i] + scaling * sum);
    }
  }
  return out;
}
