import type { LoraSite } from '../../module/types';
import type { Adapter } from './types';

/** What about a set of adapters differs from what PEFT accepts or may mislead, in whole sentences; each is computed exactly here. */
export function remarksOn(adapters: readonly Adapter[]): readonly string[] {
  const out: string[] = [];
  const ranks = adapters.map(({ name, lora }) => `${name} ${[...new Set(lora.sites.map((s) => s.rank))].sort((a, b) => a - b).join('/')}`);
  if (new Set(adapters.flatMap(({ lora }) => lora.sites.map((s) => s.rank))).size > 1) out.push(`Ranks differ (${ranks.join(', ')}): factors are stacked side by side, which is exact; PEFT refuses such a set.`);
  const targets = adapters.map(({ lora }) => new Set(lora.sites.map((s) => s.target)));
  const all = new Set(targets.flatMap((t) => [...t]));
  const partial = adapters.filter((_, i) => targets[i].size < all.size).map(({ name }) => name);
  if (partial.length > 0) out.push(`Not every adapter changes every linear map (${partial.join(', ')}): where one is missing it is no choice; PEFT refuses such a set.`);
  const bases = [...new Set(adapters.map(({ lora }) => lora.base).filter((b) => b !== null))];
  if (bases.length > 1) out.push(`The adapters name different bases (${bases.join(', ')}): routing between them means something only if they were trained on the same weights.`);
  return out;
}

/**
 * Adapters that can lie on one base, told without it: those of a group share linear maps, and shared ones have the same
 * widths. A folder may hold adapters of several bases.
 */
export function groupsByBase(adapters: readonly Adapter[]): readonly (readonly Adapter[])[] {
  const groups: { readonly members: Adapter[]; readonly widths: Map<string, string> }[] = [];
  const widthsOf = (site: LoraSite): string => `${site.a.shape[1]} to ${site.b.shape[0]}`;
  for (const adapter of adapters) {
    const { sites } = adapter.lora;
    let group = groups.find(({ widths }) => sites.some((s) => widths.has(s.target)) && sites.every((s) => (widths.get(s.target) ?? widthsOf(s)) === widthsOf(s)));
    if (!group) groups.push((group = { members: [], widths: new Map() }));
    group.members.push(adapter);
    for (const site of sites) group.widths.set(site.target, widthsOf(site));
  }
  return groups.map(({ members }) => members);
}
