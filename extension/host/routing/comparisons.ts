import { directionTrust, type LibraryFacts } from '../../protocol/routingLibrary';
import { decimal, fixed, quote, SHOWN_EXPERTS, type TokenFacts } from './facts';
import { type Names, nameExpert, siteTitle } from './palette';
import type { TraceView } from './traceView';

/** A token in a trace. */
export interface TracedToken {
  readonly trace: TraceView;
  readonly token: number;
}

interface Line {
  readonly label: string;
  readonly detail: string;
}

/** Two tokens: how often they share the first expert, beside what chance gives, and both at every layer. Sites are those of both traces. */
export function compareLines(a: TracedToken, b: TracedToken, site: number, names: Names): readonly Line[] {
  const sites = a.trace.head.sites.flatMap((facts, i) => (a.trace.has(i) && b.trace.has(i) ? [{ facts, i }] : []));
  const same = sites.filter(({ i }) => a.trace.top(i, a.token) === b.trace.top(i, b.token)).length;
  // Two tokens whose first experts are drawn evenly and independently.
  const chance = sites.reduce((sum, { facts }) => sum + 1 / facts.E, 0);
  const name = ({ trace, token }: TracedToken, i: number): string => {
    const expert = trace.top(i, token);
    return expert < 0 ? '?' : `${nameExpert(trace.head, i, expert, names).label} ${fixed(trace.weight(i, token))}`;
  };
  const texts = [a, b].map(({ trace, token }) => quote(trace.head.tokens[token].text));
  return [
    { label: `${texts[0]} and ${texts[1]}: same first expert at ${same} of ${sites.length}`, detail: `${fixed(chance, 1)} of ${sites.length} for experts drawn evenly by chance` },
    ...sites.map(({ i }) => ({ label: `${siteTitle(a.trace.head, i)}${i === site ? ' (shown)' : ''}: ${name(a, i)} and ${name(b, i)}`, detail: a.trace.top(i, a.token) === b.trace.top(i, b.token) ? 'the same' : 'different' })),
  ];
}

/** What the weights of a site's adapters say; the library and the site that it was asked of. */
export interface AdaptersAtSite {
  readonly library: LibraryFacts;
  readonly site: string;
}

/** Why a token's first expert is the first; `adapters`: what their weights say, in libraries. */
export function whyLines(trace: TraceView, site: number, token: number, facts: TokenFacts, adapters: AdaptersAtSite | null = null): readonly Line[] {
  const { k, E, temperature, bias, note } = trace.head.sites[site];
  const [first, second] = facts.experts;
  const lines: Line[] = [];
  if (!first) return [{ label: 'No expert has a weight here', detail: facts.provenance }];
  if (first.logit !== null && second && second.logit !== null) {
    lines.push({ label: `Score ${fixed(first.logit)} for ${first.label}, ${fixed(second.logit)} for ${second.label}`, detail: `ahead by ${fixed(first.logit - second.logit)}` });
  }
  lines.push(...cosineLines(trace.norm(site, token), facts));
  lines.push({ label: second ? `Weight ${fixed(first.weight)} against ${fixed(second.weight)}` : `Weight ${fixed(first.weight)}`, detail: facts.nearTie ? 'a near tie: another text around it may turn it over' : `${facts.chance || 'no chance line for these weights'}` });
  const choice = trace.choiceMargin(site, token);
  lines.push(k < E ? { label: `${k} of ${E} experts are used`, detail: Number.isFinite(choice) ? `the last of them is ahead of the first one left out by ${fixed(choice)} (score)` : '' } : { label: `All ${E} experts are used`, detail: '' });
  if (temperature !== null && temperature !== 1) lines.push({ label: `Scores are divided by ${fixed(temperature)}`, detail: 'temperature of the softmax' });
  if (bias) lines.push({ label: `Bias ${fixed(bias[first.expert])} for ${first.label}`, detail: 'added for the choice only' });
  if (adapters) lines.push(...facts.experts.flatMap((expert) => adapterLine(adapters, trace.head.sites[site].labels[expert.expert])));
  lines.push({ label: 'From score to weight', detail: note }, { label: 'Computed', detail: `on ${facts.provenance.replace(/^on /, '')}` });
  return lines;
}

/** Scores as cosines: comparable between layers, where scores grow with what is read. */
function cosineLines(norm: number | null, { experts }: TokenFacts): readonly Line[] {
  if (norm === null) return [];
  if (norm === 0) return [{ label: 'What the linear map reads here is zero', detail: 'no direction, so no cosine' }];
  const named = experts.slice(0, SHOWN_EXPERTS).flatMap(({ label, logit }) => (logit === null ? [] : [`${decimal(Math.min(1, logit / norm))} for ${label}`]));
  return named.length === 0 ? [] : [{ label: `Cosine ${named.join(', ')}`, detail: `score over the length of what the linear map reads, ${fixed(norm)}: how far the token lies along an adapter\u2019s main direction` }];
}

const TRUST = { determined: 'its direction is well determined', 'hardly determined': 'its direction is hardly determined: take its score with care', 'no update': 'it is untrained: its update is zero', 'not here': '' } as const;

/** Rank, size and trust badge of an adapter at the site. */
function adapterLine({ library, site }: AdaptersAtSite, name: string): readonly Line[] {
  const adapter = library.adapters.findIndex((one) => one.name === name), row = library.sites.findIndex(({ id }) => id === site), at = row * library.adapters.length + adapter;
  const { rank, ratio, sigma1, frobenius, energy } = library.facts;
  if (adapter < 0 || row < 0 || Number.isNaN(ratio[at])) return [];
  return [{ label: `${name}: rank ${rank[at]}, norm ${decimal(frobenius[at])}, first singular value ${decimal(sigma1[at])}`, detail: `second over first ${fixed(ratio[at])}, first holds ${Math.round(100 * energy[at])} % of the squares: ${TRUST[directionTrust(ratio[at], frobenius[at])]}` }];
}
