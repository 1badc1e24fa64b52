import type { RoutingComparisonResult, RoutingHead, RoutingRecord, RoutingResult, RoutingSite, RoutingSlice, RoutingSummary, RoutingToken, SiteSummary, TrainedVersusKeys, WeightSemantics, WhatIf } from '../../../extension/protocol/routing';
import { NEAR_TIE } from '../../../extension/protocol/routing';
import type { Score } from '../../../extension/protocol/score';
import { divergence } from '../../../webview/render/routingMetrics';
import { switchScore } from '../../../webview/render/routingNull';
import { countedTokens, sitesOf, siteStats } from '../../../webview/render/routingTrace';
import { seeded } from './inventedAnalysis';

/** INVENTED routing with a plausible shape, for looking at the page without an engine. Nothing here was measured. */
export interface InventedRouting {
  readonly kind: 'layers' | 'sites' | 'large';
  readonly labels: boolean;
  readonly semantics?: WeightSemantics;
  /** The router is the model's own. */
  readonly native?: boolean;
}

const TEXTS = [
  ['prose', 'The harbour was quiet before dawn. Gulls turned over the slack water, and somewhere a rope creaked against its post while the first lamp went out. Nobody spoke; the tide did the talking.'],
  ['code', 'def parse(line: str) -> dict:\n    key, value = line.split("=", 1)\n    if not key.strip():\n        raise ValueError(f"empty key: {line!r}")\n    return {key.strip(): value.strip()}'],
  ['manual', 'Disconnect the supply before opening the cover. Loosen screws A and B by two turns; do not remove them. Check that the gap is 0.4 mm, then tighten to 2.5 Nm.'],
  ['French', 'Le march\u00e9 ouvre \u00e0 sept heures. On y trouve du pain, des pommes et, le samedi, un vieux monsieur qui r\u00e9pare les montres de tout le quartier.'],
  ['JSON', '{"id": 1042, "name": "north pump", "state": "idle", "limits": {"low": 0.2, "high": 3.5}, "tags": ["spare", "wet"], "next": null}'],
] as const;

export interface InventedTrace {
  readonly result: RoutingResult;
  readonly summary: RoutingSummary;
  readonly texts: readonly string[];
  slice(from: number, to: number, firstToken?: number): RoutingSlice;
}

/** Byte-pair-like pieces with their places: leading blank kept, long words cut, punctuation alone. */
function pieces(text: string): readonly { readonly text: string; readonly start: number }[] {
  const out: { text: string; start: number }[] = [];
  for (const match of text.matchAll(/\n *|\s*\p{L}+|\s*\d+|\s*[^\s\p{L}\d]{1,2}|\s+/gu)) {
    let word = match[0];
    let start = match.index;
    const push = (length: number): void => {
      out.push({ text: word.slice(0, length), start });
      word = word.slice(length);
      start += length;
    };
    if (word.startsWith('\n')) push(1);
    while (word.trim().length > 7) push(word.length - word.trim().length + 4 + (word.length % 2));
    if (word) push(word.length);
  }
  return out;
}

function records(labels: boolean, repeat: number): { readonly tokens: readonly RoutingToken[]; readonly records: readonly RoutingRecord[]; readonly texts: readonly string[] } {
  const tokens: RoutingToken[] = [];
  const list: RoutingRecord[] = [];
  const texts: string[] = [];
  for (let i = 0; i < repeat; i++) {
    for (const [label, text] of TEXTS) {
      const from = tokens.length;
      for (const piece of pieces(text)) tokens.push({ id: tokens.length % 4096, text: piece.text, record: list.length, start: piece.start, end: piece.start + piece.text.length, special: false });
      list.push({ from, to: tokens.length, label: labels ? label : null, cut: 0 });
      texts.push(text);
    }
  }
  return { tokens, records: list, texts };
}

const PARTS = ['attention.q', 'attention.k', 'attention.v', 'attention.o', 'ffn.gate', 'ffn.up', 'ffn.down'];

function sitesFor(kind: InventedRouting['kind'], semantics: WeightSemantics | undefined): readonly RoutingSite[] {
  if (kind === 'layers') return Array.from({ length: 12 }, (_, layer): RoutingSite => ({ id: `blocks.${layer}.ffn`, layer, module: 'ffn', kind: 'emergent', semantics: semantics ?? 'simplex', E: 8, labels: [...'ABCDEFGH'], k: 2, temperature: null, scale: 1, note: 'INVENTED: softmax over mean activations of each expert\u2019s neurons' }));
  const count = kind === 'sites' ? 4 : 32;
  const E = kind === 'sites' ? 6 : 256;
  const labels = kind === 'sites' ? ['code', 'prose', 'manual', 'french', 'json', 'chat'] : Array.from({ length: E }, (_, e) => `expert ${e}`);
  return Array.from({ length: count * 7 }, (_, i): RoutingSite => ({ id: `blocks.${Math.floor(i / 7)}.${PARTS[i % 7]}`, layer: Math.floor(i / 7), module: PARTS[i % 7], kind: kind === 'sites' ? 'library' : 'moe', semantics: semantics ?? 'truncated', E, labels, k: kind === 'sites' ? 3 : 8, temperature: 1, scale: 1, note: 'INVENTED: softmax of |prototype \u00b7 input|, the best three kept and scaled to one' }));
}

/** How strongly label and noise pull at a site. */
function pull(kind: InventedRouting['kind'], site: number): { readonly label: number; readonly base: number } {
  if (kind === 'layers') return { label: [0.05, 0.1, 0.2, 0.35, 0.55, 0.8, 1, 1.25, 1.05, 0.8, 0.5, 0.25][site] ?? 0, base: 0.28 };
  const depth = Math.floor(site / 7) / (kind === 'sites' ? 3 : 31);
  return { label: 0.1 + 1.2 * Math.sin(Math.PI * Math.min(1, depth * 0.9 + 0.05)), base: 0.4 };
}

export function inventedTrace(options: InventedRouting): InventedTrace {
  const large = options.kind === 'large';
  const { tokens: all, records: allRecords, texts } = records(options.labels, large ? 3 : 1);
  const most = large ? 512 : all.length;
  const tokens = all.slice(0, most);
  const recordList = allRecords.filter((record) => record.from < most).map((record) => ({ ...record, to: Math.min(record.to, most) }));
  const sites = sitesFor(options.kind, options.semantics);
  const E = sites[0].E;
  const slots = large ? 8 : E;
  const head: RoutingHead = {
    schema: 'modulens-routing-1', model: { hash: 'invented', kind: 'gpt2', name: 'invented-numbers' }, tokenizer: { hash: 'invented' },
    router: options.native ? 'native' : options.kind === 'layers' ? 'avg-k' : options.kind === 'sites' ? 'arrow' : 'native', composition: options.kind === 'sites' ? 'outputs' : 'none', granularity: 'token', causal: true, provenance: 'exact',
    records: recordList, tokens, sites, slots,
  };
  const labelNames = [...new Set(recordList.flatMap((record) => (record.label === null ? [] : [record.label])))];
  const homes = TEXTS.map((_, i) => (options.kind === 'sites' ? [1, 0, 2, 3, 4][i] ?? 0 : (i * 3 + 1) % E));
  const n = tokens.length;
  const random = seeded(options.kind === 'layers' ? 23 : 71);
  const gauss = (): number => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
  // Of many experts only some are candidates for a token: enough for a picture, and made in a second.
  const candidates = Math.min(E, 24);
  const noise = new Float32Array(n * candidates).map(() => gauss());
  const numbers = sites.map((site, s) => numbersOf(site, s));

  function numbersOf(site: RoutingSite, s: number): RoutingSlice {
    const { label, base } = pull(options.kind, s);
    const bias = Array.from({ length: E }, () => gauss() * base);
    const ids = new Uint16Array(n * slots);
    const weights = new Float32Array(n * slots);
    const logits = new Float32Array(n * slots);
    const margins = new Float32Array(n);
    const choiceMargins = new Float32Array(n);
    const entropies = new Float32Array(n);
    const z = new Float64Array(E);
    const among = new Int32Array(candidates);
    for (let t = 0; t < n; t++) {
      const text = tokens[t].record % TEXTS.length;
      for (let i = 0; i < candidates; i++) {
        const at = t * candidates + i;
        const e = candidates === E ? i : i === 0 ? homes[text] ?? 0 : (i * 37 + (tokens[t].id % 29) * 11 + s * 3) % E;
        among[i] = e;
        noise[at] = 0.8 * noise[at] + 0.5 * gauss() + (t > 0 ? 0.15 * noise[at - candidates] : 0);
        z[e] = bias[e] + (e === homes[text] ? 1.7 * label : 0) + 0.75 * noise[at] * (large ? 1.4 : 1);
      }
      const order = [...new Set(among)].sort((a, b) => z[b] - z[a] || a - b);
      const first = z[order[0]];
      const raw = order.map((e) => Math.exp(z[e] - first));
      const sum = raw.reduce((a, b) => a + b, 0);
      const keptSum = raw.slice(0, site.k).reduce((a, b) => a + b, 0);
      const weight = (j: number): number => {
        switch (site.semantics) {
          case 'simplex':
            return raw[j] / sum;
          case 'sub-simplex':
            return j < site.k ? raw[j] / sum : 0;
          case 'sigmoid':
            return 1 / (1 + Math.exp(-z[order[j]]));
          case 'signed':
            return z[order[j]] * 0.4;
          case 'binary':
            return j < site.k ? 1 : 0;
          case 'truncated':
            return j < site.k ? raw[j] / keptSum : 0;
        }
      };
      let entropy = 0;
      for (let j = 0; j < order.length; j++) {
        const w = weight(j);
        if (j < slots) [ids[t * slots + j], weights[t * slots + j], logits[t * slots + j]] = [order[j], w, options.kind === 'sites' ? lengthOf(t, s) * 0.6 / (1 + Math.exp(-z[order[j]])) : z[order[j]]];
        if (w > 0) entropy -= w * Math.log(w);
      }
      margins[t] = weight(0) - weight(1);
      choiceMargins[t] = site.k < E ? z[order[site.k - 1]] - z[order[site.k]] : Infinity;
      entropies[t] = entropy;
    }
    return { from: s, to: s + 1, ids, weights, logits, margins, choiceMargins, entropies, norms: null };
  }

  const counted = countedTokens(head, { kind: 'all' });
  const tokensPerLabel = labelNames.map((label) => tokens.filter((token) => recordList[token.record].label === label).length);
  const summaries = numbers.map((slice, s): SiteSummary => {
    const site = sitesOf(slice, head)[0];
    const stats = siteStats(site, counted);
    const groups = labelNames.map((label) => siteStats(site, countedTokens(head, { kind: 'label', label })));
    const apart = divergence(groups.map((group) => group.mean.map(Math.abs)));
    const nullMean = 0.03 + 0.01 * random();
    const score: Score | null = apart === null ? null : { value: apart, null: nullMean, nullSd: 0.012, nullDraws: 99, z: (apart - nullMean) / 0.012, p: apart > nullMean + 0.024 ? 0.01 : 0.4, n, nOf: 'tokens', unit: 'nats', direction: 'greater', nullKind: 'INVENTED: labels shuffled in blocks of 16 tokens', interval: [apart * 0.86, apart * 1.13], nullInterval: [Math.max(0, nullMean - 0.022), nullMean + 0.024] };
    return {
      load: Array.from(stats.firsts, (count) => count / n), mean: [...stats.mean], entropy: stats.entropy, divergence: score, switchRate: switchScore(stats.tops, counted.spans, s),
      byLabel: groups.flatMap((group) => Array.from(group.mean, (value, e) => ({ mean: value, low: value - Math.min(0.08, group.meanHalf[e]), high: value + Math.min(0.08, group.meanHalf[e]), nullLow: Math.max(0, stats.mean[e] - 0.05), nullHigh: stats.mean[e] + 0.05 }))),
    };
  });
  const summary: RoutingSummary = {
    sites: summaries, labels: labelNames, tokens: n, tokensPerLabel,
    letters: options.kind === 'layers' ? sites.map(() => Array.from({ length: E }, (_, e) => e)) : null,
    matching: options.kind === 'layers' ? { value: 0.58, null: 0.14, nullSd: 0.02, nullDraws: 20, z: 22, p: 0.048, n, nOf: 'tokens', unit: 'share', direction: 'greater', nullKind: 'INVENTED: tokens in random order' } : null,
  };
  return {
    texts: texts.slice(0, recordList.length), summary,
    result: { key: `invented-${options.kind}`, head, device: { requested: 'auto', used: 'cpu', reason: `INVENTED numbers; near ties are margins under ${NEAR_TIE}` }, warnings: [], seconds: options.kind === 'layers' ? 0.42 : 0.61, reused: 0 },
    slice(from, to, firstToken = 0) {
      const width = to - from;
      const rows = (n - firstToken) * width;
      const out = { ids: new Uint16Array(rows * slots), weights: new Float32Array(rows * slots), logits: new Float32Array(rows * slots), margins: new Float32Array(rows), choiceMargins: new Float32Array(rows), entropies: new Float32Array(rows), norms: options.kind === 'sites' ? new Float32Array(rows) : null };
      for (let t = firstToken; t < n; t++) {
        for (let s = from; s < to; s++) {
          const one = numbers[s];
          const at = (t - firstToken) * width + s - from;
          if (out.norms) out.norms[at] = lengthOf(t, s);
          for (const name of ['margins', 'choiceMargins', 'entropies'] as const) out[name][at] = one[name][t];
          for (let j = 0; j < slots; j++) {
            out.ids[at * slots + j] = one.ids[t * slots + j];
            out.weights[at * slots + j] = one.weights[t * slots + j];
            out.logits[at * slots + j] = one.logits?.[t * slots + j] ?? 0;
          }
        }
      }
      return { from, to, ...out, ...(firstToken > 0 ? { firstToken } : {}) };
    },
  };
}

/** INVENTED length of what a router reads: grows with depth, as in real models. */
function lengthOf(token: number, site: number): number {
  return 3 + site * 0.4 + (token % 7) * 0.3;
}

/**
 * The same text after an INVENTED edit: one word of the second text became two. What stands before it is routed as before, the rest of
 * that text moved on by one expert; the other texts are as they were.
 */
export function inventedEdit(trace: InventedTrace): InventedTrace {
  const { head } = trace.result;
  const at = head.tokens.findIndex((token) => token.record === 1 && token.text === ' value');
  const end = head.records[1].to;
  const fromOld = (t: number): number => (t <= at ? t : t - 1);
  const tokens = [...head.tokens.slice(0, at), { ...head.tokens[at], id: 9001, text: ' val' }, { ...head.tokens[at], id: 9002, text: 'ues' }, ...head.tokens.slice(at + 1)];
  const records = head.records.map((record, r) => ({ ...record, from: r > 1 ? record.from + 1 : record.from, to: r >= 1 ? record.to + 1 : record.to }));
  const changed = { ...head, tokens, records };
  return {
    ...trace, result: { ...trace.result, key: `${trace.result.key}-edited`, head: changed },
    slice(from, to, firstToken = 0) {
      const old = trace.slice(from, to);
      const width = (to - from) * head.slots;
      const take = <T extends Uint16Array | Float32Array>(values: T, size: number): T => {
        const out = new (values.constructor as new (length: number) => T)((tokens.length - firstToken) * size);
        for (let t = firstToken; t < tokens.length; t++) out.set(values.subarray(fromOld(t) * size, (fromOld(t) + 1) * size), (t - firstToken) * size);
        return out;
      };
      const ids = take(old.ids, width);
      for (let t = Math.max(at, firstToken); t <= end; t++) for (let i = 0; i < width; i++) ids[(t - firstToken) * width + i] = (ids[(t - firstToken) * width + i] + 1) % head.sites[0].E;
      return { from, to, ids, weights: take(old.weights, width), logits: old.logits && take(old.logits, width), margins: take(old.margins, to - from), choiceMargins: take(old.choiceMargins, to - from), entropies: take(old.entropies, to - from), norms: old.norms ? take(old.norms, to - from) : null, ...(firstToken > 0 ? { firstToken } : {}) };
    },
  };
}

/** INVENTED comparison of a trained router with avg-k. */
export function inventedTrained(layers: number): readonly TrainedVersusKeys[] {
  const score = (value: number, spread: number, unit: string, n: number, nOf: string): Score => ({ value, null: 0.02, nullSd: spread, nullDraws: 199, z: (value - 0.02) / spread, p: value > 3 * spread ? 0.005 : 0.31, n, nOf, unit, direction: 'greater', nullKind: 'router rows paired with the keys of other experts', nullInterval: [0.02 - 2 * spread, 0.02 + 2 * spread] });
  return Array.from({ length: layers }, (_, layer) => ({ site: `blocks.${layer}.ffn`, layer, cosine: score(0.06 + 0.05 * layer, 0.05, 'cosine', 8, 'experts'), agreement: score(0.1 + 0.04 * layer, 0.03, 'share', 456, 'choices') }));
}

/** INVENTED comparison of a trace with itself, every fifth token sent elsewhere and more so in the first layers. */
export function inventedComparison(trace: InventedTrace, name: string): RoutingComparisonResult {
  const { head } = trace.result;
  const width = head.sites.length;
  const random = seeded(91);
  const divergences = new Float32Array(head.tokens.length * width);
  const firsts: [Uint16Array, Uint16Array] = [new Uint16Array(divergences.length), new Uint16Array(divergences.length)];
  const slice = trace.slice(0, width);
  let alike = new Float64Array(width);
  head.tokens.forEach((_, t) => {
    for (let s = 0; s < width; s++) {
      const at = t * width + s;
      const first = slice.ids[at * head.slots];
      const other = random() < 0.55 - (0.5 * s) / width;
      firsts[0][at] = first;
      firsts[1][at] = other ? (first + 1 + Math.floor(random() * (head.sites[s].E - 1))) % head.sites[s].E : first;
      divergences[at] = other ? 0.15 + 0.5 * random() : 0.05 * random();
      if (!other) alike[s]++;
    }
  });
  alike = alike.map((count) => count / head.tokens.length);
  const score = (value: number, nothing: number, sd: number, unit: string, direction: 'greater' | 'less'): Score => ({ value, null: nothing, nullSd: sd, nullDraws: 99, z: (value - nothing) / sd, p: (direction === 'greater' ? value > nothing + 2 * sd : value < nothing - 2 * sd) ? 0.01 : 0.4, n: head.tokens.length, nOf: 'tokens', unit, direction, nullKind: 'INVENTED: the second router\u2019s tokens shuffled in blocks of 16', interval: [value - 0.05, value + 0.05] });
  return {
    names: [head.router, name], tokens: head.tokens.length, left: [],
    sites: head.sites.map(({ id, layer }, s) => ({ id, layer, sites: [s, s], agreement: score(alike[s], 0.42, 0.03, 'share', 'greater'), divergence: score(0.28 * (1 - alike[s]), 0.2, 0.02, 'nats', 'less') })),
    perToken: { divergences, firsts },
  };
}

/** The trace with an INVENTED what-if in its head; its numbers are the old ones. */
export function inventedWhatIf(trace: InventedTrace, whatIf: WhatIf | null): InventedTrace {
  const { whatIf: _, ...head } = trace.result.head;
  return { ...trace, result: { ...trace.result, key: `${trace.result.key}+`, head: whatIf ? { ...head, whatIf: { ...whatIf, says: 'INVENTED: the experts named take no tokens; their share goes to the others.' } } : head } };
}
