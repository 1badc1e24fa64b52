import { type RoutingHead } from '../../protocol/routing';
import { chanceShare, fixed, percent, routerTitle, sitesOfKind } from './facts';
import { type Names, nameExpert, siteTitle } from './palette';
import { type Channel, type Granularity, relativeWeight } from './tints';
import type { TraceView } from './traceView';
import { whatIfText } from './whatIf';

/** What is said above a block. */
export interface BlockFacts {
  readonly tokens: number;
  readonly stale: number;
  /** Most frequent first expert and its share; null without tokens. */
  readonly most: { readonly label: string; readonly share: number } | null;
  readonly switches: number;
  /** Switches that the same experts in random order would make, on average. */
  readonly switchesByChance: number;
  /** What was changed on purpose; empty: nothing. */
  readonly whatIf: string;
}

/** Counts first experts over tokens that have a place in the text. */
export function blockFacts(trace: TraceView, site: number, tokens: readonly number[], fresh: number, names: Names): BlockFacts {
  const { head } = trace;
  const counts = new Map<number, number>();
  let switches = 0;
  let before = -1;
  let routed = 0;
  for (const token of tokens) {
    const end = head.tokens[token].end;
    if (end === null || end > fresh) continue;
    const expert = trace.top(site, token);
    if (expert < 0) continue;
    routed++;
    counts.set(expert, (counts.get(expert) ?? 0) + 1);
    if (before >= 0 && before !== expert) switches++;
    before = expert;
  }
  const ends = tokens.flatMap((token) => head.tokens[token].end ?? []);
  const best = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).at(0);
  // Drawn without replacement: two neighbours differ with probability 1 - sum n_e (n_e - 1) / (n (n - 1)).
  const equal = [...counts.values()].reduce((sum, n) => sum + n * (n - 1), 0);
  return {
    tokens: ends.length,
    stale: ends.filter((end) => end > fresh).length,
    most: best ? { label: nameExpert(head, site, best[0], names).label, share: best[1] / routed } : null,
    switches,
    whatIf: whatIfText(head, names),
    switchesByChance: routed > 1 ? (routed - 1) * (1 - equal / (routed * (routed - 1))) : 0,
  };
}

/** `avg-k k = 2 of 8 at L7 · 39 tokens · mostly B 77 % (chance 12.5 %) · 12 switches (21 in random order)` */
export function blockTitle(head: RoutingHead, site: number, facts: BlockFacts, cut: number): string {
  const parts = [...(facts.whatIf ? [`what if: ${facts.whatIf}`] : []), `${routerTitle(head, site)} at ${siteTitle(head, site)}`, plural(facts.tokens, 'token')];
  if (facts.stale > 0) parts.push(`${facts.stale} of them stale`);
  if (facts.most) parts.push(`${facts.most.share > 0.3 ? 'mostly' : 'most often'} ${facts.most.label} ${percent(facts.most.share)} (chance ${percent(chanceShare(head, site))})`);
  if (facts.stale === 0) parts.push(`${plural(facts.switches, 'switch', 'switches')} (${Math.round(facts.switchesByChance)} in random order)`);
  if (cut > 0) parts.push(`${plural(cut, 'token')} over the context, not routed`);
  return parts.join(' · ');
}

/** The same for a place with little room: `L7 · 39 tokens · mostly B 77 % (chance 12.5 %)` */
export function shortTitle(head: RoutingHead, site: number, facts: BlockFacts): string {
  const parts = [...(facts.whatIf ? ['what if'] : []), siteTitle(head, site), facts.stale > 0 ? `${facts.stale} of ${plural(facts.tokens, 'token')} stale` : plural(facts.tokens, 'token')];
  if (facts.most) parts.push(`${facts.most.share > 0.3 ? 'mostly' : 'most often'} ${facts.most.label} ${percent(facts.most.share)} (chance ${percent(chanceShare(head, site))})`);
  return parts.join(' \u00b7 ');
}

const BARS = [...'\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588'];

/** `E 62 % · C 21 % · entropy 1.10 · ▃▂▅█`: mean weights of a line's tokens, and how strong the first expert is from input to output. */
export function lineSummary(trace: TraceView, site: number, tokens: readonly number[], names: Names): string {
  const placed = tokens.filter((token) => trace.top(site, token) >= 0);
  if (placed.length === 0) return '';
  const { head } = trace;
  const facts = head.sites[site];
  const sums = new Map<number, number>();
  let entropy = 0;
  for (const token of placed) {
    entropy += trace.entropy(site, token);
    for (const { expert, weight } of trace.slots(site, token)) if (weight !== 0) sums.set(expert, (sums.get(expert) ?? 0) + weight);
  }
  const best = [...sums].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 2);
  const parts = best.map(([expert, sum]) => `${nameExpert(head, site, expert, names).label} ${facts.semantics === 'signed' ? fixed(sum / placed.length) : percent(sum / placed.length)}`);
  parts.push(`entropy ${fixed(entropy / placed.length)}`);
  const bars = depthBars(trace, site, placed);
  if (bars !== '') parts.push(bars);
  return parts.join(' · ');
}

/** Eight bars (fewer for fewer layers): mean weight of the first expert from the first to the last layer. */
export function depthBars(trace: TraceView, site: number, tokens: readonly number[]): string {
  const sites = sitesOfKind(trace.head, site);
  if (sites.length < 2 || sites.some((one) => !trace.has(one))) return '';
  const count = Math.min(BARS.length, sites.length);
  return Array.from({ length: count }, (_, i) => {
    const at = sites[Math.round((i * (sites.length - 1)) / (count - 1))];
    const mean = tokens.reduce((sum, token) => sum + Math.abs(trace.weight(at, token)), 0) / tokens.length;
    return BARS[Math.max(0, Math.min(BARS.length - 1, Math.floor((relativeWeight(trace.head.sites[at], mean) ?? mean) * BARS.length)))];
  }).join('');
}

export type LensState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly stage: string }
  | { readonly kind: 'stale'; readonly tokens: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'shown'; readonly tokens: number; readonly pinned: number; readonly granularity: Granularity; readonly letters: boolean; readonly left: number };

export interface StatusFacts {
  readonly head: RoutingHead | null;
  readonly site: number;
  readonly router: string;
  readonly channel: Channel;
  readonly state: LensState;
}

/** `$(layers) L7 of 12 · avg-k · tint: weight · 64 tokens` */
export function statusText({ head, site, router, channel, state }: StatusFacts): string {
  const parts: string[] = [];
  if (head?.sites[site]) parts.push(`${siteTitle(head, site)} of ${new Set(head.sites.map(({ layer }) => layer)).size}`);
  parts.push(router);
  if (head?.whatIf) parts.push('what if');
  if (head) parts.push(`tint: ${channel}`);
  parts.push(stateText(state));
  const icon = state.kind === 'starting' || state.kind === 'running' ? 'loading~spin' : state.kind === 'failed' ? 'warning' : state.kind === 'stale' ? 'sync' : 'layers';
  return `$(${icon}) ${parts.join(' · ')}`;
}

function stateText(state: LensState): string {
  switch (state.kind) {
    case 'starting':
      return 'starting the engine';
    case 'running':
      return state.stage || 'routing';
    case 'stale':
      return `${plural(state.tokens, 'token')} stale`;
    case 'failed':
      return 'no routing';
    case 'shown': {
      const parts = [plural(state.tokens, 'token')];
      if (state.granularity !== 'token') parts.push(`shown by ${state.granularity}`);
      if (state.pinned > 0) parts.push(`${state.pinned} pinned`);
      if (state.letters) parts.push('letters');
      if (state.left > 0) parts.push('in part');
      return parts.join(', ');
    }
  }
}

/** What the strength of the tint means, for tooltips. */
export const CHANNEL_WORDS: Readonly<Record<Channel, string>> = {
  weight: 'Hue: first expert. Strength: its weight.',
  margin: 'Hue: first expert. Strength: how far it is ahead of the second; weakest = near tie.',
  entropy: 'Hue: first expert. Strength: entropy over the experts; strongest = least certain.',
};

export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${String(count).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f')} ${count === 1 ? one : many}`;
}
