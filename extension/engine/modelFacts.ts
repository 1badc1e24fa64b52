import { bindModel, type BoundModel, familyOf, tryBindModel } from '../architecture/resolve';
import { type FfnWeights, ffnWeightsOf, recogniseFfn } from '../architecture/ffnWeights';
import { recogniseRouters } from '../architecture/routerTensors';
import type { ExpertActivation } from '../architecture/spec';
import { elementCount } from '../checkpoint/dtypes';
import { fingerprint } from '../checkpoint/fingerprint';
import type { Checkpoint } from '../checkpoint/types';
import { hasTokenizer } from '../probe/tokenizer';
import { failure, type ModulensError } from '../protocol/errors';
import type { ModelFacts } from '../protocol/documents';

/** A checkpoint with everything its headers tell. */
export interface DescribedModel {
  readonly checkpoint: Checkpoint;
  readonly facts: ModelFacts;
  /** Null where the model cannot be run; `cannotRun` says why. */
  readonly model: BoundModel | null;
  readonly cannotRun: ModulensError | null;
  /** By the family's file, else by names and shapes; empty where nothing was recognised. */
  readonly ffn: readonly FfnWeights[];
}

/** Reads headers, config and tokenizer presence; no weights beyond the fingerprint's samples. */
export async function describeModel(checkpoint: Checkpoint): Promise<DescribedModel> {
  const { model, error } = checkpoint.format === 'onnx' ? { model: null, error: failure('model/onnx-not-run', { path: checkpoint.path }) } : tryBindModel(checkpoint);
  const ffn = model ? ffnWeightsOf(model) : recogniseFfn(checkpoint);
  const stack = model?.spec.stacks[0], mixtures = stack?.blocks.flatMap(({ ffn: f }) => (f.kind === 'moe' ? [f] : [])) ?? [], mixture = mixtures.at(0);
  const found = model ? null : recogniseRouters(checkpoint);
  const number = (name: string): number | null => { const value = checkpoint.config?.[name]; return typeof value === 'number' ? value : null; };
  const byDtype = new Map<string, number>();
  let parameters = 0, bytes = 0;
  for (const tensor of checkpoint.tensors.values()) {
    const count = elementCount(tensor.shape);
    parameters += count;
    bytes += tensor.bytes;
    byDtype.set(tensor.dtype, (byDtype.get(tensor.dtype) ?? 0) + count);
  }
  const facts: ModelFacts = {
    name: checkpoint.name, path: checkpoint.path, fingerprint: await fingerprint(checkpoint),
    family: familyOf(checkpoint), architecture: model?.spec.architecture ?? null, format: checkpoint.format, parameters, bytes,
    dtype: [...byDtype].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'none',
    layers: stack?.blocks.length ?? number('num_hidden_layers') ?? number('n_layer') ?? (ffn.length > 0 ? ffn.length : null),
    dModel: stack?.dModel ?? ffn[0]?.dModel ?? number('hidden_size') ?? null, dFf: ffn[0]?.dFf ?? mixture?.experts[0].up.outWidth ?? null,
    heads: stack?.blocks[0]?.attention.heads ?? number('num_attention_heads'), vocabulary: stack?.vocabulary ?? number('vocab_size'), context: stack?.context ?? number('max_position_embeddings'),
    activation: activationName(stack?.blocks[0]?.ffn.activation), tokenizer: await hasTokenizer(checkpoint.folder), runnable: model !== null, ...(error ? { cannotRun: error.message } : {}),
    ...(found ? { mixture: { layers: found.layers, experts: found.experts, perToken: found.perToken, width: found.width, shared: null } } : {}),
    ...(mixture ? { mixture: { layers: mixtures.length, experts: mixture.experts.length, perToken: mixture.k, width: mixture.experts[0].up.outWidth, shared: mixture.shared?.expert.up.outWidth ?? null } } : {}),
  };
  return { checkpoint, facts, model, cannotRun: error, ffn };
}

function activationName(activation: ExpertActivation | undefined): string | null {
  return activation === undefined ? null : typeof activation === 'string' ? activation : activation.kind;
}

/** The bound model, or the typed failure that says why it cannot be run. */
export function requireModel(described: DescribedModel): BoundModel {
  if (described.model) return described.model;
  if (described.cannotRun) throw described.cannotRun;
  return bindModel(described.checkpoint);
}
