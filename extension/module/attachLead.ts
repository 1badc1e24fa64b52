import type { BoundModel } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import { BLOCK_INPUTS, type KeysHook } from '../graph/block';
import type { Value } from '../graph/ir';
import { floatData, floats, type HostTensor } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import type { ModuleParts, PrefixPart } from './parts';

/** What stands before every sequence: keys and values that no token made, then virtual tokens. */
export interface AttachedLead {
  /** Places that it takes: `prefix + prompt`. */
  readonly length: number;
  /** Positions by which the text starts later. */
  readonly shift: number;
  readonly prefix: number;
  readonly prompt: number;
  /** Logarithm of the factor on the attention that each of its places gets from tokens of the text `[length]`. */
  readonly bias: Float32Array;
  /** Embedding rows of the virtual tokens `[prompt, width]`. */
  readonly rows: Float32Array;
  /** The family's factor on token rows applies to them. */
  readonly scaled: boolean;
  /** Keys and values before those of the text, `[kvHeads, prefix, headDim]`. */
  past(block: BlockSpec): { readonly key: HostTensor; readonly value: HostTensor };
  /** Keys and values depend on the text: each sequence has its own, made in the graph. */
  readonly gated?: { readonly keys: KeysHook; feeds(block: BlockSpec): Readonly<Record<string, HostTensor>> };
}

/** Far below any score; its exponential is exactly 0. */
const HIDDEN = -3e38;

/** Puts the prefixes of all modules one after the other, then their virtual tokens; null where there are none. */
export function attachLead(model: BoundModel, bound: readonly ModuleParts[], paths: readonly string[]): AttachedLead | null {
  const prefixes = bound.flatMap(({ prefix }) => prefix ?? []), prompts = bound.flatMap(({ prompt }) => prompt ?? []);
  const prefix = prefixes.reduce((sum, p) => sum + p.length, 0), prompt = prompts.reduce((sum, p) => sum + p.length, 0), length = prefix + prompt;
  if (length === 0) return null;
  const together = (reason: string): Error => failure('module/together', { path: paths[bound.findIndex((parts) => parts.prefix ?? parts.prompt)], reason });
  if (prefixes.length > 1 && prefixes.some((p) => p.gates ?? p.shifts !== prefixes[0].shifts)) throw together('another active module puts keys and values before the text in another way');
  const { context } = model.spec.stacks[0];
  if (length >= context) throw together(`${length} virtual tokens leave no room in the base's context of ${context}`);
  const gated = prefixes.at(0)?.gates ? prefixes[0] : null, shift = (prefixes.at(0)?.shifts === false ? 0 : prefix) + prompt;
  const bias = new Float32Array(length), rows = new Float32Array(prompts.reduce((sum, p) => sum + p.rows.length, 0));
  let at = 0, row = 0;
  for (const part of [...prefixes, ...prompts]) {
    bias.fill(part.strength > 0 ? Math.log(part.strength) : HIDDEN, at, (at += part.length));
  }
  for (const part of prompts) {
    rows.set(part.rows, row);
    row += part.rows.length;
  }
  const kept = new Map<number, { readonly key: HostTensor; readonly value: HostTensor }>();
  return {
    length, shift, prefix, prompt, bias, rows, ...(gated ? { gated: gatedKeys(gated) } : {}), scaled: prompts.every((p) => p.scaled),
    past: (block) => {
      const known = kept.get(block.index);
      if (known) return known;
      const { kvHeads, headDim, valueDim = headDim } = block.attention;
      const made = { key: sideBySide(prefixes.map((p) => p.blocks[block.index].key), kvHeads, headDim), value: sideBySide(prefixes.map((p) => p.blocks[block.index].value), kvHeads, valueDim) };
      kept.set(block.index, made);
      return made;
    },
  };
}

/** Joins `[heads, length, width]` tensors along the length. */
function sideBySide(parts: readonly HostTensor[], heads: number, width: number): HostTensor {
  const length = parts.reduce((sum, { dims }) => sum + dims[1], 0), out = new Float32Array(heads * length * width);
  for (let h = 0, at = 0; h < heads; h++) {
    for (const part of parts) {
      const size = part.dims[1] * width;
      out.set(floatData(part).subarray(h * size, (h + 1) * size), at);
      at += size;
    }
  }
  return floats([heads, length, width], out);
}

/** Keys and values of each sequence `[kvHeads, sequences * length, width]`: those of the prefix times the gates that its tokens give. */
function gatedKeys({ blocks, gates = [], length }: PrefixPart): NonNullable<AttachedLead['gated']> {
  const name = (part: string): string => `prefix.${part}`;
  return {
    keys: (b, block, x) => {
      const { weight, bias } = gates[block.index], { key, value } = blocks[block.index], outputs = weight.dims[0];
      const open = b.unary('Sigmoid', b.gemm(x, b.input(name('gate.weight'), 'float32', weight.dims), { transposed: true, width: outputs, bias: b.input(name('gate.bias'), 'float32', bias.dims) }));
      const means = b.matmul(b.input(BLOCK_INPUTS.sequenceRows, 'float32', ['sequences', 'tokens']), open, ['sequences', outputs]);
      const [forKeys, forValues] = outputs === 2 ? b.split(means, 1, [1, 1]) : [means, means];
      const each = (gate: Value, part: 'key' | 'value', { dims: [heads, , width] }: HostTensor): Value => {
        const shared = b.reshape(b.input(name(part), 'float32', [heads, length, width]), [heads, 1, length, width], [heads, 1, length, width]);
        return b.reshape(b.mul(b.reshape(gate, [1, -1, 1, 1], [1, 'sequences', 1, 1]), shared), [heads, -1, width], [heads, 'places', width]);
      };
      return { key: each(forKeys, 'key', key), value: each(forValues, 'value', value) };
    },
    feeds: (block) => ({ [name('key')]: blocks[block.index].key, [name('value')]: blocks[block.index].value, [name('gate.weight')]: gates[block.index].weight, [name('gate.bias')]: gates[block.index].bias }),
  };
}
