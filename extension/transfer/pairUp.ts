import type { DroppedPart, LayerPair, PlannedSite } from '../protocol/transfer';
import { partsOfBlock } from './parts';
import type { PartPair, SourcePart, TransferMethod, TransferModel } from './types';

export interface PairedUp {
  /** By target layer. */
  readonly layers: readonly (readonly PartPair[])[];
  readonly sites: readonly PlannedSite[];
  readonly dropped: readonly DroppedPart[];
  readonly pairs: readonly Omit<LayerPair, 'cka'>[];
}

/** Puts target parts and source parts of the same role together along a map of layers (source layers of each target layer), and says what stays behind and why. */
export function pairUp(method: TransferMethod, map: readonly (readonly number[])[], sources: readonly SourcePart[], to: TransferModel): PairedUp {
  const { model } = to, blocks = model.spec.stacks[0].blocks, layers: PartPair[][] = [], sites: PlannedSite[] = [], dropped = new Map<SourcePart, string>(), used = new Set<SourcePart>();
  const takers = new Map<number, number>(), written = new Set<string>();
  for (const list of map) for (const layer of list) takers.set(layer, (takers.get(layer) ?? 0) + 1);
  for (const block of blocks) {
    const from = map[block.index] ?? [], own: PartPair[] = [], parts = partsOfBlock(model, block), here = sources.filter((s) => from.includes(s.part.layer));
    for (const part of parts) {
      const mine = here.filter((s) => s.part.role === part.role).sort((a, b) => a.part.layer - b.part.layer);
      // A map that an earlier block shares has its update already.
      if (mine.length === 0 || written.has(`${part.linear.weight} ${part.role}`)) continue;
      const pair: PartPair = { to: part, from: mine, copies: Math.max(...mine.map((s) => takers.get(s.part.layer) ?? 1)) }, planned = method.plan(pair);
      if ('drop' in planned) {
        for (const source of mine) dropped.set(source, planned.drop);
        continue;
      }
      written.add(`${part.linear.weight} ${part.role}`);
      for (const source of mine) used.add(source);
      own.push(pair);
      const { part: { name, inWidth, outWidth }, rank } = mine[0];
      sites.push({
        name: part.name, from: mine.length === 1 ? name : mine.map((s) => s.part.name).join(' + '), rank: Math.min(rank, part.inWidth, part.outWidth), source: [inWidth, outWidth], target: [part.inWidth, part.outWidth],
        rule: pair.copies > 1 ? `${planned.rule}; strength divided by ${pair.copies}, because ${pair.copies} layers take it` : planned.rule, share: mine.reduce((sum, s) => sum + s.share, 0),
      });
    }
    for (const source of here) if (!parts.some((part) => part.role === source.part.role)) dropped.set(source, `${to.facts.name} has no ${source.part.role} map in layer ${block.index}`);
    layers.push(own);
  }
  for (const source of sources) if (!used.has(source) && !dropped.has(source)) dropped.set(source, `no layer of ${to.facts.name} takes layer ${source.part.layer}`);
  return {
    layers, sites,
    dropped: [...dropped].filter(([source]) => !used.has(source)).map(([{ part, share }, reason]) => ({ name: part.name, reason, share })),
    pairs: blocks.flatMap(({ index }) => {
      const from = map[index] ?? [];
      return (from.length === 0 ? [null] : from).map((layer) => ({ to: index, from: layer, share: layer === null ? 0 : sources.filter((s) => s.part.layer === layer).reduce((sum, s) => sum + s.share, 0) }));
    }),
  };
}
