import type { AblationDetail, AnalysisDocument, AnalysisHead, ExpertDetail, HeatmapTile, LayerPicture, LayerResult } from '../../../extension/protocol/documents';
import type { Score } from '../../../extension/protocol/score';

/**
 * INVENTED numbers with a plausible shape, for looking at the pages without an engine. Nothing here was measured;
 * names say so wherever they are shown.
 */
export interface InventedOptions {
  readonly layers: number;
  readonly experts: number;
  readonly dFf: number;
  readonly labels: readonly string[];
  readonly probe: boolean;
}

export const EIGHT_LABELS = ['code', 'prose', 'maths', 'law', 'science', 'dialogue', 'tables', 'other languages'] as const;

/** A seeded generator, uniform in [0, 1). */
export function seeded(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}
const gauss = (random: () => number): number => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());

function score(value: number, half: number, nullMean: number, nullSd: number, unit: string, n: number, nOf: string, nullKind: string, nullDraws: number, direction: 'greater' | 'less' = 'greater'): Score {
  const z = (value - nullMean) / nullSd;
  const told = direction === 'greater' ? z : -z;
  const p = told > 4 ? 1 / (nullDraws + 1) : Math.max(1 / (nullDraws + 1), Math.min(1, 0.5 * Math.exp(-0.72 * told - 0.42 * told * told)));
  return { value, null: nullMean, nullSd, nullDraws, z, p, n, nOf, unit, direction, nullKind, interval: [value - half, value + half], nullInterval: [nullMean - 1.96 * nullSd, nullMean + 1.96 * nullSd] };
}

/** How strongly a layer is split, from input to output. */
function strength(layer: number, layers: number): number {
  const at = layers === 1 ? 0.6 : layer / (layers - 1);
  return Math.max(0.02, Math.sin(Math.PI * Math.min(1, at * 0.92 + 0.02)) ** 1.4);
}

export function inventedHead(options: InventedOptions): AnalysisHead {
  return {
    key: 'invented', device: { requested: 'auto', used: options.probe ? 'webgpu' : null, reason: 'invented: WebGPU was 3.1 times as fast as the CPU' }, seed: 17, method: 'keys', experts: options.experts, topK: Math.max(1, options.experts >> 2),
    model: { name: 'invented-numbers', path: '/invented/numbers', fingerprint: 'invented', family: 'gpt2', architecture: 'GPT-2', format: 'safetensors', parameters: 124_439_808, bytes: 497_759_232, dtype: 'F32', layers: options.layers, dModel: 768, dFf: options.dFf, heads: 12, vocabulary: 50257, context: 1024, activation: 'gelu_new', tokenizer: options.probe, runnable: true },
    probe: options.probe ? { name: 'default', texts: 320, tokens: 8192, splitTokens: 4096, scoreTokens: 4096, droppedTokens: 320, sha256: 'invented', labels: options.labels, tokensPerLabel: options.labels.map(() => 512) } : null,
    ...(options.probe ? {} : { probeMissing: 'There is no tokenizer in the folder, so no text could be run.' }),
    layerIndices: Array.from({ length: options.layers }, (_, i) => i), nullNote: 'INVENTED numbers. Every score with its null and its sample size.',
  };
}

export function inventedLayer(options: InventedOptions, index: number): LayerResult {
  const random = seeded(100 + index);
  const s = strength(index, options.layers);
  const { experts, dFf, probe } = options;
  const labels = Array.from({ length: dFf }, (_, neuron) => neuron % experts);
  const sizes = Array.from({ length: experts }, (_, e) => Math.floor(dFf / experts) + (e < dFf % experts ? 1 : 0));
  const specialised = Math.round(experts * 0.78 * s * (0.9 + 0.2 * random()));
  const text = (made: Score): Score | undefined => (probe ? made : undefined);
  const scores = Object.fromEntries(Object.entries({
    stability: score(0.06 + 0.6 * s, 0.037, 0.042, 0.026, 'ARI', 45, 'pairs of seeds', 'keys with columns permuted independently', 20),
    compactness: score(0.81 - 0.1 * s, 0.002, 0.83 - random() * 0.01, 0.004, 'share', dFf, 'neurons', 'keys with columns permuted independently', 20, 'less'),
    modularity: text(score(-0.001 + 0.032 * s, 0.0014, -0.0018, 0.0011, 'Q', 4096, 'tokens', 're-clustered on shuffled tokens', 200)),
    captured: text(score(0.32 + 0.31 * s, 0.014, 0.325 + random() * 0.02, 0.018, 'share', 4096, 'tokens', 'random experts, same router', 200)),
    specialised: text(score(specialised, 1.3, 0.7, 0.65, 'experts', options.experts, `experts \u00d7 ${options.labels.length} labels`, 'permuted labels', 500)),
    agreement: text(score(0.12 + 0.3 * s, 0.02, 0, 0.006, 'ARI', dFf, 'neurons', 'random partitions of the same sizes', 100)),
    errorLeft: text(score(0.5 - 0.2 * s, 0.012, 0.486, 0.012, 'share', 4096, 'tokens', 'random experts, same router', 200, 'less')),
    oracleAgreement: text(score(0.25 + 0.5 * s, 0.01, 0.25, 0.006, 'share', 4096, 'tokens', 'random choice of experts', 200)),
  }).filter(([, value]) => value !== undefined)) as LayerResult['scores'];
  return { index, partition: { method: 'keys', experts, sizes, labels, inertia: 1234.5 }, scores, notSeenActive: probe ? Math.floor(random() * 12) : null, resident: probe ? Math.floor(random() * 5) : null, specialised: probe ? specialised : null };
}

const excessOf = new Map<string, LayerPicture>();

export function inventedPicture(options: InventedOptions, index: number): LayerPicture {
  const name = JSON.stringify([options, index]);
  const known = excessOf.get(name);
  if (known) return known;
  const random = seeded(7000 + 13 * index);
  const { experts, probe, labels } = options;
  const s = strength(index, options.layers);
  const result = inventedLayer(options, index);
  const count = labels.length;
  const special = result.specialised ?? Math.round(experts * 0.78 * s);
  const dominant = new Int16Array(experts).fill(-1);
  for (let placed = 0; placed < special; ) {
    const e = Math.floor(random() * experts);
    if (dominant[e] !== -1) continue;
    dominant[e] = count > 0 ? Math.floor(random() ** 1.4 * count) : -1;
    placed++;
    if (count === 0) break;
  }
  const weights = Array.from(dominant, (d) => Math.exp(0.5 * gauss(random) + (d < 0 ? -0.25 : 0.25)));
  const total = weights.reduce((sum, w) => sum + w, 0);
  const excess = new Float32Array(experts * experts);
  const raw = new Float32Array(experts * experts);
  const router = new Float32Array(experts * experts);
  for (let a = 0; a < experts; a++) {
    for (let b = a; b < experts; b++) {
      const same = dominant[a] !== -1 && dominant[a] === dominant[b];
      let value: number;
      if (a === b) value = s * (dominant[a] !== -1 ? 0.045 + 0.04 * random() : 0.012 + 0.02 * random());
      else if (same) value = s * (0.02 + 0.022 * random());
      else if (dominant[a] !== -1 && dominant[b] !== -1 && random() < 0.14) value = s * (0.009 + 0.012 * random());
      else value = random() < 0.14 ? -s * (0.006 + 0.012 * random()) : gauss(random) * 0.0024;
      excess[a * experts + b] = excess[b * experts + a] = value;
      raw[a * experts + b] = raw[b * experts + a] = Math.max(0, value + 0.006);
      const cosine = a === b ? 1 : Math.max(-0.5, Math.min(0.8, value * 11 + gauss(random) * 0.05));
      router[a * experts + b] = router[b * experts + a] = cosine;
    }
  }
  const fold = new Float32Array(probe ? experts * count : 0);
  const q = new Float32Array(probe ? experts * count : 0);
  for (let e = 0; e < experts && probe; e++) {
    for (let l = 0; l < count; l++) {
      const strong = dominant[e] === l;
      fold[e * count + l] = strong ? 1.1 + 0.8 * random() : dominant[e] !== -1 ? -Math.abs(gauss(random)) * 0.6 + 0.2 : gauss(random) * 0.16;
      q[e * count + l] = strong ? 0.002 : Math.abs(fold[e * count + l] ?? 0) > 0.3 && dominant[e] !== -1 ? 0.02 : 0.4;
    }
  }
  const picture: LayerPicture = {
    index, experts, sizes: Int32Array.from(result.partition.sizes), kind: probe ? 'coactivation' : 'keySimilarity',
    mass: probe ? Float32Array.from(weights, (w) => w / total) : new Float32Array(0), massBand: probe ? [0.87 / experts, 1.12 / experts] : null,
    dominant, raw, excess, excessBand: 0.006, nullDraws: 20, fold, q, router, routerBand: 0.09,
  };
  excessOf.set(name, picture);
  return picture;
}

/** A repeatable number in [0, 1) for a pair, the same in both orders. */
function pairHash(a: number, b: number): number {
  let h = Math.imul(Math.min(a, b) + 1, 374761393) ^ Math.imul(Math.max(a, b) + 1, 668265263);
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

export function inventedTile(options: InventedOptions, index: number, kind: 'excess' | 'raw', rows: readonly [number, number], columns: readonly [number, number], width: number, height: number): HeatmapTile {
  const picture = inventedPicture(options, index);
  const { experts } = options;
  const per = options.dFf / experts;
  const data = new Float32Array(width * height);
  const popular = (neuron: number): number => 0.18 + 1.05 * (1 - (neuron % per) / per) ** 2.1 * (0.75 + 0.5 * pairHash(neuron, index));
  for (let y = 0; y < height; y++) {
    const row = rows[0] + Math.floor(((y + 0.5) / height) * (rows[1] - rows[0]));
    for (let x = 0; x < width; x++) {
      const column = columns[0] + Math.floor(((x + 0.5) / width) * (columns[1] - columns[0]));
      const block = picture.excess[Math.min(experts - 1, Math.floor(row / per)) * experts + Math.min(experts - 1, Math.floor(column / per))] ?? 0;
      const grain = pairHash(row, column) - 0.5;
      const value = block * popular(row) * popular(column) * (1 + 0.9 * grain) + grain * 0.006;
      data[y * width + x] = kind === 'excess' ? value : Math.max(0, value + 0.006);
    }
  }
  const single = width === columns[1] - columns[0] && height === rows[1] - rows[0];
  const ids = (range: readonly [number, number]): Int32Array => Int32Array.from({ length: range[1] - range[0] }, (_, i) => range[0] + i);
  return { layer: index, kind, rows, columns, width, height, data, limit: 0.055, ...(single ? { rowNeurons: ids(rows), columnNeurons: ids(columns) } : {}) };
}

const CONTEXTS: readonly (readonly [string, string, string])[] = [
  ['    def __init__(', 'self', ', path, mode="r"):'], ['        return ', 'None', ' if key not in'], ['from typing import ', 'Iterable', ', Mapping'],
  ['for (let i = 0; i ', '<', ' n; i++) {'], ['  raise ValueError', '(', 'f"bad shape {s}")'], ['const rows = await ', 'client', '.query(sql, args)'],
];
const UP = ['self', 'None', ' return', '():', 'kwargs', ' await'];
const DOWN = [' however', ' perhaps', ' whom', ' Mr', ' cried', '<b>thereby</b>'];

export function inventedExpert(options: InventedOptions, index: number, expert: number): ExpertDetail {
  const picture = inventedPicture(options, index);
  const random = seeded(index * 100 + expert + 1);
  const count = options.labels.length;
  const size = picture.sizes[expert] ?? 0;
  const norms = Array.from({ length: size }, () => Math.exp(gauss(random) * 0.75)).sort((a, b) => b - a).map((v, k) => v * (0.72 + 1.1 * Math.exp(-k / 22)));
  const usual = (k: number, shift: number): number => Math.exp(0.62 * (Math.log((1 - (k + 0.5) / size) / ((k + 0.5) / size)) / 1.702) + shift);
  const share = picture.mass[expert];
  return {
    layer: index, expert,
    mass: share === undefined ? null : score(share, 0.004, 1 / options.experts, 0.0625 / options.experts, 'share', 4096, 'tokens', 'experts of the same size drawn at random', 200),
    byLabel: options.probe ? options.labels.map((label, l) => ({ label, q: picture.q[expert * count + l] ?? 1, enrichment: enrichment(picture.fold[expert * count + l] ?? 0, random) })) : [],
    topTokens: options.probe ? CONTEXTS.map(([before, token, after], i) => ({ before, token, after, activation: 9.42 - i * 0.61 - (i % 2) * 0.2, label: options.labels[0] ?? null })) : [],
    logitEffect: { up: UP.map((token, i) => ({ token: options.probe ? token : `#${4467 + 37 * i * i}`, value: 0.93 - i * 0.085 })), down: DOWN.map((token, i) => ({ token: options.probe ? token : `#${505 + 993 * i}`, value: -(0.78 - i * 0.085) })), nullBand: 0.21, nullDraws: 20, n: 50257 },
    neurons: { ids: Int32Array.from({ length: size }, () => Math.floor(random() * options.dFf)), norms: Float32Array.from(norms), nullLow: Float32Array.from(norms, (_, k) => usual(k, -0.24)), nullHigh: Float32Array.from(norms, (_, k) => usual(k, 0.14)), notSeenActive: options.probe ? Math.floor(random() * 4) : 0, resident: 1, normOf: options.probe ? 'output' : 'key', nullDraws: 20 },
    routerRow: { cosine: picture.router.slice(expert * options.experts, (expert + 1) * options.experts), nullLow: -0.09, nullHigh: 0.09, nullDraws: 20 },
    oracleAgreement: options.probe ? score(0.71, 0.01, 0.25, 0.006, 'share', 4096, 'tokens', 'random choice of experts', 200) : null,
  };
}

function enrichment(log: number, random: () => number): Score {
  const made = score(2 ** log, 0.1 * 2 ** log, 1, 0.09, 'fold', Math.round(380 + 260 * random()), 'tokens', 'permuted labels', 500);
  return { ...made, p: Math.abs(log) > 0.3 ? 0.002 : 0.4 };
}

export function inventedAblation(options: InventedOptions, index: number, expert: number): AblationDetail {
  const picture = inventedPicture(options, index);
  const random = seeded(index * 1000 + expert);
  const make = (value: number): Score => score(value, 0.014 + 0.08 * value, 0.02, 0.011, 'nats per token', 512, 'tokens', 'random groups of neurons of the same layer and norm', 20);
  return { layer: index, expert, overall: make(0.06), byLabel: options.labels.map((label, l) => ({ label, effect: make(picture.dominant[expert] === l ? 0.14 + 0.12 * random() : 0.012 + 0.02 * random()) })) };
}

export function inventedDocument(options: InventedOptions): AnalysisDocument {
  const layers = Array.from({ length: options.layers }, (_, i) => inventedLayer(options, i));
  return {
    ...inventedHead(options), kind: 'analyze', schemaVersion: 1, program: { name: 'modulens', version: '0.0.0' }, warnings: [{ code: 'invented', message: 'These numbers are invented.' }], timings: { total: 11.8 }, layers,
    finding: options.probe ? `Invented: ${options.layers - 1} of ${options.layers} layers hold experts that chance does not explain; layer ${Math.floor(options.layers * 0.55)} most, layer 0 none.` : `Invented: from the weights alone, the split into experts is more stable than chance in ${options.layers - 1} of ${options.layers} layers; what the experts do needs text.`,
  };
}
