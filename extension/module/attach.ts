import type { BoundModel } from '../architecture/resolve';
import { linearsOf } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import type { LinearHook } from '../graph/block';
import type { HostTensor } from '../graph/hostTensor';
import type { ModuleControl } from './controls';
import type { LinearPart } from './parts';
import type { PluggedModule } from './types';

export { linearFinder } from './sites';

/** A module with the strength it acts with. */
export interface ActiveModule {
  readonly module: PluggedModule;
  readonly strength: number;
  /** Instead of what was learned, its null. */
  readonly control?: ModuleControl;
}

/** Modules bound to the sites of a base: graph hooks and the inputs that go with them. */
export interface AttachedModules {
  /** Tells graphs with different attachments apart (not strengths: those are inputs). */
  readonly key: string;
  readonly hook: LinearHook;
  feeds(block: BlockSpec): Readonly<Record<string, HostTensor>>;
  readonly modules: readonly ActiveModule[];
}

/**
 * Reads what the modules learned and finds each part's place in the base. Learned values and strengths are graph inputs, so that a change of strength
 * needs no new session. A part without a place, or of another size, is an input error.
 */
export async function attachModules(model: BoundModel, active: readonly ActiveModule[]): Promise<AttachedModules> {
  const linears = new Map<string, LinearPart[]>();
  for (const [index, { module, strength, control }] of active.entries()) {
    const parts = await module.bind(model, { strength, prefix: `module.${index}.`, ...(control ? { control } : {}) });
    for (const [weight, list] of parts.linears ?? []) linears.set(weight, [...(linears.get(weight) ?? []), ...list]);
  }
  return {
    key: active.map(({ module }) => module.weights.files.map((f) => `${f.path}.${f.mtimeMs}.${f.size}`).join()).join('+'),
    modules: active,
    hook: (b, spec, x, y) => (linears.get(spec.weight) ?? []).reduce((out, part) => (part.add ? b.add(out, part.add(b, spec, x, y)) : out), y),
    feeds: (block) => Object.assign({}, ...linearsOf(block).flatMap((spec) => (linears.get(spec.weight) ?? []).map(({ inputs }) => inputs))) as Record<string, HostTensor>,
  };
}
