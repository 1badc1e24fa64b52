import { optimalAssignment } from '../numerics/optimalAssignment';
import type { HeadPairs } from '../protocol/transfer';
import { block } from './matrices';
import { unitCorrelations } from './neurons';
import type { GroupStatistics } from './statistics';
import type { HeadCounts, PartPair, Role, SitePart, TransferTools } from './types';

type Heads = NonNullable<SitePart['heads']>;

/** Units of every head pair matched among themselves: [target head, source head] to source unit of each target unit inside the heads, and the sum of |correlation|. */
interface Inside {
  readonly to: Heads;
  readonly from: Heads;
  readonly pairs: ReadonlyMap<string, { readonly units: Int32Array; readonly score: number }>;
}

/**
 * Units of one head with units of another. Where positions turn features in pairs (i, i + half), whole pairs move, so that a query feature keeps the
 * partner that it is turned with.
 */
function insideHead(score: Float64Array, to: Heads, from: Heads): { readonly units: Int32Array; readonly score: number } {
  const units = new Int32Array(to.width).fill(-1), halfTo = to.rotary / 2, halfFrom = from.rotary / 2;
  let total = 0;
  if (halfTo > 0 && halfFrom > 0) {
    const pairs = new Float64Array(halfTo * halfFrom);
    for (let i = 0; i < halfTo; i++) for (let g = 0; g < halfFrom; g++) pairs[i * halfFrom + g] = score[i * from.width + g] + score[(i + halfTo) * from.width + g + halfFrom];
    const found = optimalAssignment(pairs, halfTo, halfFrom);
    total += found.score;
    found.columns.forEach((g, i) => {
      if (g < 0) return;
      units[i] = g;
      units[i + halfTo] = g + halfFrom;
    });
  }
  const [startTo, startFrom] = halfTo > 0 && halfFrom > 0 ? [to.rotary, from.rotary] : [0, 0];
  if (startTo < to.width && startFrom < from.width) {
    const found = optimalAssignment(block(score, from.width, [startTo, to.width], [startFrom, from.width]), to.width - startTo, from.width - startFrom);
    total += found.score;
    found.columns.forEach((g, i) => { if (g >= 0) units[startTo + i] = startFrom + g; });
  }
  return { units, score: total };
}

async function insideHeads(group: GroupStatistics, to: Heads, from: Heads, shuffled: boolean, tools: TransferTools): Promise<Inside> {
  const { samples, toWidth, fromWidth } = group, pairs = new Map<string, { readonly units: Int32Array; readonly score: number }>();
  if (!samples) throw new Error(`${group.group}: no samples were collected`);
  const all = Float64Array.from(await unitCorrelations(samples, toWidth, fromWidth, shuffled ? tools.order(samples.n) : undefined, tools.signal), Math.abs);
  for (let h = 0; h < to.count; h++) {
    for (let g = 0; g < from.count; g++) pairs.set(`${h} ${g}`, insideHead(block(all, fromWidth, [h * to.width, (h + 1) * to.width], [g * from.width, (g + 1) * from.width]), to, from));
    await tools.turn();
  }
  return { to, from, pairs };
}

/** Source unit of each target output of q, k and v. */
export type HeadUnits = ReadonlyMap<Role, Int32Array>;

function matchAll(inside: ReadonlyMap<Role, Inside>, counts: { readonly to: HeadCounts; readonly from: HeadCounts }): { readonly units: HeadUnits; readonly q: Int32Array; readonly kv: Int32Array } {
  const { to, from } = counts, sizes = { to: to.q / to.kv, from: from.q / from.kv }, q = inside.get('q'), joint = new Float64Array(to.kv * from.kv);
  const scoreOf = (of: Inside | undefined, h: number, g: number): number => of?.pairs.get(`${h} ${g}`)?.score ?? 0;
  const queries = (h: number, g: number): ReturnType<typeof optimalAssignment> => optimalAssignment(Float64Array.from({ length: sizes.to * sizes.from }, (_, i) => scoreOf(q, h * sizes.to + Math.floor(i / sizes.from), g * sizes.from + (i % sizes.from))), sizes.to, sizes.from);
  for (let h = 0; h < to.kv; h++) for (let g = 0; g < from.kv; g++) joint[h * from.kv + g] = scoreOf(inside.get('k'), h, g) + scoreOf(inside.get('v'), h, g) + (q ? queries(h, g).score / Math.min(sizes.to, sizes.from) : 0);
  const kv = optimalAssignment(joint, to.kv, from.kv).columns, heads = new Int32Array(to.q).fill(-1);
  kv.forEach((g, h) => { if (g >= 0) queries(h, g).columns.forEach((c, r) => { if (c >= 0) heads[h * sizes.to + r] = g * sizes.from + c; }); });
  const units = new Map<Role, Int32Array>();
  for (const [role, of] of inside) {
    const out = new Int32Array(of.to.count * of.to.width).fill(-1);
    (role === 'q' ? heads : kv).forEach((g, h) => { of.pairs.get(`${h} ${g}`)?.units.forEach((u, i) => { if (u >= 0) out[h * of.to.width + i] = g * of.from.width + u; }); });
    units.set(role, out);
  }
  return { units, q: heads, kv };
}

/** Two-stage assignment of the outputs of q, k and v at one pair of layers; null where the module has none of them. */
export async function matchHeadUnits(layer: number, pairs: readonly PartPair[], groups: ReadonlyMap<string, GroupStatistics>, counts: { readonly to: HeadCounts; readonly from: HeadCounts }, tools: TransferTools): Promise<{ readonly units: HeadUnits; readonly report: readonly HeadPairs[] } | null> {
  const collect = async (shuffled: boolean): Promise<Map<Role, Inside>> => {
    const out = new Map<Role, Inside>();
    for (const { to, from } of pairs) {
      const group = groups.get(`out:${to.role}`), heads = from[0].part.heads;
      if (group && to.heads && heads) out.set(to.role, await insideHeads(group, to.heads, heads, shuffled, tools));
    }
    return out;
  };
  const inside = await collect(false);
  if (inside.size === 0) return null;
  const nothing = await collect(true), found = matchAll(inside, counts), random = matchAll(nothing, counts), report: HeadPairs[] = [];
  const scores = (of: ReadonlyMap<Role, Inside>, roles: readonly Role[], from: Int32Array): number[] => [...from].map((g, h) => {
    const known = roles.flatMap((role) => { const one = of.get(role), pair = one?.pairs.get(`${h} ${g}`); return one && pair ? [pair.score / Math.min(one.to.width, one.from.width)] : []; });
    return known.length > 0 ? known.reduce((sum, x) => sum + x, 0) / known.length : 0;
  });
  for (const [part, roles, mine, other] of [['q', ['q'], found.q, random.q], ['kv', ['k', 'v'], found.kv, random.kv]] as const) {
    if (!roles.some((role) => inside.has(role))) continue;
    const null_ = scores(nothing, roles, other).filter((_, h) => other[h] >= 0);
    report.push({ layer, part, from: [...mine].map((g) => (g < 0 ? null : g)), score: scores(inside, roles, mine), nullScore: null_.reduce((sum, x) => sum + x, 0) / Math.max(1, null_.length) });
  }
  return { units: found.units, report };
}
