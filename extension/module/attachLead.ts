import type { BoundModel } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import { floatData, floats, type HostTensor } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import type { ModuleParts } from './parts';

/** What stands before every sequence: keys and values that no token made, then virtual tokens. */
export interface AttachedLead {
  /** Positions that it takes: `prefix + prompt`. */
  readonly length: number;
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
}

/** Far below any score; its exponential is exactly 0. */
const HIDDEN = -3e38;

/** Puts the prefixes of all modules one after the other, then their virtual tokens; null where there are none. */
export function attachLead(model: BoundModel, bound: readonly ModuleParts[], paths: readonly string[]): AttachedLead | null {
  const prefixes = bound.flatMap(({ prefix }) => prefix ?? []), prompts = bound.flatMap(({ prompt }) => prompt ?? []);
  const prefix = prefixes.reduce((sum, p) => sum + p.length, 0), prompt = prompts.reduce((sum, p) => sum + p.length, 0), length = prefix + prompt;
  if (length === 0) return null;
  const { context } = model.spec.stacks[0];
  if (length >= context) throw failure('module/together', { path: paths[bound.findIndex((parts) => parts.prefix ?? parts.prompt)], reason: `${length} virtual tokens leave no room in the base's context of ${context}` });
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
    length, prefix, prompt, bias, rows, scaled: prompts.every((p) => p.scaled),
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
