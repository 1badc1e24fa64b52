import type { BoundModel } from '../architecture/resolve';
import { elementCount } from '../checkpoint/dtypes';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { floats } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import { controlEntries } from './controls';
import type { ModuleParts, PrefixPart } from './parts';
import { expectShape, numberOr, type PeftFolder, positive, unreadable } from './peftFolder';
import type { BindOptions, PluggedModule } from './types';

/** The only tensor of a prompt or a prefix: encoders of virtual tokens are applied when PEFT saves. */
function virtualTokens(folder: PeftFolder): { readonly tensor: TensorInfo; readonly length: number } {
  const { path } = folder, tensor = folder.tensors.get('prompt_embeddings');
  if (!tensor) throw unreadable(path, 'it holds no "prompt_embeddings"');
  const other = [...folder.tensors.keys()].find((name) => name !== 'prompt_embeddings');
  if (other !== undefined) throw failure('module/unsupported-part', { path, part: other, reason: 'beside virtual tokens nothing else is run' });
  if (numberOr(folder.config, 'num_transformer_submodules', 1) !== 1) throw failure('module/unsupported-flag', { path, flag: 'num_transformer_submodules', value: String(folder.config['num_transformer_submodules']) });
  const length = positive(folder, 'num_virtual_tokens', tensor.shape[0]);
  expectShape(path, tensor, [length, null]);
  return { tensor, length };
}

/** Strength multiplies attention, which cannot be negative. */
function checkStrength(path: string, kind: string, strength: number): void {
  if (strength < 0) throw failure('module/strength', { path, strength: String(strength), kind });
}

/** Prompt tuning (arXiv 2104.08691) and P-tuning as saved: embedding rows before every text. Strength multiplies the attention that they get. */
export function readPrompt(folder: PeftFolder): PluggedModule {
  const { tensor, length } = virtualTokens(folder), { path } = folder;
  return {
    ...folder.facts, kind: 'prompt', rank: null, sites: [], extras: [{ name: 'prompt_embeddings', what: `${length} virtual tokens`, parameters: elementCount(tensor.shape) }],
    bind: async (model: BoundModel, { strength, control }: BindOptions): Promise<ModuleParts> => {
      checkStrength(path, 'prompt', strength);
      expectShape(path, tensor, [length, model.spec.stacks[0].embedding.width]);
      if (!model.spec.stacks[0].blocks.every((block) => block.attention.causal)) throw failure('module/unsupported-part', { path, part: 'prompt_embeddings', reason: 'virtual tokens are run before causal models only' });
      const learned = await readTensor(tensor);
      // Gemma's factor is part of its embedding since transformers 5, so that virtual tokens pass it by; Granite's comes after.
      const scaled = !model.spec.family.startsWith('gemma'), remarks = scaled || model.spec.family.startsWith('gemma3') ? [] : ['Virtual tokens are run as transformers 5 does, without the family\'s factor on embeddings; a module trained with transformers 4 expects that factor.'];
      return { prompt: { length, rows: control ? controlEntries(learned, control, 'prompt') : learned, scaled, strength }, remarks };
    },
  };
}

/** Prefix tuning (arXiv 2101.00190): keys and values of every block before every text. Strength multiplies the attention that they get. */
export function readPrefix(folder: PeftFolder): PluggedModule {
  const { tensor, length } = virtualTokens(folder), { path } = folder;
  return {
    ...folder.facts, kind: 'prefix', rank: null, sites: [], extras: [{ name: 'prompt_embeddings', what: `keys and values of ${length} virtual tokens`, parameters: elementCount(tensor.shape) }],
    bind: async (model: BoundModel, { strength, control }: BindOptions): Promise<ModuleParts> => {
      checkStrength(path, 'prefix', strength);
      const { blocks } = model.spec.stacks[0];
      for (const { attention } of blocks) {
        if (!attention.causal) throw failure('module/unsupported-part', { path, part: 'prompt_embeddings', reason: 'keys and values are put before causal models only' });
        if (attention.kvHeads !== blocks[0].attention.kvHeads || attention.headDim !== blocks[0].attention.headDim || attention.valueDim !== undefined) throw failure('module/unsupported-part', { path, part: 'prompt_embeddings', reason: 'the keys of this base differ in width between blocks, or from its values' });
      }
      const { kvHeads, headDim } = blocks[0].attention;
      expectShape(path, tensor, [length, blocks.length * 2 * kvHeads * headDim]);
      const learned = await readTensor(tensor);
      return { prefix: { length, blocks: splitPrefix(control ? controlEntries(learned, control, 'prefix') : learned, length, blocks.length, kvHeads, headDim), strength, shifts: true } };
    },
  };
}

/** Rows of (layer, key or value, head, feature) to keys and values per layer, `[heads, length, feature]`. */
export function splitPrefix(rows: Float32Array, length: number, layers: number, heads: number, width: number): PrefixPart['blocks'] {
  const row = layers * 2 * heads * width;
  const part = (slot: number) => {
    const out = new Float32Array(heads * length * width);
    for (let h = 0; h < heads; h++) for (let t = 0; t < length; t++) out.set(rows.subarray(t * row + (slot * heads + h) * width, t * row + (slot * heads + h + 1) * width), (h * length + t) * width);
    return floats([heads, length, width], out);
  };
  return Array.from({ length: layers }, (_, i) => ({ key: part(2 * i), value: part(2 * i + 1) }));
}
