import { NEAR_TIE, type RoutingHead } from '../../protocol/routing';
import { type ExpertName, type Names, nameExpert, siteTitle } from './palette';
import type { TraceView } from './traceView';
import { whatIfText } from './whatIf';

/** One expert of a token, as hovers and lists show it. */
export interface ExpertFacts extends ExpertName {
  readonly expert: number;
  readonly weight: number;
  readonly logit: number | null;
  readonly chosen: boolean;
}

/** One row of the strip over layers. */
export interface StripCell {
  readonly site: number;
  readonly title: string;
  /** Null where the numbers have not come yet. */
  readonly top: ExpertName | null;
  readonly current: boolean;
}

/** Everything that is told about a token at a site; hover, list and text are made from it. */
export interface TokenFacts {
  readonly text: string;
  readonly id: number;
  /** Counted from 1 in the record, and the record's tokens. */
  readonly position: number;
  readonly of: number;
  readonly part: readonly [number, number] | null;
  readonly uncertain: boolean;
  readonly site: string;
  readonly router: string;
  /** What was changed on purpose, and what that did; null: nothing. */
  readonly whatIf: { readonly title: string; readonly says: string } | null;
  readonly experts: readonly ExpertFacts[];
  readonly margin: number;
  readonly nearTie: boolean;
  readonly entropy: number;
  /** Entropy of even weights; null for one expert or weights that do not add up to one. */
  readonly mostEntropy: number | null;
  readonly chance: string;
  readonly strip: readonly StripCell[];
  readonly provenance: string;
}

/** Experts in hovers. */
export const SHOWN_EXPERTS = 4;
/** Rows of the strip: more layers than this are shown around the current one. */
const STRIP = 64;

const PROVENANCE = {
  exact: 'the model as it runs with this router',
  'base-activation': 'on the activations of the base, adapters off',
  'router-only': 'the router alone, on given hidden states',
  imported: 'imported from another program',
} as const;

/** `avg-k k = 2 of 8`; the router alone where every expert is used. */
export function routerTitle(head: RoutingHead, site: number): string {
  const { k, E } = head.sites[site];
  return k < E ? `${head.router} k = ${k} of ${E}` : `${head.router}, ${E} experts`;
}

/** Share of tokens that chance gives an expert. */
export function chanceShare(head: RoutingHead, site: number): number {
  return 1 / head.sites[site].E;
}

/** Collects what is known of a token at a site. */
export function tokenFacts(trace: TraceView, site: number, token: number, names: Names): TokenFacts {
  const { head } = trace;
  const facts = head.sites[site];
  const { record, text, id, part, uncertain } = head.tokens[token];
  const { from, to } = head.records[record];
  const experts = trace.slots(site, token).map((slot, i): ExpertFacts => ({ ...nameExpert(head, site, slot.expert, names), ...slot, chosen: i < facts.k && slot.weight !== 0 }));
  const adds = facts.semantics === 'simplex' || facts.semantics === 'truncated' || facts.semantics === 'sub-simplex';
  const margin = trace.margin(site, token);
  return {
    text,
    id,
    position: token - from + 1,
    of: to - from,
    part: part ?? null,
    uncertain: uncertain === true,
    site: siteTitle(head, site),
    router: routerTitle(head, site),
    whatIf: head.whatIf ? { title: whatIfText(head, names), says: head.whatIf.says } : null,
    experts,
    margin,
    nearTie: margin < NEAR_TIE,
    entropy: trace.entropy(site, token),
    mostEntropy: adds && facts.E > 1 ? Math.log(facts.E) : null,
    chance: facts.semantics === 'sigmoid' ? 'even 0.5' : adds ? `chance ${decimal(1 / facts.E)}` : '',
    strip: strip(trace, site, token, names),
    provenance: PROVENANCE[head.provenance],
  };
}

/** Sites of the same kind over the layers. */
export function sitesOfKind(head: RoutingHead, site: number): readonly number[] {
  const { module } = head.sites[site];
  return head.sites.flatMap((other, i) => (other.module === module ? [i] : []));
}

function strip(trace: TraceView, site: number, token: number, names: Names): readonly StripCell[] {
  const { head } = trace;
  const all = sitesOfKind(head, site);
  const begin = Math.max(0, Math.min(all.length - STRIP, all.indexOf(site) - STRIP / 2));
  return all.slice(begin, begin + STRIP).map((other) => {
    const expert = trace.top(other, token);
    return { site: other, title: `L${head.sites[other].layer}`, top: expert < 0 ? null : nameExpert(head, other, expert, names), current: other === site };
  });
}

/** Three digits behind the point at most, two from 0.1 on: `0.35`, `0.125`, `0.01`. */
export function decimal(value: number): string {
  if (!Number.isFinite(value)) return '\u2013';
  const text = Math.abs(value) >= 0.1 || value === 0 ? Number(value.toFixed(3)).toString() : Number(value.toPrecision(2)).toString();
  return text.replace('-', '\u2212');
}

/** Fixed two digits, for columns. */
export function fixed(value: number, digits = 2): string {
  return Number.isFinite(value) ? value.toFixed(digits).replace('-', '\u2212') : value === Infinity ? '\u221e' : '\u2013';
}

/** `62 %`, below 20 with one digit behind the point; a narrow no-break space between. */
export function percent(share: number): string {
  const value = share * 100;
  return `${value < 20 ? Number(value.toFixed(1)) : Math.round(value)}\u202f%`;
}

/** The facts as lines of text: the list and the text document of "Describe Routing at Cursor". */
export function factLines(facts: TokenFacts): readonly { readonly label: string; readonly detail: string }[] {
  const part = facts.part ? `, part ${facts.part[0] + 1} of ${facts.part[1]} of one character` : '';
  return [
    { label: `Token ${quote(facts.text)}`, detail: `token ${facts.position} of ${facts.of}, id ${facts.id}${part}${facts.uncertain ? ', place in the text uncertain' : ''}` },
    { label: `${facts.site}, ${facts.router}`, detail: facts.provenance },
    ...(facts.whatIf ? [{ label: `What if: ${facts.whatIf.title}`, detail: facts.whatIf.says }] : []),
    ...facts.experts.slice(0, Math.max(SHOWN_EXPERTS, facts.experts.filter(({ chosen }) => chosen).length)).map((expert, i) => ({ label: `${i + 1}. expert ${expert.label}`, detail: `weight ${fixed(expert.weight)}${expert.logit === null ? '' : `, logit ${fixed(expert.logit)}`}${expert.chosen ? ', chosen' : ''}` })),
    { label: `Margin ${fixed(facts.margin)}${facts.nearTie ? ', a near tie' : ''}`, detail: `between the first and the second expert${facts.chance ? `; ${facts.chance}` : ''}` },
    { label: `Entropy ${fixed(facts.entropy)} nats`, detail: facts.mostEntropy === null ? '' : `of at most ${fixed(facts.mostEntropy)}` },
    { label: `Over the layers: ${stripText(facts.strip)}`, detail: 'first expert from input to output, this layer in brackets' },
  ];
}

export function stripText(cells: readonly StripCell[]): string {
  const body = cells.map(({ top, current }) => (current ? `[${top?.letter ?? '?'}]` : (top?.letter ?? '?'))).join(' ');
  return cells.length > 0 ? `${cells[0].title} ${body} ${cells[cells.length - 1].title}` : '';
}

/** A token between quotes, with blanks and line ends that can be seen. */
export function quote(text: string): string {
  return `\u201c${visible(text)}\u201d`;
}

export function visible(text: string): string {
  return text.replaceAll('\r', '\u240d').replaceAll('\n', '\u23ce').replaceAll('\t', '\u21e5').replaceAll(' ', '\u00b7') || '\u2205';
}
