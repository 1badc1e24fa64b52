import type { BoundModel } from '../architecture/resolve';
import type { AttentionSpec, BlockSpec, LinearSpec } from '../architecture/spec';
import type { Role, SitePart } from './types';

/** Module path of a linear map as PEFT names it on this checkpoint. */
export function targetOf(model: BoundModel, linear: LinearSpec): string {
  return model.tensor(linear.weight).name.replace(/\.weight$/, '');
}

/**
 * The parts of a block that have a role: q, k, v (also where one map holds them), the output map, and a dense FFN's gate, up and down. Latent
 * attention, routed heads and experts have no counterpart in other families and give none.
 */
export function partsOfBlock(model: BoundModel, block: BlockSpec): readonly SitePart[] {
  const out: SitePart[] = [], layer = block.index, { attention, ffn } = block;
  const add = (role: Role, linear: LinearSpec | undefined, more: Partial<Pick<SitePart, 'rows' | 'outWidth' | 'heads'>> = {}): void => {
    if (!linear || linear.slice) return;
    const room = role === 'gate' || role === 'up' || role === 'down' ? 'ffn' : 'attention';
    out.push({ name: `blocks.${layer}.${room}.${role}`, layer, role, linear, target: targetOf(model, linear), rows: null, inWidth: linear.inWidth, outWidth: linear.outWidth, heads: null, ...more });
  };
  const { qkv } = attention, rotary = rotaryOf(model, attention), width = attention.headDim;
  const heads = { q: { count: attention.heads, width, rotary }, k: { count: attention.kvHeads, width, rotary }, v: { count: attention.kvHeads, width: attention.valueDim ?? width, rotary: 0 } };
  if (qkv.kind === 'separate') for (const role of ['q', 'k', 'v'] as const) add(role, qkv[role], { heads: heads[role] });
  if (qkv.kind === 'fused') {
    for (const role of ['q', 'k', 'v'] as const) add(role, qkv.linear, { rows: fusedRows(attention, qkv.arrangement, role), outWidth: heads[role].count * width, heads: heads[role] });
  }
  if (qkv.kind === 'separate' || qkv.kind === 'fused') add('o', attention.o);
  if (ffn.kind === 'ffn') {
    add('gate', ffn.gate);
    add('up', ffn.up);
    add('down', ffn.down);
  }
  return out;
}

function rotaryOf(model: BoundModel, { rope }: AttentionSpec): number {
  return rope === undefined ? 0 : model.spec.stacks[0].ropes.get(rope)?.rotaryDim ?? 0;
}

/** Outputs of a fused map that are its queries, keys or values, head by head. */
function fusedRows({ heads, kvHeads, headDim }: AttentionSpec, arrangement: 'concat' | 'perHead', role: 'q' | 'k' | 'v'): Int32Array {
  const place = ['q', 'k', 'v'].indexOf(role), count = role === 'q' ? heads : kvHeads;
  if (arrangement === 'perHead') return Int32Array.from({ length: count * headDim }, (_, i) => (Math.floor(i / headDim) * 3 + place) * headDim + (i % headDim));
  const from = [0, heads * headDim, (heads + kvHeads) * headDim][place];
  return Int32Array.from({ length: count * headDim }, (_, i) => from + i);
}

/** Group of inputs that a part reads: parts of one group read the same numbers. */
export function inputGroup(role: Role): 'in:attention' | 'in:o' | 'in:ffn' | 'in:down' {
  switch (role) {
    case 'q': case 'k': case 'v': return 'in:attention';
    case 'o': return 'in:o';
    case 'gate': case 'up': return 'in:ffn';
    case 'down': return 'in:down';
  }
}
