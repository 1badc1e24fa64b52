import type { NamedExpert, RoutingHead, WhatIf } from '../../extension/protocol/routing';
import { whatIfTitle } from '../../extension/protocol/routing';
import type { ExpertAxis } from './routingExperts';
import type { SiteRow } from './routingTrace';

/** An expert as a what-if names it: adapters wherever they are, experts of one layer at their own. */
export function namedExpert(head: RoutingHead, site: number, expert: number): NamedExpert | null {
  const own = head.sites[site];
  const label = own?.labels[expert];
  return own && label !== undefined ? { expert: label, ...(own.kind === 'library' ? {} : { site: own.id }) } : null;
}

const same = (a: NamedExpert, b: NamedExpert): boolean => a.expert === b.expert && a.site === b.site;

/** A what-if with one expert muted, left alone with others like it, or as the model has it again; null when nothing is left. */
export function withExpert(whatIf: WhatIf | null, expert: NamedExpert, as: 'mute' | 'force' | 'own'): WhatIf | null {
  const rest = (list: readonly NamedExpert[] | undefined): readonly NamedExpert[] => (list ?? []).filter((other) => !same(other, expert));
  const mute = as === 'mute' ? [...rest(whatIf?.mute), expert] : rest(whatIf?.mute);
  const force = as === 'force' ? [...rest(whatIf?.force), expert] : rest(whatIf?.force);
  return tidy({ mute, force, ...(whatIf?.temperature === undefined ? {} : { temperature: whatIf.temperature }) });
}

/** A what-if at another temperature; null: the router's own again. */
export function withTemperature(whatIf: WhatIf | null, temperature: number | null): WhatIf | null {
  return tidy({ mute: whatIf?.mute ?? [], force: whatIf?.force ?? [], ...(temperature === null ? {} : { temperature }) });
}

function tidy({ mute = [], force = [], temperature }: WhatIf): WhatIf | null {
  const found: WhatIf = { ...(mute.length > 0 ? { mute } : {}), ...(force.length > 0 ? { force } : {}), ...(temperature === undefined ? {} : { temperature }) };
  return Object.keys(found).length > 0 ? found : null;
}

/** How an expert of a what-if is called on the page: by its mark and its row. */
export function shownExpert(head: RoutingHead, axis: ExpertAxis, rows: readonly SiteRow[], { expert, site }: NamedExpert): NamedExpert {
  const s = site === undefined ? head.sites.findIndex(({ labels }) => labels.includes(expert)) : head.sites.findIndex(({ id }) => id === site);
  const index = head.sites[s]?.labels.indexOf(expert) ?? -1;
  const style = index >= 0 ? axis.columns[axis.columnOf(s, index)] : undefined;
  const name = style ? (style.name === expert ? expert : style.mark) : expert;
  return { expert: name, ...(site === undefined ? {} : { site: rows[s]?.words ?? site }) };
}

/** The trace's what-if in the page's words; null where the model routes as it is. */
export function whatIfWords(head: RoutingHead, axis: ExpertAxis, rows: readonly SiteRow[]): string | null {
  if (!head.whatIf) return null;
  const { mute = [], force = [], temperature } = head.whatIf;
  const named = (list: readonly NamedExpert[]): readonly NamedExpert[] => list.map((one) => shownExpert(head, axis, rows, one));
  return whatIfTitle({ mute: named(mute), force: named(force), ...(temperature === undefined ? {} : { temperature }) });
}
