import type { BoundModel } from '../architecture/resolve';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { floats } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import type { HubFolder, HubMethod } from './adapterHub';
import { controlEntries } from './controls';
import type { ModuleParts } from './parts';
import { expectShape, isEmpty, type Json, positive, refuseFlags, unreadable } from './peftFolder';
import { splitPrefix } from './prompt';
import type { BindOptions } from './types';

/**
 * Prefix tuning of the library `adapters`: keys and values before those of the text, which keeps its positions. The projection of a prefix that was not
 * flattened is computed when the module is attached: (tanh(E W1^T + b1)) W2^T + b2. With gates each text has its own factor on keys and values.
 */
export function readHubPrefix(folder: HubFolder, config: Json): HubMethod {
  const { path } = folder, gated = config['use_gating'] === true, length = positive({ path, config }, 'prefix_length', 30);
  refuseFlags({ path, config }, [{ flag: 'leave_out', harmless: isEmpty }]);
  const activation = typeof config['non_linearity'] === 'string' ? config['non_linearity'] : 'tanh', f = FUNCTIONS.get(activation);
  if (!f) throw failure('module/unsupported-flag', { path, flag: 'non_linearity', value: JSON.stringify(activation) });
  const parts = new Map<string, TensorInfo>(), gates = new Map<number, Map<string, TensorInfo>>();
  for (const { owner, slot, part, tensor } of folder.tensors) {
    // Every layer refers to the pool, so that its tensors are in the file many times.
    if (slot === 'prefix_tunings') {
      const match = /^(?:self_prefix|encoder_prefix)\.(.+)$/.exec(part);
      if (!match) throw failure('module/unsupported-part', { path, part: tensor.name, reason: 'prefixes are run in the attention of a text to itself' });
      parts.set(match[1], tensor);
    } else if (slot === 'prefix_gates') {
      const block = Number(/\.(\d+)\.[^0-9]*$/.exec(owner)?.[1]);
      gates.set(block, (gates.get(block) ?? new Map<string, TensorInfo>()).set(part, tensor));
    }
  }
  if (parts.size === 0) throw unreadable(path, 'it holds no prefix, though its settings describe one');
  const need = (name: string): TensorInfo => {
    const tensor = parts.get(name);
    if (!tensor) throw unreadable(path, `its prefix lacks "${name}"`);
    return tensor;
  };
  const flat = parts.get('control_trans');
  const values = async (width: number): Promise<Float32Array> => {
    if (flat) {
      expectShape(path, flat, [length * width]);
      return readTensor(flat);
    }
    const [table, w1, b1, w2, b2] = ['wte.weight', 'control_trans.0.weight', 'control_trans.0.bias', 'control_trans.2.weight', 'control_trans.2.bias'].map(need), [bottleneck, input] = w1.shape;
    expectShape(path, table, [length, input]);
    expectShape(path, w2, [width, bottleneck]);
    expectShape(path, b1, [bottleneck]);
    expectShape(path, b2, [width]);
    const inner = product(await readTensor(table), await readTensor(w1), await readTensor(b1), length, input, bottleneck).map(f);
    return product(inner, await readTensor(w2), await readTensor(b2), length, bottleneck, width);
  };
  return {
    kind: 'prefix', rank: null, sites: [],
    bind: async (model: BoundModel, { strength, control }: BindOptions): Promise<ModuleParts> => {
      if (strength < 0) throw failure('module/strength', { path, strength: String(strength), kind: 'prefix' });
      const { blocks, dModel } = model.spec.stacks[0], { kvHeads, headDim } = blocks[0].attention;
      for (const { attention } of blocks) if (attention.kvHeads !== kvHeads || attention.headDim !== headDim || attention.valueDim !== undefined) throw failure('module/unsupported-part', { path, part: 'prefix', reason: 'the keys of this base differ in width between blocks, or from its values' });
      const learned = await values(blocks.length * 2 * kvHeads * headDim), rows = control ? controlEntries(learned, control, 'prefix') : learned;
      const open = gated ? await Promise.all(blocks.map(async ({ index }) => {
        const weight = gates.get(index)?.get('weight'), bias = gates.get(index)?.get('bias');
        if (!weight || !bias) throw unreadable(path, `its prefix lacks the gate of layer ${index}`);
        expectShape(path, weight, [null, dModel]);
        expectShape(path, bias, [weight.shape[0]]);
        return { weight: floats(weight.shape, await readTensor(weight)), bias: floats(bias.shape, await readTensor(bias)) };
      })) : undefined;
      return { prefix: { length, blocks: splitPrefix(rows, length, blocks.length, kvHeads, headDim), strength, shifts: false, ...(open ? { gates: open } : {}) }, ...(open ? { averages: true } : {}) };
    },
  };
}

const FUNCTIONS: ReadonlyMap<string, (x: number) => number> = new Map([['tanh', Math.tanh], ['relu', (x: number) => Math.max(0, x)], ['sigmoid', (x: number) => 1 / (1 + Math.exp(-x))], ['swish', (x: number) => x / (1 + Math.exp(-x))], ['silu', (x: number) => x / (1 + Math.exp(-x))]]);

/** x W^T + b `[rows, out]`, sums in float64. */
function product(x: Float32Array, w: Float32Array, bias: Float32Array, rows: number, inWidth: number, outWidth: number): Float32Array {
  const out = new Float32Array(rows * outWidth);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outWidth; o++) {
      let sum = bias[o];
      for (let i = 0; i < inWidth; i++) sum += x[r * inWidth + i] * w[o * inWidth + i];
      out[r * outWidth + o] = sum;
    }
  }
  return out;
}
