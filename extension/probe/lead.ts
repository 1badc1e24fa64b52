import type { AttachedLead } from '../module/attachLead';
import type { Pack } from './pack';

/** What a query may not see gets this: far below any score, and its exponential is exactly 0. */
const HIDDEN = -3e38;

/** The id under which row `index` of the virtual tokens travels; ids of the vocabulary are not negative. */
export function virtualId(index: number): number {
  return -1 - index;
}
export function virtualIndex(id: number): number {
  return -1 - id;
}

/**
 * A pack as it runs behind a lead: positions start after it, and the virtual tokens of each of its sequences follow the pack's own rows, so that the
 * first `pack.tokens` rows of whatever comes out are those of the text.
 */
export function packBehind(pack: Pack, lead: AttachedLead): Pack {
  const owners = [...new Set(pack.sequences)], tokens = pack.tokens + owners.length * lead.prompt;
  const ids = new Int32Array(tokens), positions = new Float32Array(tokens), sequences = new Int32Array(tokens);
  ids.set(pack.ids);
  positions.set(pack.positions.map((p) => p + lead.length));
  sequences.set(pack.sequences);
  for (const [s, owner] of owners.entries()) {
    for (let j = 0; j < lead.prompt; j++) {
      const at = pack.tokens + s * lead.prompt + j;
      ids[at] = virtualId(j);
      positions[at] = lead.prefix + j;
      sequences[at] = owner;
    }
  }
  return { ids, positions, sequences, offset: pack.offset, tokens };
}

/** Attention bias of a pack behind a lead `[rows, prefix + rows]`; `run` is what {@link packBehind} gives of a pack of `tokens` tokens. */
export function biasBehind(run: Pack, tokens: number, lead: AttachedLead, causal: boolean, window: number | undefined): Float32Array {
  const width = lead.prefix + run.tokens, out = new Float32Array(run.tokens * width).fill(HIDDEN), reach = window ?? Infinity;
  const sees = (q: number, position: number): boolean => !causal || (position <= run.positions[q] && run.positions[q] - position < reach);
  for (let q = 0; q < run.tokens; q++) {
    for (let p = 0; p < lead.prefix; p++) if (sees(q, p)) out[q * width + p] = lead.bias[p];
    for (let k = 0; k < run.tokens; k++) {
      if (run.sequences[k] === run.sequences[q] && sees(q, run.positions[k])) out[q * width + lead.prefix + k] = k >= tokens && q < tokens ? lead.bias[run.positions[k]] : 0;
    }
  }
  return out;
}
