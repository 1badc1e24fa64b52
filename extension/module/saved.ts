import type { BoundModel } from '../architecture/resolve';
import { elementCount } from '../checkpoint/dtypes';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { bytesOf } from '../graph/builder';
import { failure } from '../protocol/errors';
import { controlEntries } from './controls';
import type { ModuleParts, SavedTensor } from './parts';
import { findNamed, headTarget } from './sites';
import type { BindOptions, ModuleExtra } from './types';

/** A tensor that a module holds whole: modules_to_save, trained biases, resized embeddings. */
export interface WholeTensor {
  /** Name of the base's tensor without PEFT's wrappers ("model.norm.weight"). */
  readonly name: string;
  readonly tensor: TensorInfo;
  /** The tensor lies under a wrapped layer's own base: it stands for the base's tensor everywhere that one is used. */
  readonly shared: boolean;
}

/** What a wrapper puts between a module's path and its tensor. */
const WRAPPERS = /\.(?:base_layer|original_module|modules_to_save)(?=\.)/;

/** Sorts out the tensors that no factor claims. */
export function wholeTensors(rest: ReadonlyMap<string, TensorInfo>): readonly WholeTensor[] {
  return [...rest].map(([name, tensor]) => ({ name: name.replace(WRAPPERS, ''), tensor, shared: /\.base_layer\./.test(name) }));
}

export function savedExtras(whole: readonly WholeTensor[]): readonly ModuleExtra[] {
  return whole.map(({ name, tensor }) => ({ name, what: 'a weight of the base saved whole', parameters: elementCount(tensor.shape) }));
}

interface SaveSettings {
  readonly path: string;
  /** The settings' `modules_to_save`: their modules are copies, so that what was tied to them keeps the base's weights. */
  readonly copies: readonly string[];
  /** `ensure_weight_tying`: copies of a tied embedding are the decoder's too. */
  readonly keepTies: boolean;
}

/**
 * Finds each whole tensor's place in the base. At a strength other than 1 the tensor lies that far on the way from the base's to the saved one. Heads that
 * the base lacks change nothing that is computed here and are named in a remark.
 * @throws module/no-site, module/shape
 */
export async function bindSaved(whole: readonly WholeTensor[], settings: SaveSettings, model: BoundModel, { strength, control }: BindOptions): Promise<Pick<ModuleParts, 'saved' | 'savedHead' | 'remarks'>> {
  const { path } = settings, { head, stacks: [stack], bodyPrefixes } = model.spec, saved = new Map<string, SavedTensor>(), absent: string[] = [];
  const table = model.tensor(stack.embedding.token), decoder = head ? model.tensor(head.decoder.weight) : null;
  let own: SavedTensor | undefined;
  const between = async (base: TensorInfo, item: WholeTensor): Promise<SavedTensor> => {
    const anyRows = base === table || base === decoder, expected = [anyRows ? null : base.shape[0], ...base.shape.slice(1)];
    if (item.tensor.shape.length !== expected.length || item.tensor.shape.some((size, i) => expected[i] !== null && size !== expected[i])) throw failure('module/shape', { path, tensor: item.tensor.name, expected: expected.map((size) => size ?? '*').join(', '), found: item.tensor.shape.join(', ') });
    return { tensor: strength === 1 && !control ? item.tensor : await mixed(base, item, strength, control), strength };
  };
  for (const item of whole) {
    const headPart = headTarget(item.name.replace(/\.(?:weight|bias)$/, ''), model), base = findNamed(model.checkpoint.tensors, item.name, bodyPrefixes);
    // GPT-2's causal mask is called a bias, and bias="all" saves it with the others.
    if (strength === 0 || model.spec.buffers.some((buffer) => buffer.test(item.name))) continue;
    if (headPart && decoder && item.name.endsWith('.weight') && head?.tied) own = await between(decoder, item);
    else if (base) saved.set(base.name, await between(base, item));
    else if (headPart && head?.decoder.bias && item.name.endsWith('.bias')) saved.set(model.tensor(head.decoder.bias).name, await between(model.tensor(head.decoder.bias), item));
    else if (/(?:^|\.)\d+\./.test(item.name)) throw failure('module/no-site', { path, target: item.name });
    else absent.push(item.name);
  }
  const copied = whole.some(({ name, shared }) => !shared && findNamed(model.checkpoint.tensors, name, bodyPrefixes) === table && settings.copies.some((copy) => name === `${copy}.weight` || name.endsWith(`.${copy}.weight`)));
  // A tied decoder keeps the base's rows where the embedding got a copy of its own.
  if (head?.tied && saved.has(table.name) && copied && !settings.keepTies && !own) own = { tensor: table, strength: 1 };
  return {
    ...(saved.size > 0 ? { saved } : {}), ...(own ? { savedHead: own } : {}),
    ...(absent.length > 0 ? { remarks: [`The module also holds ${absent.join(', ')}, which this checkpoint lacks; nothing that is computed here depends on it.`] } : {}),
  };
}

/** base + strength * (saved - base), or the same with the entries of the difference mixed; rows that the base lacks are the saved ones. */
async function mixed(base: TensorInfo, { tensor }: WholeTensor, strength: number, control: BindOptions['control']): Promise<TensorInfo> {
  const before = await readTensor(base), after = await readTensor(tensor), same = Math.min(before.length, after.length);
  const learned = Float32Array.from({ length: same }, (_, i) => after[i] - before[i]), change = control ? controlEntries(learned, control, tensor.name) : learned;
  const out = Float32Array.from(after, (x, i) => (i < same ? before[i] + strength * change[i] : x));
  return { ...tensor, dtype: 'F32', bytes: out.byteLength, inPlace: false, storage: { kind: 'memory', data: bytesOf(out) } };
}
