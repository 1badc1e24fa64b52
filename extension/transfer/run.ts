import type { ForwardEnvironment } from '../probe/forward';
import type { Notice } from '../protocol/documents';
import type { DroppedPart, HeadPairs, LayerPair } from '../protocol/transfer';
import { assemble } from './assemble';
import { PairedActivations } from './collect';
import { monotoneLayers } from './layers';
import { LayerLikeness } from './likeness';
import { pairUp } from './pairUp';
import { headCounts, layerMap } from './plan';
import type { GroupStatistics, LayerStatistics } from './statistics';
import { defaultPairs, pairTokens, type TokenPairs } from './tokenPairs';
import { transferTools } from './tools';
import type { CarriedPart, GroupName, PlannedTransfer, StatisticsStore, TransferResult, TransferRunOptions, WantedGroup } from './types';

/** Changes with the numbers that statistics hold. */
const STATISTICS_VERSION = 1;
/** Statistics of all layers together are kept for the next module up to this size. */
const KEPT_BYTES = 512 << 20;
/** What a step of the alignment away from the even pace costs, in CKA. */
const PACE_PENALTY = 0.05;
/** Paired tokens per dimension below which maps are uncertain. */
const TOKENS_PER_DIMENSION = 20;

/** Runs a planned transfer: reads the texts with both bases, fits, carries and puts the factors of the target together. Writes nothing. */
export async function runTransfer(planned: PlannedTransfer, environment: ForwardEnvironment, options: TransferRunOptions = {}): Promise<TransferResult> {
  const { inputs: { from, to, probe }, request, method, plan, sources } = planned, seed = request.seed ?? 0, tools = transferTools(environment, seed), report = options.progress ?? ((): void => undefined);
  const shuffle = options.shufflePairs === true, clock = new Clock(), warnings: Notice[] = [], limit = request.tokens ?? defaultPairs(from, to);
  const pairs = method.needs.activations && probe ? pairTokens(probe, from, to, method.needs.pairing, limit, seed) : null;
  clock.lap('tokens');
  const depth = [from, to].map(({ model }) => model.spec.stacks[0].blocks.length);
  let map = layerMap(method, plan.layerRule, depth[0], depth[1]), likeness: LayerLikeness | null = null;
  if (pairs) {
    likeness = await LayerLikeness.measure(from.model, to.model, pairs.heldOut, environment, seed, shuffle, (done, total) => { report('comparing layers', done, total); });
    const table = plan.layerRule === 'cka' && !method.layers ? likeness.table() : null;
    if (table) map = monotoneLayers(table, depth[0], depth[1], PACE_PENALTY);
    warnings.push(...fewTokens(pairs, to.model.spec.stacks[0].dModel));
  }
  clock.lap('layers');
  const paired = pairUp(method, map, sources, to), layers = paired.pairs.map((pair): LayerPair => ({ ...pair, cka: pair.from === null ? null : likeness?.score(pair.to, pair.from) ?? null }));
  const heads: HeadPairs[] = [], dropped: DroppedPart[] = [...paired.dropped, ...planned.left], carried: CarriedPart[] = [];
  const activations = pairs ? new PairedActivations(from.model, to.model, pairs, environment, seed, shuffle) : null;
  const cache = pairs && options.store ? new StatisticsCache(options.store, planned, { limit, seed, shuffle, device: environment.pool.device }, paired.layers.map((own) => method.wanted?.(own) ?? []), paired.layers.map((own) => own.at(0)?.from[0].part.layer ?? -1), pairs) : null;
  const work = paired.layers.filter((own) => own.length > 0).length;
  let done = 0;
  for (const [layer, own] of paired.layers.entries()) {
    if (own.length === 0) continue;
    report('carrying layers', done, work);
    const source = own[0].from[0].part.layer, wanted = method.wanted?.(own) ?? [];
    let statistics: LayerStatistics | null = null;
    if (activations && wanted.length > 0) {
      const known = await cache?.get(source, layer, wanted), missing = wanted.filter(({ group }) => !known?.has(group));
      const fresh = missing.length > 0 ? await activations.layer(source, layer, missing) : new Map<GroupName, GroupStatistics>();
      await cache?.put(source, layer, missing, fresh);
      statistics = new Map([...(known ?? []), ...fresh]);
    }
    clock.lap('activations');
    const result = await method.run({ layer, pairs: own, statistics, counts: { from: headCounts(from, source), to: headCounts(to, layer) }, tools });
    carried.push(...result.parts);
    heads.push(...result.heads);
    dropped.push(...result.dropped);
    clock.lap('maps');
    done++;
  }
  const assembled = await assemble(carried, from.model, to.model);
  for (const { name, rank, energy } of assembled.cut) warnings.push({ code: 'rank-cut', message: `${name} can hold rank ${rank} at most: its update was cut to that and keeps ${(100 * energy).toFixed(1)} % of its squared norm.` });
  clock.lap('factors');
  report('carrying layers', work, work);
  return {
    factors: assembled.factors, sites: assembled.sites, dropped, layers, heads, warnings, timings: clock.laps,
    probe: pairs && probe ? { name: probe.name, texts: pairs.texts, pairedTokens: pairs.fitTokens + pairs.heldOutTokens, keptShare: pairs.keptShare, sha256: probe.sha256 } : null,
  };
}

function fewTokens(pairs: TokenPairs, width: number): Notice[] {
  const needed = TOKENS_PER_DIMENSION * width;
  return pairs.fitTokens >= needed ? [] : [{ code: 'few-tokens', message: `Maps are fitted on ${pairs.fitTokens} paired tokens; ${needed} (20 for each of ${width} dimensions) would make them surer. Give more probe texts.` }];
}

/** Seconds by stage, stages that come again added up. */
class Clock {
  readonly laps: Record<string, number> = {};
  private at = performance.now();

  lap(stage: string): void {
    const now = performance.now();
    this.laps[stage] = (this.laps[stage] ?? 0) + (now - this.at) / 1000;
    this.at = now;
  }
}

/** Statistics of a pair of bases in the store: they do not depend on the module, so that the next one need not run the bases. */
class StatisticsCache {
  private readonly on: boolean;

  constructor(private readonly store: StatisticsStore, private readonly planned: PlannedTransfer, private readonly facts: { readonly limit: number; readonly seed: number; readonly shuffle: boolean; readonly device: string }, wanted: readonly (readonly WantedGroup[])[], layers: readonly number[], pairs: TokenPairs) {
    const { from, to } = planned.inputs, d = Math.max(from.model.spec.stacks[0].dModel, to.model.spec.stacks[0].dModel);
    // Wide models' sums would push everything else out of the store.
    const bytes = wanted.reduce((sum, groups, i) => sum + (layers[i] < 0 ? 0 : groups.length * (3 * 8 * d * d + 8 * d * (pairs.heldOutTokens + 4096))), 0);
    this.on = bytes <= KEPT_BYTES;
  }

  async get(from: number, to: number, wanted: readonly WantedGroup[]): Promise<Map<GroupName, GroupStatistics>> {
    const out = new Map<GroupName, GroupStatistics>();
    if (this.on) {
      for (const one of wanted) {
        const found = await this.store.get<GroupStatistics>(this.key(from, to, one));
        if (found) out.set(one.group, found);
      }
    }
    return out;
  }

  async put(from: number, to: number, wanted: readonly WantedGroup[], statistics: LayerStatistics): Promise<void> {
    if (!this.on) return;
    for (const one of wanted) {
      const found = statistics.get(one.group);
      if (found) await this.store.put(this.key(from, to, one), found);
    }
  }

  private key(from: number, to: number, { group, kind }: WantedGroup): string {
    const { inputs, method } = this.planned, { limit, seed, shuffle, device } = this.facts;
    return this.store.key({ what: 'transfer statistics', version: STATISTICS_VERSION, bases: [inputs.from.facts.fingerprint, inputs.to.facts.fingerprint], texts: inputs.probe?.sha256 ?? '', pairing: method.needs.pairing, limit, seed, shuffle: shuffle ? 1 : 0, device, layers: [from, to], group, kind });
  }
}
