import { failure } from '../../protocol/errors';
import { type NamedExpert, type RoutingHead, type WhatIf, whatIfTitle } from '../../protocol/routing';
import { type Names, nameExpert, siteTitle } from './palette';

/** Experts that a what-if of a page may name. */
const MOST_NAMED = 4096;

/** An expert as a what-if names it: adapters wherever they are, experts of one layer at their own. */
export function namedExpert({ sites }: RoutingHead, site: number, expert: number): NamedExpert {
  const { id, kind, labels } = sites[site];
  return { expert: labels[expert], ...(kind === 'library' ? {} : { site: id }) };
}

/** A what-if with one more expert taken out; one that was to stand alone no longer does. */
export function muted(whatIf: WhatIf | null, expert: NamedExpert): WhatIf {
  const { mute = [], force = [], ...rest } = whatIf ?? {}, left = force.filter((other) => !same(other, expert));
  return { ...rest, mute: [...mute.filter((other) => !same(other, expert)), expert], ...(left.length > 0 ? { force: left } : {}) };
}

/** A what-if in which tokens go to one expert alone, at its site or wherever it is. */
export function alone(whatIf: WhatIf | null, expert: NamedExpert): WhatIf {
  const { mute = [], force = [], ...rest } = whatIf ?? {}, left = mute.filter((other) => !same(other, expert));
  return { ...rest, ...(left.length > 0 ? { mute: left } : {}), force: [...force.filter(({ site }) => site !== expert.site), expert] };
}

/** A what-if at another temperature; undefined: the router's own again. Null when nothing is left of it. */
export function tempered(whatIf: WhatIf | null, temperature: number | undefined): WhatIf | null {
  const { temperature: _, ...rest } = whatIf ?? {};
  const found = temperature === undefined ? rest : { ...rest, temperature };
  return Object.keys(found).length > 0 ? found : null;
}

const same = (a: NamedExpert, b: NamedExpert): boolean => a.expert === b.expert && a.site === b.site;

/** `without B at L3`, with experts named as everywhere in the editor; empty where nothing was changed. */
export function whatIfText(head: RoutingHead, names: Names): string {
  if (!head.whatIf) return '';
  const named = ({ expert, site }: NamedExpert): NamedExpert => {
    const at = site === undefined ? -1 : head.sites.findIndex(({ id }) => id === site), index = at < 0 ? -1 : head.sites[at].labels.indexOf(expert);
    return index < 0 ? { expert } : { expert: nameExpert(head, at, index, names).label, site: siteTitle(head, at) };
  };
  const { mute, force, temperature } = head.whatIf;
  return whatIfTitle({ ...(mute ? { mute: mute.map(named) } : {}), ...(force ? { force: force.map(named) } : {}), ...(temperature === undefined ? {} : { temperature }) });
}

/** What a page asks for, with nothing in it but what a what-if has; null where it asks for none. @throws for anything else */
export function checkedWhatIf(value: unknown): WhatIf | null {
  const refuse = (): never => { throw failure('internal', { message: 'the page sent a what-if that is none' }); };
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) return refuse();
  const { mute, force, temperature } = value as Readonly<Record<string, unknown>>;
  const list = (part: unknown): readonly NamedExpert[] => {
    if (part === undefined) return [];
    if (!Array.isArray(part) || part.length > MOST_NAMED) return refuse();
    return part.map((one: unknown) => {
      const { expert, site } = (typeof one === 'object' && one !== null ? one : {}) as Readonly<Record<string, unknown>>;
      if (typeof expert !== 'string' || (site !== undefined && typeof site !== 'string')) return refuse();
      return { expert, ...(site === undefined ? {} : { site }) };
    });
  };
  if (temperature !== undefined && typeof temperature !== 'number') return refuse();
  const found: WhatIf = { ...(list(mute).length > 0 ? { mute: list(mute) } : {}), ...(list(force).length > 0 ? { force: list(force) } : {}), ...(temperature === undefined ? {} : { temperature }) };
  return Object.keys(found).length > 0 ? found : null;
}
