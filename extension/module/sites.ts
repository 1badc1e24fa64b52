import type { BoundModel } from '../architecture/resolve';
import { linearsOf } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';

/** Finds the linear map that a PEFT target names ("model.layers.0.self_attn.q_proj"), undefined where the model has none. */
export function linearFinder(model: BoundModel): (target: string) => LinearSpec | undefined {
  const linears = new Map<string, LinearSpec>();
  // Parts of a stack of experts have no name of their own that a target could mean.
  for (const stack of model.spec.stacks) for (const block of stack.blocks) for (const spec of linearsOf(block)) if (!spec.slice) linears.set(model.tensor(spec.weight).name.replace(/\.weight$/, ''), spec);
  return (target) => findNamed(linears, target, model.spec.bodyPrefixes);
}

/** A module may have been trained on the base with or without its head's prefix. */
export function findNamed<T>(named: ReadonlyMap<string, T>, target: string, prefixes: readonly string[]): T | undefined {
  const direct = named.get(target);
  if (direct !== undefined) return direct;
  for (const prefix of prefixes) {
    const bare = prefix !== '' && target.startsWith(prefix) ? target.slice(prefix.length) : target;
    for (const other of prefixes) {
      const found = named.get(other + bare);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
