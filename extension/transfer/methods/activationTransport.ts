import { failure } from '../../protocol/errors';
import { mapInput, mapOutput, type SideRule } from '../choose';
import { matchHeads } from '../heads';
import { matchUnits, type UnitMatch } from '../neurons';
import { PreparedGroup } from '../fit';
import { inputGroup } from '../parts';
import { carriedPart } from '../report';
import type { GroupStatistics } from '../statistics';
import type { CarriedPart, GroupName, LayerWork, TransferMethod, WantedGroup } from '../types';

/** Wider FFNs are mapped unit by unit only: a regression over all units costs their number cubed. */
const REGRESSED_UNITS = 1024;

const isUnits = (group: GroupName): boolean => group === 'in:down' || group === 'out:gate' || group === 'out:up';

/**
 * Activation transport: A' = A T_in and B' = T_out^T B with maps fitted on what both bases compute on the same texts (the transport of arXiv
 * 2602.12952 with the closed-form scale that it lacks, and ridge regression beside it). Rank, alpha and scaling stay.
 */
export const activationTransport: TransferMethod = {
  name: 'activation-transport',
  title: 'Activation transport',
  says: 'Both bases read the same texts; for each site the linear map between their activations that holds best on texts it has not seen carries the module\u2019s factors over.',
  needs: { activations: true, pairing: 'characters' },
  layerRules: ['cka', 'proportional', 'paper'],
  plan: ({ to }) => ({ rule: to.heads ? 'input by ridge or Procrustes, output by head' : to.role === 'down' ? 'input by neuron or ridge, output by ridge or Procrustes' : to.role === 'o' ? 'ridge or Procrustes' : 'input by ridge or Procrustes, output by neuron or ridge' }),
  wanted: (pairs) => {
    const wanted = new Map<GroupName, WantedGroup>();
    for (const { to, from } of pairs) {
      for (const group of [inputGroup(to.role), `out:${to.role}` as const]) {
        const small = Math.max(to.role === 'down' ? to.inWidth : to.outWidth, to.role === 'down' ? from[0].part.inWidth : from[0].part.outWidth) <= REGRESSED_UNITS;
        wanted.set(group, { group, kind: isUnits(group) ? (small ? 'both' : 'samples') : 'covariance' });
      }
      // Both write into the residual stream: what one leaves open about its basis the other tells.
      if (to.role === 'o' || to.role === 'down') for (const group of ['out:o', 'out:down'] as const) if (!wanted.has(group)) wanted.set(group, { group, kind: 'covariance' });
      // Neurons are matched by what they write, whichever of their sites the module changes.
      if (to.role === 'gate' || to.role === 'up') if (!wanted.has('in:down')) wanted.set('in:down', { group: 'in:down', kind: 'samples' });
    }
    return [...wanted.values()];
  },
  run: async ({ layer, pairs, statistics, counts, tools }: LayerWork) => {
    if (!statistics) throw new Error('activation transport ran without activations');
    const group = (name: GroupName): GroupStatistics => {
      const found = statistics.get(name);
      if (!found) throw failure('transfer/unsupported', { path: `layer ${layer}`, method: 'activation-transport', reason: `no activations were collected for ${name}` });
      return found;
    };
    const prepared = new Map<GroupName, PreparedGroup>();
    const ready = (of: GroupStatistics): PreparedGroup => {
      let found = prepared.get(of.group);
      if (!found) prepared.set(of.group, (found = new PreparedGroup(of, tools, of.group === 'out:o' || of.group === 'out:down' ? statistics.get(of.group === 'out:o' ? 'out:down' : 'out:o') ?? null : null)));
      return found;
    };
    const heads = await matchHeads(layer, pairs, statistics, counts, tools);
    let units: UnitMatch | null = null;
    const unitRule = async (of: GroupStatistics): Promise<SideRule> => {
      const hidden = group('in:down');
      if (!hidden.samples) throw new Error('no samples of neurons');
      units ??= await matchUnits(hidden.samples, hidden.toWidth, hidden.fromWidth, tools.seed, false, tools.signal);
      return { kind: 'units', match: units, deviations: false, ridge: of.products !== null };
    };
    const parts: CarriedPart[] = [];
    for (const pair of pairs) {
      const source = pair.from[0], input = group(inputGroup(pair.to.role)), output = group(`out:${pair.to.role}`), { rank } = source;
      const inRule: SideRule = isUnits(input.group) ? await unitRule(input) : { kind: 'dense' };
      const outRule: SideRule = isUnits(output.group) ? await unitRule(output) : heads && pair.to.heads && source.part.heads ? { kind: 'heads', from: pair.to.role === 'q' ? heads.match.q : heads.match.kv, width: { to: pair.to.heads.width, from: source.part.heads.width } } : { kind: 'dense' };
      const a = await mapInput(ready(input), inRule, source.a, rank, tools), b = await mapOutput(ready(output), outRule, source.b, rank, tools);
      parts.push(carriedPart(pair, a, b, input, output));
    }
    return { parts, heads: heads?.report ?? [], dropped: [] };
  },
};
