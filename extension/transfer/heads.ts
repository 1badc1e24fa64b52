import { optimalAssignment } from '../numerics/optimalAssignment';
import { nuclearNorm } from '../numerics/procrustes';
import type { HeadPairs } from '../protocol/transfer';
import { mapSums, type MapSums } from './fit';
import { block } from './matrices';
import type { GroupStatistics } from './statistics';
import type { PartPair, Role, TransferTools } from './types';

/** Which source head each target head takes; -1: none. */
export interface HeadMatch {
  readonly q: Int32Array;
  readonly kv: Int32Array;
}

/** How well heads of the target `[to]` fit heads of the source `[from]`, in [0, 1]. */
interface Table {
  readonly to: number;
  readonly from: number;
  readonly values: Float64Array;
}

/**
 * Sum of the singular values of each head pair's block of cross products over the root of both heads' energies: 1 where one head is a rotation and
 * scaling of the other, and at most 1 (von Neumann's trace inequality).
 */
async function headScores(sums: MapSums, outcomeSquares: Float64Array, width: { readonly from: number; readonly to: number }, tools: TransferTools): Promise<Table> {
  const from = sums.p / width.from, to = sums.o / width.to, values = new Float64Array(to * from);
  for (let g = 0; g < from; g++) {
    let energy = 0;
    for (let i = g * width.from; i < (g + 1) * width.from; i++) energy += sums.gram[i * sums.p + i];
    for (let h = 0; h < to; h++) {
      let other = 0;
      for (let j = h * width.to; j < (h + 1) * width.to; j++) other += outcomeSquares[j];
      const cross = block(sums.cross, sums.o, [g * width.from, (g + 1) * width.from], [h * width.to, (h + 1) * width.to]), scale = Math.sqrt(energy * other);
      values[h * from + g] = scale > 0 ? Math.min(1, nuclearNorm(cross, width.from, width.to) / scale) : 0;
    }
    await tools.turn();
  }
  return { to, from, values };
}

/** Squares of each outcome about its mean. */
function centredSquares({ outcomeSquares, outcomeSum, tokens }: GroupStatistics): Float64Array {
  return outcomeSquares.map((x, j) => x - (tokens > 0 ? outcomeSum[j] ** 2 / tokens : 0));
}

const HEAD_ROLES = ['q', 'k', 'v'] as const satisfies readonly Role[];

/** Tables of the roles that statistics are there for, pairs as they are or shuffled. */
async function tables(pairs: readonly PartPair[], groups: ReadonlyMap<string, GroupStatistics>, shuffled: boolean, tools: TransferTools): Promise<Map<Role, Table>> {
  const out = new Map<Role, Table>();
  for (const role of HEAD_ROLES) {
    const pair = pairs.find(({ to }) => to.role === role), group = groups.get(`out:${role}`), to = pair?.to.heads, from = pair?.from.at(0)?.part.heads;
    if (group && to && from) out.set(role, await headScores(mapSums(group, shuffled), centredSquares(group), { from: from.width, to: to.width }, tools));
  }
  return out;
}

/** Best pairs of query heads inside a matched pair of groups, as [target, source] with their scores. */
function insideGroup(q: Table, sizes: { readonly to: number; readonly from: number }, h: number, g: number): { readonly pairs: readonly (readonly [number, number])[]; readonly sum: number } {
  const values = block(q.values, q.from, [h * sizes.to, (h + 1) * sizes.to], [g * sizes.from, (g + 1) * sizes.from]), { columns, score } = optimalAssignment(values, sizes.to, sizes.from);
  return { pairs: [...columns].flatMap((c, r) => (c < 0 ? [] : [[h * sizes.to + r, g * sizes.from + c] as const])), sum: score };
}

/**
 * Two-stage matching (as Verma and Elbayad 2024 match heads, with groups): heads of keys and values by the sum of all scores that are known, then the
 * query heads of each matched pair of groups among themselves, so that a query head stays with the keys that it was trained with.
 */
function match(scores: ReadonlyMap<Role, Table>, count: { readonly to: { readonly q: number; readonly kv: number }; readonly from: { readonly q: number; readonly kv: number } }): HeadMatch {
  const q = scores.get('q'), sizes = { to: count.to.q / count.to.kv, from: count.from.q / count.from.kv };
  const joint = new Float64Array(count.to.kv * count.from.kv);
  for (let h = 0; h < count.to.kv; h++) for (let g = 0; g < count.from.kv; g++) {
    const at = h * count.from.kv + g;
    for (const role of ['k', 'v'] as const) joint[at] += scores.get(role)?.values[at] ?? 0;
    if (q) joint[at] += insideGroup(q, sizes, h, g).sum / Math.min(sizes.to, sizes.from);
  }
  const kv = optimalAssignment(joint, count.to.kv, count.from.kv).columns, heads = new Int32Array(count.to.q).fill(-1);
  kv.forEach((g, h) => {
    if (g < 0) return;
    if (q) for (const [r, c] of insideGroup(q, sizes, h, g).pairs) heads[r] = c;
    else for (let r = 0; r < Math.min(sizes.to, sizes.from); r++) heads[h * sizes.to + r] = g * sizes.from + r;
  });
  return { q: heads, kv };
}

/** Matches the heads of one pair of layers; null where the module has no part of q, k or v there. */
export async function matchHeads(layer: number, pairs: readonly PartPair[], groups: ReadonlyMap<string, GroupStatistics>, counts: Parameters<typeof match>[1], tools: TransferTools): Promise<{ readonly match: HeadMatch; readonly report: readonly HeadPairs[] } | null> {
  const scores = await tables(pairs, groups, false, tools);
  if (scores.size === 0) return null;
  const found = match(scores, counts), shuffled = await tables(pairs, groups, true, tools), foundShuffled = match(shuffled, counts), report: HeadPairs[] = [];
  const mean = (from: Int32Array, all: readonly Table[]): number => meanOf([...scoresOf(from, all)].filter((_, h) => from[h] >= 0));
  const add = (part: 'q' | 'kv', from: Int32Array, fromShuffled: Int32Array, roles: readonly Role[]): void => {
    const of = (all: ReadonlyMap<Role, Table>): readonly Table[] => roles.flatMap((role) => all.get(role) ?? []);
    if (of(scores).length > 0) report.push({ layer, part, from: [...from].map((g) => (g < 0 ? null : g)), score: [...scoresOf(from, of(scores))], nullScore: mean(fromShuffled, of(shuffled)) });
  };
  add('q', found.q, foundShuffled.q, ['q']);
  add('kv', found.kv, foundShuffled.kv, ['k', 'v']);
  return { match: found, report };
}

/** Score of each pair, the mean over tables; 0 for a head without a partner. */
function scoresOf(from: Int32Array, all: readonly Table[]): Float64Array {
  return Float64Array.from(from, (g, h) => (g < 0 || all.length === 0 ? 0 : meanOf(all.map((table) => table.values[h * table.from + g]))));
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, x) => sum + x, 0) / values.length;
}
