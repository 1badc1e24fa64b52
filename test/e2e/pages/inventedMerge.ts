import type { MergePlanDocument } from '../../../extension/protocol/merge';
import { type InspectCell, type InspectModel, type InspectPart, type MergeInspectDocument, pairsOf, type PairSums } from '../../../extension/protocol/mergeInspect';
import { seeded } from './inventedAnalysis';

/** INVENTED comparisons with a plausible shape, for looking at the page without an engine. Nothing here was measured. */
export type MergeCase = 'usual' | 'two' | 'calm' | 'modules' | 'nobase' | 'trouble' | 'large' | 'single';

const NAMES = ['code', 'manual', 'dialogue', 'french'];
const HEAD = { schemaVersion: 1, program: { name: 'modulens', version: '0.1.0' }, warnings: [], timings: { total: 0.9 } } as const;

const model = (name: string, rank?: number): InspectModel => ({ name, path: `/invented/${name}`, parameters: rank ? 196_608 : 6_020_000, bytes: rank ? 786_432 : 12_040_000, dtype: rank ? 'float32' : 'bfloat16', ...(rank ? { rank } : {}) });

/** Sums of a pair with this cosine over so many rows of 320 elements. */
function pair(cosine: number, squares: readonly [number, number], rows: number, random: () => number): PairSums {
  const scale = Math.sqrt(squares[0] * squares[1]), noise = scale / Math.sqrt(rows * 320), own = cosine * scale + noise * (random() - 0.5) * 2, width = 320;
  const both = rows * width, disagree = Math.round(both * (0.5 - Math.asin(Math.max(-1, Math.min(1, own / scale))) / Math.PI));
  const balance = both - 2 * disagree;
  return { dot: own, dotSquares: noise * noise + (own * own) / rows, squares, agree: both - disagree, disagree, balanceSquares: both + (balance * balance) / rows, rows };
}

/** How two models are related at a depth (0 to 1) in a part. */
function relation(which: MergeCase, a: number, b: number, depth: number, part: InspectPart): number {
  if (which === 'calm') return 0;
  if (which === 'nobase') return 0.998;
  const strength = (part === 'ffn' ? 0.34 : part === 'attention' ? 0.15 : 0.02) * Math.max(0, depth - 0.1);
  if (a === 0 && b === 1) return strength;
  if (a === 1 && b === 2) return strength * 0.2;
  if (a === 2 && b === 3) return which === 'modules' ? -strength : -strength * 0.24;
  return 0;
}

export function inventedInspectDocument(which: MergeCase): MergeInspectDocument {
  const random = seeded(11), isModules = which === 'modules', count = which === 'large' ? 10 : which === 'two' ? 2 : which === 'single' ? 1 : 4, layers = which === 'large' ? 48 : 12;
  const names = Array.from({ length: count }, (_, i) => (which === 'large' ? `fine-tune-${i + 1}-of-many` : (NAMES[i] ?? `m${i}`)) + (isModules ? '-lora' : ''));
  const parts: readonly InspectPart[] = isModules ? ['attention', 'ffn'] : ['attention', 'ffn', 'norm', 'embedding'];
  const moved = [0.019, 0.024, which === 'trouble' ? 0 : 0.0042, 0.027], centre = [8, 9, 6, 2], pairs = pairsOf(count), hasBase = !isModules && which !== 'nobase';
  const cell = (layer: number | null, part: InspectPart): InspectCell => {
    const rows = part === 'norm' ? 2 : part === 'embedding' ? 4096 : part === 'ffn' ? 2048 : 1280, elements = rows * 320, baseSquare = elements * 0.0004;
    const deltas = names.map((_, m) => {
      const share = which === 'nobase' ? 1 : (moved[m % 4] ?? 0.01) * (layer === null ? 0.3 : 0.5 + Math.exp(-((layer * (12 / layers) - (centre[m % 4] ?? 6)) ** 2) / 14)) * (0.85 + 0.3 * random()) * (part === 'norm' ? 0.2 : 1);
      const changed = share === 0 ? 0 : Math.round(elements * 0.998), lost = Math.round(changed * Math.min(0.97, 0.0052 / Math.max(share, 1e-4)));
      return { square: share * share * baseSquare, baseSquare: hasBase ? baseSquare : 0, elements, changed, lost: hasBase ? lost : 0 };
    });
    return {
      layer, part, tensors: part === 'norm' ? 2 : part === 'ffn' ? 3 : 4, deltas,
      pairs: pairs.map(([a, b]) => ((deltas[a]?.square ?? 0) === 0 || (deltas[b]?.square ?? 0) === 0 ? { dot: 0, dotSquares: 0, squares: [deltas[a]?.square ?? 0, deltas[b]?.square ?? 0] as const, agree: 0, disagree: 0, balanceSquares: 0, rows: 0 } : pair(relation(which, a, b, layer === null ? 0 : layer / layers, part), [deltas[a]?.square ?? 1, deltas[b]?.square ?? 1], rows, random))),
      ...(isModules ? { factorCosine: pairs.map(() => 0.02 * random()) } : {}),
    };
  };
  const cells = [...Array.from({ length: layers }, (_, l) => parts.filter((part) => part !== 'embedding').map((part) => cell(l, part))).flat(), ...(isModules ? [] : [cell(null, 'norm'), cell(null, 'embedding')])];
  const isTrouble = which === 'trouble';
  return {
    ...HEAD, kind: 'merge-inspect', what: isModules ? 'modules' : 'checkpoints', base: hasBase ? model('invented-12l') : null, models: names.map((name, i) => model(name, isModules ? (i === 2 ? 8 : 16) : undefined)), layers, parts: [...parts], cells,
    alignment: {
      tensors: isModules ? 84 : 111, aligned: isModules ? 84 : isTrouble ? 107 : 111, missing: isTrouble ? [{ model: 1, count: 3, names: ['model.layers.11.mlp.up_proj.weight', 'model.layers.11.mlp.down_proj.weight', 'model.layers.11.mlp.gate_proj.weight'] }] : [],
      shapes: isTrouble ? [{ tensor: 'model.embed_tokens.weight', model: 3, shape: [4100, 320], expected: [4096, 320] }] : [], vocabularies: isModules ? null : isTrouble ? 'different' : 'identical',
      vocabularyRows: names.map((_, i) => (isModules ? null : isTrouble && i === 3 ? 4100 : 4096)), tiedHeads: names.map(() => (isModules ? null : true)),
    },
    dtype: isModules ? 'float32' : 'bfloat16', weight: Number((1 / count).toFixed(2)), bytesRead: isModules ? 3_145_728 : 48_160_000,
  };
}

export function inventedMergePlan(): MergePlanDocument {
  const input = (reference: string, role: 'base' | 'model') => ({ reference, path: `/invented/${reference}`, role, files: [{ file: 'model.safetensors', bytes: 12_040_000 }] });
  return {
    ...HEAD, warnings: [{ code: 'recipe/ignored', message: 'int8_mask has no effect here.' }], kind: 'merge-plan', method: 'ties', formula: 'd\u1d62 = w\u1d62\u00b7top(\u03c4\u1d62, density); s = sign \u03a3 d\u1d62; \u03b8 = \u03b8\u2080 + \u03bb \u03a3[sign d\u1d62 = s] d\u1d62 / \u03a3[sign d\u1d62 = s] w\u1d62',
    inputs: [input('models/invented-12l', 'base'), ...NAMES.map((name) => input(`models/${name}`, 'model'))], layers: 12, tensors: 111, parameters: 6_020_000, merged: 98, copied: 13, dtype: 'bfloat16', vocabulary: 4096,
    outputs: [{ file: 'model.safetensors', bytes: 12_054_112, tensors: 111 }], bytes: 12_054_112, bytesRead: 60_200_000, free: 48_000_000_000,
  };
}
