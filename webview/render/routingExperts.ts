import type { RoutingHead, RoutingSummary } from '../../extension/protocol/routing';
import { EXPERT_HUES, expertCount, hueOf, markOf, namingOf } from '../../extension/protocol/routingNames';

export { letterOf } from '../../extension/protocol/routingNames';

/** How experts are ordered: letters matched over layers by shared tokens, as they are numbered or named, or by load. */
export type ExpertOrder = 'match' | 'id' | 'load';

/** How one column of experts is drawn everywhere: hue and mark together. */
export interface ExpertStyle {
  /** `A`, `AB`, `17` */
  readonly mark: string;
  /** `expert C`, the adapter's name, `expert 17` */
  readonly name: string;
  /** 1..8; 8 is shared by all after the seventh where there are more than eight. */
  readonly hue: number;
  readonly colour: string;
}

/** Which expert of which site stands in which column. */
export interface ExpertAxis {
  readonly columns: readonly ExpertStyle[];
  columnOf(site: number, expert: number): number;
  /** Expert of a site in a column; -1 where the site has none. */
  expertAt(site: number, column: number): number;
}

/** The orders that make sense for a trace; the first is the usual one. */
export function expertOrders(head: RoutingHead, summary: RoutingSummary): readonly (readonly [ExpertOrder, string])[] {
  const named = head.sites.some((site) => site.kind === 'library');
  return [...(summary.letters ? [['match', 'match'] as const] : []), ['id', named ? 'name' : 'number'] as const, ['load', 'load'] as const];
}

/** Columns of experts. Marks and hues depend on the whole trace only, so they stay when the selection changes. */
export function expertAxis(head: RoutingHead, summary: RoutingSummary, order: ExpertOrder): ExpertAxis {
  const matched = order !== 'id' && summary.letters !== null;
  const identity = (site: number, expert: number): number => (matched ? summary.letters?.[site]?.[expert] ?? expert : expert);
  const count = expertCount(head);
  const { order: byLoad, rank } = namingOf(head, { letters: matched ? summary.letters : null, sites: summary.sites });
  const sequence = order === 'load' ? byLoad : byLoad.slice().sort((a, b) => a - b);
  const place = new Map(sequence.map((i, at) => [i, at] as const));
  const first = head.sites[0];
  const columns = sequence.map((i): ExpertStyle => {
    // Pages give the eighth hue to all others.
    const hue = Math.min(EXPERT_HUES, hueOf(head, i, rank) + 1);
    const mark = markOf(head, first?.kind ?? 'emergent', i);
    return { mark, name: first?.kind === 'library' ? first.labels[i] ?? `adapter ${i}` : `expert ${mark}`, hue, colour: `var(--ml-cat-${hue})` };
  });
  const back = head.sites.map((site, s) => {
    const experts = new Int32Array(count).fill(-1);
    for (let e = 0; e < site.E; e++) experts[place.get(identity(s, e)) ?? 0] = e;
    return experts;
  });
  return {
    columns,
    columnOf: (site, expert) => place.get(identity(site, expert)) ?? 0,
    expertAt: (site, column) => back[site]?.[column] ?? -1,
  };
}
