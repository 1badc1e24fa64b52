import type { BoundModel } from '../architecture/resolve';
import type { ModelSpec } from '../architecture/spec';
import type { FileStamp, TensorInfo } from '../checkpoint/types';
import type { SavedTensor } from './parts';

/** Tensors of the base that modules hold anew. */
export interface SavedWeights {
  /** By name in the base's files. */
  readonly tensors: ReadonlyMap<string, SavedTensor>;
  /** A decoder of its own for a model whose decoder is its embedding. */
  readonly head?: SavedTensor;
  /** Empty where nothing is saved. */
  readonly key: string;
  readonly files: readonly FileStamp[];
}

/** The spec's name for a decoder that a module brought; no file has a tensor of this name. */
const HEAD = '(decoder of a module)';

/** The base with other tensors and a shorter context; null where nothing changes. */
export function withSavedWeights(model: BoundModel, saved: SavedWeights, lead: number): BoundModel | null {
  if (saved.key === '' && lead === 0) return null;
  const infos = new Map<string, TensorInfo>([...saved.tensors].map(([name, { tensor }]) => [name, tensor]));
  const { head } = saved, own = head?.tensor;
  const [stack, ...others] = model.spec.stacks;
  const spec: ModelSpec = {
    ...model.spec, stacks: [{ ...stack, context: Math.max(0, stack.context - lead) }, ...others],
    ...(own && model.spec.head ? { head: { ...model.spec.head, tied: false, decoder: { ...model.spec.head.decoder, weight: HEAD } } } : {}),
  };
  const tensor = (name: string): TensorInfo => {
    if (name === HEAD && own) return own;
    const found = model.tensor(name);
    return infos.get(found.name) ?? found;
  };
  return { ...model, checkpoint: { ...model.checkpoint, files: [...model.checkpoint.files, ...(saved.key === '' ? [] : saved.files)] }, spec, tensor };
}
