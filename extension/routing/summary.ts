import { balancedAssignmentSteps } from '../numerics/balancedAssignment';
import { scoreAgainstNull } from '../numerics/nullScore';
import { Random } from '../numerics/random';
import { quantile } from '../numerics/statistics';
import type { Steps } from '../numerics/steps';
import type { RoutingSummary, RoutingTrace, SiteSummary } from '../protocol/routing';
import { jensenShannon, switchRate } from '../protocol/routingMetrics';
import type { Score } from '../protocol/score';
import { BLOCK, blockOrder, type Places, placesOf } from './places';

const DRAWS = 99;
const RESAMPLES = 200;
/** Fewest tokens of a label for its row. */
const LEAST = 8;

/** What a trace says as a whole. Every figure of modularity comes with what chance gives. */
export function* summarySteps(trace: RoutingTrace, seed: number): Steps<RoutingSummary> {
  const all = [...new Set(trace.records.map((record) => record.label).filter((label): label is string => label !== null))];
  const count = (label: string): number => trace.tokens.filter((token) => token.start !== null && trace.records[token.record].label === label).length;
  const labels = all.filter((label) => count(label) >= LEAST), places = placesOf(trace, labels);
  const sites: SiteSummary[] = [];
  for (let s = 0; s < trace.sites.length; s++) {
    sites.push(siteSummary(trace, s, places, labels.length > 1 ? labels.length : 0, seed));
    yield;
  }
  const matched = trace.sites.length > 1 && trace.sites.every((site) => site.kind === 'emergent' && site.E === trace.sites[0].E) ? yield* matchLetters(trace, places, seed) : null;
  return { sites, labels: labels.length > 1 ? labels : [], tokens: places.tokens.length, tokensPerLabel: labels.length > 1 ? labels.map(count) : [], letters: matched?.letters ?? null, matching: matched?.score ?? null };
}

function siteSummary(trace: RoutingTrace, s: number, places: Places, labels: number, seed: number): SiteSummary {
  const { E } = trace.sites[s], n = places.tokens.length, load = new Float64Array(E), mean = new Float64Array(E), first = new Int32Array(n);
  const sums = new Float64Array(places.blocks * E), sizes = new Int32Array(places.blocks);
  let entropy = 0, known = 0;
  for (const [i, t] of places.tokens.entries()) {
    const cell = t * trace.sites.length + s;
    first[i] = trace.ids[cell * trace.slots];
    load[first[i]] += 1 / n;
    sizes[places.block[i]]++;
    if (Number.isFinite(trace.entropies[cell])) { entropy += trace.entropies[cell]; known++; }
    for (let slot = 0, at = cell * trace.slots; slot < Math.min(trace.slots, E); slot++, at++) {
      mean[trace.ids[at]] += trace.weights[at] / n;
      sums[places.block[i] * E + trace.ids[at]] += trace.weights[at];
    }
  }
  const random = new Random(seed, 'routing summary', s);
  return { load: [...load], mean: [...mean], entropy: known > 0 ? entropy / known : 0, ...byLabel(sums, sizes, E, places, labels, random), switchRate: switches(first, places, random) };
}

/** Mean weights by label with intervals, and how far labels lie apart. */
function byLabel(sums: Float64Array, sizes: Int32Array, E: number, places: Places, labels: number, random: Random): Pick<SiteSummary, 'byLabel' | 'divergence'> {
  if (labels === 0) return { byLabel: [], divergence: null };
  const used = Array.from(places.blockLabel.keys()).filter((b) => places.blockLabel[b] >= 0);
  /** Mean weight per label of blocks, each counted `times` times, when block `b` carries the label of block `as[b]`. */
  const means = (blocks: readonly number[], labelOf: (i: number) => number): { readonly rows: Float64Array[]; readonly tokens: Float64Array } => {
    const rows = Array.from({ length: labels }, () => new Float64Array(E)), tokens = new Float64Array(labels);
    for (const [i, b] of blocks.entries()) {
      const label = labelOf(i);
      tokens[label] += sizes[b];
      for (let e = 0; e < E; e++) rows[label][e] += sums[b * E + e];
    }
    for (const [label, row] of rows.entries()) for (let e = 0; e < E; e++) row[e] /= Math.max(1, tokens[label]);
    return { rows, tokens };
  };
  const apart = ({ rows, tokens }: ReturnType<typeof means>): number => {
    const kept = rows.map((row, l) => ({ row, n: tokens[l] })).filter(({ row, n }) => n > 0 && row.some((x) => x > 0));
    return kept.length > 1 ? jensenShannon(kept.map(({ row }) => row), kept.map(({ n }) => n)) : NaN;
  };
  const own = (i: number): number => places.blockLabel[used[i]];
  const real = means(used, own), value = apart(real), draws: number[] = [], resampled: number[] = [];
  const nulls = Array.from({ length: labels * E }, () => new Float64Array(DRAWS)), samples = Array.from({ length: labels * E }, () => new Float64Array(RESAMPLES));
  for (let draw = 0; draw < DRAWS; draw++) {
    const order = random.permutation(used.length), drawn = means(used, (i) => own(order[i]));
    draws.push(apart(drawn));
    for (let l = 0; l < labels; l++) for (let e = 0; e < E; e++) nulls[l * E + e][draw] = drawn.rows[l][e];
  }
  const ofLabel = Array.from({ length: labels }, (_, l) => used.filter((b) => places.blockLabel[b] === l));
  for (let draw = 0; draw < RESAMPLES; draw++) {
    const picked: number[] = [], label: number[] = [];
    for (const [l, blocks] of ofLabel.entries()) for (let i = 0; i < blocks.length; i++) { picked.push(blocks[random.integer(blocks.length)]); label.push(l); }
    const drawn = means(picked, (i) => label[i]);
    resampled.push(apart(drawn));
    for (let l = 0; l < labels; l++) for (let e = 0; e < E; e++) samples[l * E + e][draw] = drawn.rows[l][e];
  }
  const range = (values: Float64Array | number[]): readonly [number, number] => { const sorted = Float64Array.from(values).filter(Number.isFinite).sort(); return [quantile(sorted, 0.025), quantile(sorted, 0.975)]; };
  // Resampling makes groups look further apart than they are; the interval is moved back by that much.
  const [low, high] = range(resampled), bias = resampled.reduce((sum, x) => sum + x, 0) / RESAMPLES - value;
  const divergence: Score = scoreAgainstNull({ value, draws, n: places.label.filter((l) => l >= 0).length, nOf: 'tokens', unit: 'nats', direction: 'greater', nullKind: `labels shuffled in blocks of ${BLOCK} tokens`, interval: [Math.max(0, low - bias), Math.max(0, high - bias)] });
  return {
    divergence,
    byLabel: samples.map((sample, i) => { const [from, to] = range(sample), [nullLow, nullHigh] = range(nulls[i]); return { mean: real.rows[Math.floor(i / E)][i % E], low: from, high: to, nullLow, nullHigh }; }),
  };
}

/** How often neighbouring tokens go to different experts, against the same tokens in random order. */
function switches(first: Int32Array, places: Places, random: Random): Score {
  const draws: number[] = [], shuffled = first.slice(), starts = { has: (i: number): boolean => places.breaks[i] === 1 };
  for (let draw = 0; draw < DRAWS; draw++) {
    for (let from = 0; from < shuffled.length;) {
      let to = from + 1;
      while (to < shuffled.length && !places.breaks[to]) to++;
      for (let i = to - 1; i > from; i--) { const j = from + random.integer(i - from + 1), x = shuffled[i]; shuffled[i] = shuffled[j]; shuffled[j] = x; }
      from = to;
    }
    draws.push(switchRate(shuffled, starts));
  }
  return scoreAgainstNull({ value: switchRate(first, starts), draws, n: first.length, nOf: 'tokens', unit: 'share', direction: 'less', nullKind: 'tokens of each text in random order' });
}

/** Names experts of each layer after those of the layer before that share most tokens with them (optimal one-to-one matching). */
function* matchLetters(trace: RoutingTrace, places: Places, seed: number): Steps<{ readonly letters: readonly (readonly number[])[]; readonly score: Score } | null> {
  const { E } = trace.sites[0], n = places.tokens.length, sites = trace.sites.length;
  if (n === 0) return null;
  const firsts = trace.sites.map((_, s) => Int32Array.from(places.tokens, (t) => trace.ids[(t * sites + s) * trace.slots]));
  const one = new Int32Array(E).fill(1), random = new Random(seed, 'matching experts');
  function* match(a: Int32Array, b: Int32Array, order: ArrayLike<number> | null): Steps<{ readonly labels: Int32Array; readonly shared: number }> {
    const cost = new Float64Array(E * E);
    for (let i = 0; i < n; i++) cost[b[order ? order[i] : i] * E + a[i]]--;
    const { labels, total } = yield* balancedAssignmentSteps({ cost, items: E, clusters: E, lower: one, upper: one });
    return { labels, shared: -total };
  }
  const letters: number[][] = [Array.from({ length: E }, (_, e) => e)];
  let shared = 0;
  for (let s = 1; s < sites; s++) {
    const found = yield* match(firsts[s - 1], firsts[s], null);
    shared += found.shared;
    letters.push(Array.from(found.labels, (before) => letters[s - 1][before]));
    yield;
  }
  const draws: number[] = [];
  for (let draw = 0; draw < 19; draw++) {
    let drawn = 0;
    for (let s = 1; s < sites; s++) drawn += (yield* match(firsts[s - 1], firsts[s], blockOrder(places, random))).shared;
    draws.push(drawn / (n * (sites - 1)));
    yield;
  }
  return { letters, score: scoreAgainstNull({ value: shared / (n * (sites - 1)), draws, n, nOf: 'tokens', unit: 'share', direction: 'greater', nullKind: `tokens of the next layer shuffled in blocks of ${BLOCK}, matched again` }) };
}
