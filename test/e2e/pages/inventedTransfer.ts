import type { ModelFacts } from '../../../extension/protocol/documents';
import type { Score } from '../../../extension/protocol/score';
import type { DroppedPart, HeadPairs, LayerPair, PairedDifference, PlannedSite, TransferDocument, TransferPlan, TransferRequest, TransferredSite } from '../../../extension/protocol/transfer';
import { seeded } from './inventedAnalysis';

/** INVENTED transfers with a plausible shape, for looking at the page without an engine. Nothing here was measured. */
export type TransferCase = 'helps' | 'none' | 'hurts' | 'nodata' | 'labels' | 'plain' | 'large';

const PARTS = ['attention.q', 'attention.k', 'attention.v', 'attention.o', 'ffn.gate', 'ffn.up', 'ffn.down'] as const;
const WEIGHTS = [0.7, 0.6, 1, 0.9, 1.2, 1.25, 1.1];

interface Shape {
  readonly source: number;
  readonly target: number;
  readonly dSource: number;
  readonly dTarget: number;
  readonly fSource: number;
  readonly fTarget: number;
  readonly hSource: number;
  readonly hTarget: number;
}
const USUAL: Shape = { source: 12, target: 8, dSource: 320, dTarget: 256, fSource: 864, fTarget: 688, hSource: 10, hTarget: 8 };
const LARGE: Shape = { source: 48, target: 32, dSource: 5120, dTarget: 4096, fSource: 13824, fTarget: 11008, hSource: 40, hTarget: 32 };

function model(name: string, layers: number, width: number, ffn: number, heads: number): ModelFacts {
  return { name, path: `/invented/${name}`, fingerprint: name === 'invented-12l' ? '91d0aa3c51e077bc91d0aa3c51e077bc' : 'c04e5512d3f918fac04e5512d3f918fa', family: 'llama', architecture: 'llama', format: 'safetensors', parameters: layers * (4 * width * width + 3 * width * ffn), bytes: 1e7, dtype: 'F32', layers, dModel: width, dFf: ffn, heads, vocabulary: 4096, context: 512, activation: 'silu', tokenizer: true, runnable: true };
}

const score = (value: number, nullValue: number): Score => ({ value, null: nullValue, nullSd: 0.01, nullDraws: 20, z: (value - nullValue) / 0.01, p: value > nullValue + 0.02 ? 0.0476 : 0.4, n: 512, nOf: 'held-out tokens', unit: 'CKA', direction: 'greater', nullKind: 'shuffled token pairs' });

interface Geometry {
  readonly pairs: readonly LayerPair[];
  readonly planned: readonly PlannedSite[];
  readonly dropped: readonly DroppedPart[];
}

function geometry(shape: Shape, random: () => number, measured: boolean): Geometry {
  const { source, target } = shape;
  const map = Array.from({ length: target }, (_, i) => Math.round((i * (source - 1)) / Math.max(1, target - 1)));
  const norms = Array.from({ length: source }, (_, l) => PARTS.map((_part, j) => (0.5 + 0.9 * Math.exp(-((l - source * 0.58) ** 2) / (source * 1.2))) * (WEIGHTS[j] ?? 1) * (0.8 + 0.4 * random())));
  const total = norms.flat().reduce((sum, x) => sum + x * x, 0);
  const shareOf = (l: number, j: number): number => (norms[l]?.[j] ?? 0) ** 2 / total;
  const layerShare = (l: number): number => PARTS.reduce((sum, _part, j) => sum + shareOf(l, j), 0);
  const pairs = map.map((from, to): LayerPair => ({ to, from, share: layerShare(from), cka: measured ? score(0.86 - 0.02 * Math.abs(to - target / 3), 0.31) : null }));
  const widths = (j: number, d: number, f: number): [number, number] => (j < 4 ? [d, d] : j < 6 ? [d, f] : [f, d]);
  const planned = map.flatMap((from, to) => PARTS.map((part, j): PlannedSite => ({
    name: `blocks.${to}.${part}`, from: `blocks.${from}.${part}`, rank: 16, source: widths(j, shape.dSource, shape.fSource), target: widths(j, shape.dTarget, shape.fTarget), rule: j < 4 ? 'by head, ridge or Procrustes' : 'units by assignment, ridge or Procrustes', share: shareOf(from, j),
  })));
  const lost = Array.from({ length: source }, (_, l) => l).filter((l) => !map.includes(l));
  const dropped = lost.flatMap((l) => PARTS.map((part, j): DroppedPart => ({ name: `blocks.${l}.${part}`, reason: `no layer left: ${source} into ${target}`, share: shareOf(l, j) })));
  return { pairs, planned, dropped };
}

const request = (data: boolean): TransferRequest => ({ module: '/invented/modules/manual-lora', from: '/invented/invented-12l', to: '/invented/invented-8l', method: 'activation-transport', layers: 'proportional', data: data ? '/invented/texts/manuals held out.jsonl' : undefined, seed: 0 });

export function inventedRequest(which: TransferCase): TransferRequest {
  return request(which !== 'nodata');
}

export function inventedPlan(which: TransferCase): TransferPlan {
  const shape = which === 'large' ? LARGE : USUAL;
  const random = seeded(42);
  const { pairs, planned, dropped } = geometry(shape, random, false);
  const plain = which === 'plain';
  return {
    module: { name: 'manual-lora', path: '/invented/modules/manual-lora', kind: 'lora', base: 'invented-12l', rank: 16, sites: shape.source * PARTS.length, parameters: 1_204_224 },
    from: model('invented-12l', shape.source, shape.dSource, shape.fSource, shape.hSource), to: model('invented-8l', shape.target, shape.dTarget, shape.fTarget, shape.hTarget),
    method: 'activation-transport', methodTitle: 'activation transport', methodSays: 'Fits maps between the two bases on the same text, site by site.', layerRule: plain ? 'cka' : 'proportional', relation: 'different', weightCosine: null,
    layers: pairs, provisionalLayers: plain, sites: planned, dropped: plain ? dropped.slice(0, 3) : dropped, heads: { from: { q: shape.hSource, kv: shape.hSource, width: 32 }, to: { q: shape.hTarget, kv: shape.hTarget, width: 32 } },
    probe: { name: 'default', texts: 512 }, data: which === 'nodata' ? null : { name: 'manuals held out.jsonl', rows: plain ? 24 : 824 }, estimate: { seconds: 66, bytes: 1.1e9 },
    warnings: plain ? [{ code: 'transfer/few-texts', message: '24 texts are few: a change must be large to be told from chance.' }] : [],
  };
}

const heads = (shape: Shape, random: () => number, weak: boolean, part: HeadPairs['part']): readonly HeadPairs[] => Array.from({ length: shape.target }, (_, layer): HeadPairs => {
  const order = Array.from({ length: shape.hSource }, (_unused, k) => [random(), k] as const).sort((a, b) => a[0] - b[0]).map(([, k]) => k);
  return { layer, part, from: Array.from({ length: shape.hTarget }, (_unused, k) => (weak && k === 3 && layer === 2 ? null : order[k] ?? null)), score: Array.from({ length: shape.hTarget }, () => (weak ? 0.12 + 0.14 * random() : 0.3 + (0.6 * random() * (1 - Math.abs(layer - shape.target / 2) / (shape.target + 1))))), nullScore: 0.2 + 0.03 * random() };
});

const CASES: Readonly<Record<'helps' | 'none' | 'hurts', { readonly chosen: number; readonly main: readonly [number, number, number]; readonly moment: readonly [number, number, number]; readonly norm: readonly [number, number, number]; readonly curve: readonly number[] }>> = {
  helps: { chosen: 0.75, main: [-0.142, -0.171, -0.114], moment: [0.003, -0.004, 0.01], norm: [0.011, 0.002, 0.021], curve: [0, -0.071, -0.121, -0.139, -0.131, -0.058, 0.094] },
  none: { chosen: 0.5, main: [-0.006, -0.017, 0.005], moment: [-0.002, -0.011, 0.006], norm: [0.004, -0.005, 0.014], curve: [0, -0.005, -0.008, -0.004, 0.012, 0.061, 0.148] },
  hurts: { chosen: 0.25, main: [0.061, 0.042, 0.083], moment: [0.003, -0.004, 0.01], norm: [0.008, -0.001, 0.018], curve: [0, 0.012, 0.058, 0.121, 0.19, 0.301, 0.47] },
};
const ALPHAS = [0, 0.25, 0.5, 0.75, 1, 1.5, 2];
const BASE_LOSS = 2.913;
const TEXTS: readonly (readonly [string, number])[] = [
  ['Tighten the cover screws to 2.5 Nm.', -1.93], ['Do not remove the filter while the pump is running; wait until the pressure gauge shows zero and the lamp is off.', -1.41], ['Replace the gasket if it is worn.', -1.22], ['Before opening, disconnect the supply.', -1.18],
  ['Check that the gap is 0.4 mm.', -1.02], ['See section 4 for the first start.', 0.64], ['The lamp on the front panel is lit.', 0.52], ['Wait until the motor has been stopped by the operator.', 0.38],
];

export function inventedTransfer(which: TransferCase): TransferDocument {
  const shape = which === 'large' ? LARGE : USUAL;
  const random = seeded(42);
  const { pairs, planned, dropped } = geometry(shape, random, true);
  const plan = inventedPlan(which);
  const weak = which === 'none';
  const sites = planned.map(({ name, from, rank }, i): TransferredSite => {
    const layer = Math.floor(i / PARTS.length);
    const r2 = weak ? 0.03 + 0.05 * random() : 0.82 - (0.4 / shape.target) * Math.abs(layer - shape.target * 0.4) - 0.03 * random();
    const [cin, cout] = [(weak ? 0.36 : 0.82) + 0.12 * random(), (weak ? 0.31 : 0.76) + 0.13 * random()];
    const norm = 0.01 + 0.01 * random();
    return {
      name, from, kept: rank, coverage: cin * cout, coverageIn: cin, coverageOut: cout, mapIn: i % PARTS.length === 6 ? 'assignment' : 'ridge', mapOut: i % PARTS.length < 4 ? 'procrustes' : 'ridge', rhoIn: i % PARTS.length === 6 ? null : 0.01, rhoOut: i % PARTS.length < 4 ? null : 0.001,
      r2, r2Null: 0.03 + 0.02 * random(), r2In: r2 + 0.02, r2Out: r2, scaleIn: 0.9 + 0.3 * random(), scaleOut: 0.9 + 0.3 * random(), relativeNormFrom: norm, relativeNormTo: norm * cin * cout, tokens: 16_384, heldOut: 4096,
    };
  });
  const words = { helps: 'manual-lora helps invented-8l: \u22120.142 [\u22120.171, \u22120.114] nats per token on 412 unseen texts at \u03b1 = 0.75; random modules +0.003 [\u22120.004, +0.010].', none: 'No evidence that manual-lora helps invented-8l: \u22120.006 [\u22120.017, +0.005] nats per token on 412 unseen texts at \u03b1 = 0.5; random modules \u22120.002 [\u22120.011, +0.006].', hurts: 'manual-lora hurts invented-8l: +0.061 [+0.042, +0.083] nats per token on 412 unseen texts at \u03b1 = 0.25; random modules +0.003 [\u22120.004, +0.010].' };
  const kind = which === 'none' || which === 'hurts' ? which : 'helps';
  const facts = CASES[kind];
  const nodata = which === 'nodata';
  const labelled = which === 'labels';
  const run = (name: string, loss: number, accuracy: number): TransferDocument['runs'][number] => ({ name, modules: name === 'base' || name === 'source base' ? [] : ['manual-lora'], tokens: 18_304, lossPerToken: loss, bitsPerByte: loss / 3.1, ...(labelled ? { accuracy, accuracyRows: 412, labels: 5, majorityShare: 0.31 } : {}) });
  const pair = (name: string, against: string, [value, low, high]: readonly [number, number, number], unit: PairedDifference['unit'] = 'nats per token'): PairedDifference => ({ run: name, against, unit, value, low, high, n: 412, resamples: 1000 });
  const losses: PairedDifference[] = [pair('transferred', 'base', facts.main), pair('transferred', 'moment-matched random', [facts.main[0] - facts.moment[0], facts.main[1] - 0.01, facts.main[2] + 0.004]), pair('moment-matched random', 'base', facts.moment), pair('norm-matched random', 'base', facts.norm), pair('shuffled pairs', 'base', [0.006, -0.002, 0.015]), pair('source module', 'source base', [-0.245, -0.281, -0.21])];
  const accuracies: PairedDifference[] = labelled ? [pair('transferred', 'base', [0.112, 0.081, 0.141], 'accuracy'), pair('moment-matched random', 'base', [0.004, -0.012, 0.019], 'accuracy'), pair('norm-matched random', 'base', [-0.01, -0.025, 0.006], 'accuracy'), pair('source module', 'source base', [0.21, 0.17, 0.25], 'accuracy')] : [];
  return {
    kind: 'transfer', schemaVersion: 1, program: { name: 'modulens', version: '0.0.0' }, timings: nodata ? { probe: 20.9, fit: 13.8, write: 0.2, total: 34.9 } : { probe: 20.9, fit: 13.8, write: 0.2, evaluate: 29.8, total: 64.7 },
    warnings: [
      ...(weak ? [{ code: 'transfer/weak-maps', message: 'Maps explain little: held-out R\u00b2 0.03 to 0.08, shuffled pairs 0.03 to 0.05. The two bases may encode this text differently.' }] : []),
      { code: 'transfer/layers', message: 'Four source layers were dropped (L1, L4, L7, L10), 35.7\u202f% of the module\u2019s norm.' }, { code: 'transfer/heads', message: 'Ten heads into eight: two heads per layer lost at q, k, v and o.' },
      ...(nodata ? [{ code: 'transfer/no-data', message: 'Not evaluated. High R\u00b2 says that a map exists, not that the module works.' }] : []),
    ],
    module: plan.module, from: plan.from, to: plan.to, device: { requested: 'auto', used: 'cpu', reason: 'the only device here' }, seed: 0, method: 'activation-transport', layerRule: 'proportional', relation: 'different',
    out: '/invented/modules/manual-lora-on-invented-8l', files: [{ file: 'adapter_config.json', bytes: 1204, sha256: '3f9c0b21a1e2'.repeat(5) }, { file: 'adapter_model.safetensors', bytes: 1_102_334, sha256: '77aac18802d1'.repeat(5) }],
    probe: { name: 'default', texts: 512, pairedTokens: 20_480, keptShare: 1, sha256: '77aa01c202d1'.repeat(5) }, layers: pairs, heads: [...heads(shape, random, weak, 'q'), ...heads(shape, random, weak, 'kv')], sites, dropped,
    verdict: nodata ? 'no-verdict' : kind === 'none' ? 'no-evidence' : kind, sentence: nodata ? 'manual-lora was carried to invented-8l at 56 of 84 sites. No data was given, so there is no verdict.' : words[kind],
    data: nodata ? null : { file: 'manuals held out.jsonl', documents: 824, sha256: 'ab12cd34ef56'.repeat(5) },
    runs: nodata ? [] : [run('base', BASE_LOSS, 0.41), run('transferred', BASE_LOSS + facts.main[0], 0.522), run('source base', 2.701, 0.44), run('source module', 2.456, 0.65)],
    controls: nodata ? [] : [run('moment-matched random', BASE_LOSS + facts.moment[0], 0.414), run('norm-matched random', BASE_LOSS + facts.norm[0], 0.4), run('shuffled pairs', BASE_LOSS + 0.006, 0.407)],
    impossible: nodata ? [] : [{ name: 'naive copy', why: `widths ${shape.dSource} and ${shape.dTarget} differ` }],
    proof: nodata ? null : {
      curve: ALPHAS.map((alpha, i) => ({ alpha, lossPerToken: 2.905 + (facts.curve[i] ?? 0), ...(labelled ? { accuracy: 0.4 - (facts.curve[i] ?? 0) } : {}) })), chosen: facts.chosen, chooseOn: 412, reportOn: 412, differences: labelled ? [...accuracies, ...losses] : losses,
      lift: kind === 'hurts' ? { value: null, low: null, high: null, measure: 'loss', why: 'the source module has no measurable effect' } : { value: kind === 'none' ? 0.02 : 0.58, low: kind === 'none' ? -0.02 : 0.46, high: kind === 'none' ? 0.07 : 0.69, measure: 'loss' },
      damage: { name: 'the probe texts', before: 3.214, after: 3.222, tokens: 9210 },
      changed: TEXTS.map(([text, change], row) => ({ row: row * 7, text, label: labelled ? 'manual' : null, before: 2.4 + 0.1 * row, after: 2.4 + 0.1 * row + (kind === 'none' ? change / 8 : change), direction: change < 0 ? 'better' : 'worse' })),
    },
  };
}
