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
  positions.set(pack.positions.map((p) => p + lead.shift));
  sequences.set(pack.sequences);
  for (const [s, owner] of owners.entries()) {
    for (let j = 0; j < lead.prompt; j++) {
      const at = pack.tokens + s * lead.prompt + j;
      ids[at] = virtualId(j);
      positions[at] = lead.shift - lead.prompt + j;
      sequences[at] = owner;
    }
  }
  return { ids, positions, sequences, offset: pack.offset, tokens };
}

/** Places of the prefix in a pack's keys: shared by all sequences, or one set for each. */
function prefixPlaces(run: Pack, lead: AttachedLead): readonly { readonly index: number; readonly owner: number | null }[] {
  const owners = lead.gated ? [...new Set(run.sequences)] : [null];
  return owners.flatMap((owner) => Array.from({ length: lead.prefix }, (_, index) => ({ index, owner })));
}

/** Attention bias of a pack behind a lead `[rows, prefix + rows]`; `run` is what {@link packBehind} gives of a pack of `tokens` tokens. */
export function biasBehind(run: Pack, tokens: number, lead: AttachedLead, causal: boolean, window: number | undefined): { readonly keys: number; readonly data: Float32Array } {
  const places = prefixPlaces(run, lead), keys = places.length + run.tokens, out = new Float32Array(run.tokens * keys).fill(HIDDEN), reach = window ?? Infinity;
  const first = lead.shift - lead.prompt, shifted = first > 0;
  const sees = (q: number, position: number): boolean => !causal || (position <= run.positions[q] && run.positions[q] - position < reach);
  for (let q = 0; q < run.tokens; q++) {
    // A prefix without positions is seen from everywhere.
    for (const [p, { index, owner }] of places.entries()) if ((owner === null || owner === run.sequences[q]) && (!shifted || sees(q, index))) out[q * keys + p] = lead.bias[index];
    for (let k = 0; k < run.tokens; k++) {
      if (run.sequences[k] === run.sequences[q] && sees(q, run.positions[k])) out[q * keys + places.length + k] = k >= tokens && q < tokens ? lead.bias[lead.prefix + run.positions[k] - first] : 0;
    }
  }
  return { keys, data: out };
}

/** Averages over sequences: for each row `[rows, rows]`, or once per sequence `[sequences, rows]`. */
export function sequenceMeans(run: Pack, each: 'row' | 'sequence'): { readonly rows: number; readonly data: Float32Array } {
  const owners = [...new Set(run.sequences)], of = each === 'row' ? [...run.sequences] : owners, sizes = new Map(owners.map((owner) => [owner, 0]));
  for (const owner of run.sequences) sizes.set(owner, (sizes.get(owner) ?? 0) + 1);
  const out = new Float32Array(of.length * run.tokens);
  for (const [r, owner] of of.entries()) for (let t = 0; t < run.tokens; t++) if (run.sequences[t] === owner) out[r * run.tokens + t] = 1 / (sizes.get(owner) ?? 1);
  return { rows: of.length, data: out };
}
