import type { LinearSpec } from '../architecture/spec';
import type { GraphBuilder } from '../graph/builder';
import type { HostTensor } from '../graph/hostTensor';
import type { Value } from '../graph/ir';

/** What a module does at one linear map. Several parts at one map act side by side, each on what the base gives. */
export interface LinearPart {
  /** Tensors that go with it, by the names of the graph inputs that its functions ask for. */
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** What is added to y; `x` `[tokens, in]` is what the map reads, `y` `[tokens, out]` what it gives, bias included. */
  readonly add?: (b: GraphBuilder, spec: LinearSpec, x: Value, y: Value) => Value;
}

/** Everything that a module does to a base, at a given strength. */
export interface ModuleParts {
  /** By the tensor name of the map in the model's spec. */
  readonly linears?: ReadonlyMap<string, readonly LinearPart[]>;
}
