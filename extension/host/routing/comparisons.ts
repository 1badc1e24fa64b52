import { fixed, quote, type TokenFacts } from './facts';
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

/** Why a token's first expert is the first. */
export function whyLines(trace: TraceView, site: number, token: number, facts: TokenFacts): readonly Line[] {
  const { k, E, temperature, bias, note } = trace.head.sites[site];
  const [first, second] = facts.experts;
  const lines: Line[] = [];
  if (!first) return [{ label: 'No expert has a weight here', detail: facts.provenance }];
  if (first.logit !== null && second && second.logit !== null) {
    lines.push({ label: `Score ${fixed(first.logit)} for ${first.label}, ${fixed(second.logit)} for ${second.label}`, detail: `ahead by ${fixed(first.logit - second.logit)}` });
  }
  lines.push({ label: second ? `Weight ${fixed(first.weight)} against ${fixed(second.weight)}` : `Weight ${fixed(first.weight)}`, detail: facts.nearTie ? 'a near tie: another text around it may turn it over' : `${facts.chance || 'no chance line for these weights'}` });
  const choice = trace.choiceMargin(site, token);
  lines.push(k < E ? { label: `${k} of ${E} experts are used`, detail: Number.isFinite(choice) ? `the last of them is ahead of the first one left out by ${fixed(choice)} (score)` : '' } : { label: `All ${E} experts are used`, detail: '' });
  if (temperature !== null && temperature !== 1) lines.push({ label: `Scores are divided by ${fixed(temperature)}`, detail: 'temperature of the softmax' });
  if (bias) lines.push({ label: `Bias ${fixed(bias[first.expert])} for ${first.label}`, detail: 'added for the choice only' });
  lines.push({ label: 'From score to weight', detail: note }, { label: 'Computed', detail: `on ${facts.provenance.replace(/^on /, '')}` });
  return lines;
}
