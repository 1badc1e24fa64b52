import { mapInput, mapOutput, type SideRule } from '../choose';
import { matchHeadUnits } from '../headUnits';
import { matchUnits, type UnitMatch } from '../neurons';
import { PreparedGroup } from '../fit';
import { inputGroup } from '../parts';
import { carriedPart } from '../report';
import type { GroupStatistics } from '../statistics';
import type { CarriedPart, GroupName, TransferMethod, WantedGroup } from '../types';

/**
 * The paper's prune and align with its gaps closed: inputs and outputs are matched separately, by |correlation| with the sign carried along, heads stay
 * whole, and sizes are corrected by the ratio of standard deviations. Exact where one base is a signed permutation of the other.
 */
export const seedFixed: TransferMethod = {
  name: 'seed-fixed', title: 'Prune and align, repaired',
  says: 'Dimensions of the two bases are matched one to one by correlation, inputs and outputs apart, heads as wholes, with signs and sizes carried along.',
  needs: { activations: true, pairing: 'characters' },
  layerRules: ['paper', 'proportional', 'cka'],
  plan: ({ to }) => ({ rule: to.heads ? 'dimension by dimension, heads whole' : 'dimension by dimension' }),
  wanted: (pairs) => {
    const names = new Set<GroupName>(pairs.flatMap(({ to }) => [inputGroup(to.role), `out:${to.role}` as const]));
    if (pairs.some(({ to }) => to.role === 'gate' || to.role === 'up')) names.add('in:down');
    return [...names].map((group): WantedGroup => ({ group, kind: 'samples' }));
  },
  run: async ({ layer, pairs, statistics, counts, tools }) => {
    if (!statistics) throw new Error('prune and align ran without activations');
    const heads = await matchHeadUnits(layer, pairs, statistics, counts, tools), matches = new Map<GroupName, UnitMatch>(), parts: CarriedPart[] = [];
    const group = (name: GroupName): GroupStatistics => {
      const found = statistics.get(name);
      if (!found) throw new Error(`no activations of ${name}`);
      return found;
    };
    const rule = async (of: GroupStatistics, units: Int32Array | undefined): Promise<SideRule> => {
      if (units) return { kind: 'units', deviations: true, ridge: false, match: { from: units, score: NaN, nullScore: NaN } };
      // The FFN's sites share their neurons, which are matched by what they write.
      const basis = of.group === 'out:gate' || of.group === 'out:up' ? group('in:down') : of;
      let match = matches.get(basis.group);
      if (!match) {
        if (!basis.samples) throw new Error(`no samples of ${basis.group}`);
        matches.set(basis.group, (match = await matchUnits(basis.samples, basis.toWidth, basis.fromWidth, tools.seed, false, tools.signal)));
      }
      return { kind: 'units', deviations: true, ridge: false, match };
    };
    for (const pair of pairs) {
      const { a, b, rank } = pair.from[0], input = group(inputGroup(pair.to.role)), output = group(`out:${pair.to.role}`);
      parts.push(carriedPart(pair, await mapInput(new PreparedGroup(input, tools), await rule(input, undefined), a, rank, tools), await mapOutput(new PreparedGroup(output, tools), await rule(output, pair.to.heads ? heads?.units.get(pair.to.role) : undefined), b, rank, tools), input, output));
    }
    return { parts, heads: heads?.report ?? [], dropped: [] };
  },
};
