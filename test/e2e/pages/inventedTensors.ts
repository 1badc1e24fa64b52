import type { InspectDocument, TensorEntry, TensorStatistics, TensorTile } from '../../../extension/protocol/documents';
import { seeded } from './inventedAnalysis';

const PARTS: readonly (readonly [string, readonly number[]])[] = [
  ['input_layernorm.weight', [2048]], ['self_attn.q_proj.weight', [2048, 2048]], ['self_attn.k_proj.weight', [512, 2048]], ['self_attn.v_proj.weight', [512, 2048]], ['self_attn.o_proj.weight', [2048, 2048]],
  ['self_attn.q_norm.weight', [128]], ['self_attn.k_norm.weight', [128]], ['post_attention_layernorm.weight', [2048]], ['mlp.gate.weight', [1024, 2048]],
];
const EXPERT_PARTS: readonly (readonly [string, readonly number[]])[] = [['down_proj.weight', [2048, 128]], ['gate_proj.weight', [128, 2048]], ['up_proj.weight', [128, 2048]]];

/** INVENTED: a mixture-of-experts checkpoint with about so many tensors. */
export function inventedInspect(count: number): InspectDocument {
  const tensors: TensorEntry[] = [];
  const add = (name: string, shape: readonly number[], dtype = 'BF16'): void => {
    tensors.push({ name, dtype, shape, file: 'model.safetensors', bytes: shape.reduce((a, b) => a * b, 1) * (dtype === 'F32' ? 4 : 2) });
  };
  add('model.embed_tokens.weight', [151936, 2048]);
  const layers = 64;
  const experts = Math.max(1, Math.round((count / layers - PARTS.length) / 3));
  for (let layer = 0; layer < layers; layer++) {
    for (const [name, shape] of PARTS) add(`model.layers.${layer}.${name}`, shape, name === 'mlp.gate.weight' ? 'F32' : 'BF16');
    for (let e = 0; e < experts; e++) for (const [name, shape] of EXPERT_PARTS) add(`model.layers.${layer}.mlp.experts.${e}.${name}`, shape);
  }
  add('model.norm.weight', [2048]);
  add('lm_head.weight', [151936, 2048]);
  const bytes = tensors.reduce((sum, t) => sum + t.bytes, 0);
  return {
    kind: 'inspect', schemaVersion: 1, program: { name: 'modulens', version: '0.0.0' }, warnings: [], timings: { total: 0.41 }, name: 'invented.safetensors', path: '/invented', fingerprint: 'invented', family: null, architecture: null, format: 'safetensors',
    parameters: tensors.reduce((sum, t) => sum + t.shape.reduce((a, b) => a * b, 1), 0), bytes, dtype: 'BF16', layers, dModel: 2048, dFf: 128, heads: null, vocabulary: 151936, context: null, activation: null, tokenizer: false, runnable: false, cannotRun: 'Invented.', tensors, leftOver: [],
  };
}

const hash = (name: string): number => [...name].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) >>> 0, 7);

export function inventedStatistics(name: string): TensorStatistics {
  const random = seeded(hash(name));
  const norm = /norm/.test(name);
  const bad = name.endsWith('17.self_attn.o_proj.weight');
  const mean = norm ? 0.6 + 0.4 * random() : (random() - 0.5) * 5e-5;
  const sd = norm ? 0.1 : 0.015 + 0.015 * random();
  const counts = Float64Array.from({ length: 61 }, (_, k) => {
    const z = ((k + 0.5) / 61 - 0.5) * 15.2;
    return Math.round(4.19e5 * (Math.exp((-z * z) / 2) + 0.0022 * Math.exp(-Math.abs(z) / 1.35)));
  });
  return { name, elements: 4194304, mean, sd, min: mean - 7.6 * sd, max: mean + 7.6 * sd, zeros: bad ? 262144 : 0, nan: bad ? 3 : 0, infinite: bad ? 1 : 0, l2: 49.4, kurtosis: 2.71, histogram: { from: mean - 7.6 * sd, to: mean + 7.6 * sd, counts } };
}

export function inventedTensorTile(name: string, width: number, height: number): TensorTile {
  const random = seeded(hash(name) + 1);
  const normal = (): number => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
  const bad = name.endsWith('17.self_attn.o_proj.weight');
  const known = [...PARTS, ...EXPERT_PARTS].find(([part]) => name.endsWith(part));
  const shape = known ? known[1] : [151936, 2048];
  const rows = shape.length > 1 ? shape[0] ?? 1 : 1;
  const columns = shape[shape.length - 1] ?? 1;
  const w = Math.min(width, columns);
  const h = Math.min(height, rows);
  const heads = Array.from({ length: 16 }, () => 0.55 + 0.7 * random());
  const gain = Array.from({ length: h }, () => 0.75 + 0.4 * random() + (random() < 0.018 ? 1.6 : 0));
  const data = new Float32Array(w * h);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    const head = Math.floor((x / w) * 16);
    data[y * w + x] = bad && head === 11 ? 0 : normal() * 0.045 * (heads[head] ?? 1) * (gain[y] ?? 1);
  }
  const notFinite: [number, number][] = bad ? [[451, 635], [451, 758], [962, 635], [1249, 1597]] : [];
  for (const [row, column] of notFinite.slice(0, 3)) data[Math.floor((row / rows) * h) * w + Math.floor((column / columns) * w)] = NaN;
  if (bad) data[Math.floor((1249 / rows) * h) * w + Math.floor((1597 / columns) * w)] = Infinity;
  const norm = (length: number, strong: (i: number) => number): Float32Array => Float32Array.from({ length }, (_, i) => (1 + 0.05 * normal()) * strong(i));
  return { name, shape, width: w, height: h, data, rowNorms: norm(rows, (i) => gain[Math.floor((i / rows) * h)] ?? 1), columnNorms: norm(columns, (i) => (bad && Math.floor((i / columns) * 16) === 11 ? 0 : heads[Math.floor((i / columns) * 16)] ?? 1)), rowBand: [0.9, 1.1], columnBand: [0.9, 1.1], nullDraws: 20, notFinite };
}
