import { failure } from '../protocol/errors';
import type { NamedExpert, RoutingSite, WhatIf } from '../protocol/routing';

/** Logits at or below this are of experts that were taken out. Representable in single precision with what `graph/moe.ts` reads of it. */
export const TAKEN_OUT = -100_000_064;
const OUT_BELOW = -5e7;

/** Experts of one site that tokens may still go to. */
export interface SiteWhatIf {
  /** 1 where an expert may be chosen `[E]`. */
  readonly allowed: Uint8Array;
  readonly count: number;
}

/** What a what-if leaves of a site; null where it changes nothing there. */
export function whatIfAt(whatIf: WhatIf | undefined, { id, labels }: Pick<RoutingSite, 'id' | 'labels'>): SiteWhatIf | null {
  const here = (list: readonly NamedExpert[] = []): ReadonlySet<string> => new Set(list.filter(({ site }) => site === undefined || site === id).map(({ expert }) => expert));
  const mute = here(whatIf?.mute), force = here(whatIf?.force), forced = labels.some((label) => force.has(label));
  const allowed = Uint8Array.from(labels, (label) => (!mute.has(label) && (!forced || force.has(label)) ? 1 : 0)), count = allowed.reduce((sum, x) => sum + x, 0);
  return count < labels.length ? { allowed, count } : null;
}

/**
 * Refuses what names nothing here: an expert that no site has, a site that is not routed, a temperature of no use.
 * `empty`: whether a site may be left without any expert.
 * @throws routing/what-if
 */
export function checkWhatIf(whatIf: WhatIf | undefined, sites: readonly Pick<RoutingSite, 'id' | 'labels'>[], empty = false): void {
  const refuse = (reason: string): never => { throw failure('routing/what-if', { reason }); };
  if (!whatIf) return;
  const { temperature } = whatIf;
  if (temperature !== undefined && !(Number.isFinite(temperature) && temperature > 0)) refuse(`a temperature of ${temperature} divides nothing. Choose a number above 0`);
  for (const { expert, site } of [...(whatIf.mute ?? []), ...(whatIf.force ?? [])]) {
    const places = sites.filter(({ id }) => site === undefined || id === site);
    if (places.length === 0) refuse(`${String(site).slice(0, 80)} is no site that is routed. Those that are: ${listed(sites.map(({ id }) => id))}`);
    if (!places.some(({ labels }) => labels.includes(expert))) refuse(`there is no expert ${expert.slice(0, 80)}${site === undefined ? '' : ` at ${site}`}. There are ${listed(places[0].labels)}`);
  }
  const left = sites.find((site) => whatIfAt(whatIf, site)?.count === 0);
  if (left && !empty) refuse(`no expert would be left at ${left.id}, and every token needs one. Leave at least one of ${listed(left.labels)}`);
}

/** Rows `[tokens, E]` with minus infinity where an expert was taken out; the rows themselves where none was. */
export function withoutTakenOut(rows: Float32Array, change: SiteWhatIf | null): Float32Array {
  if (!change) return rows;
  const E = change.allowed.length;
  return rows.map((x, i) => (change.allowed[i % E] === 1 && x > OUT_BELOW ? x : -Infinity));
}

function listed(names: readonly string[]): string {
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 12).join(', ')} and ${names.length - 12} more`;
}
