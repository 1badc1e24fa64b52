import { setImmediate as nextTick } from 'node:timers/promises';
import { readTensor } from '../../checkpoint/readTensor';
import type { LoraModule, LoraSite } from '../../module/types';
import { type InspectAlignment, type InspectCell, pairsOf } from '../../protocol/mergeInspect';
import { CellSums, type Walk } from './inspectCheckpoints';
import { partOf } from './parts';
import { sumRows } from './sums';

/** Elements of an update that are in memory at once, for each module. */
const CHUNK_ELEMENTS = 1 << 20;

interface Factors {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly site: LoraSite;
}

/** Linear maps that several LoRAs change, by the base's own names; and which of them all change with one shape. */
export function alignModules(modules: readonly LoraModule[]): { readonly targets: readonly string[]; readonly alignment: InspectAlignment } {
  const shapeOf = ({ a, b }: LoraSite): readonly number[] => [b.shape[0], a.shape[1]];
  const union = new Map<string, readonly number[]>();
  for (const { sites } of modules) for (const site of sites) if (!union.has(site.target)) union.set(site.target, shapeOf(site));
  const shapes: InspectAlignment['shapes'][number][] = [], targets: string[] = [];
  for (const [target, expected] of union) {
    const found = modules.map(({ sites }) => sites.find((site) => site.target === target)), other = found.findIndex((site) => site !== undefined && shapeOf(site).join() !== expected.join());
    const different = found[other];
    if (different) shapes.push({ tensor: target, model: other, shape: shapeOf(different), expected });
    else targets.push(target);
  }
  const missing = modules.map(({ sites }, model) => {
    const names = [...union.keys()].filter((target) => !sites.some((site) => site.target === target));
    return { model, count: names.length, names: names.slice(0, 8) };
  }).filter(({ count }) => count > 0);
  return { targets, alignment: { tensors: union.size, aligned: targets.filter((target) => !missing.some(({ model }) => !modules[model].sites.some((site) => site.target === target))).length, missing, shapes: shapes.slice(0, 8), vocabularies: null, vocabularyRows: modules.map(() => null), tiedHeads: modules.map(() => null) } };
}

/** Updates of LoRAs, map by map: their sums as for checkpoints (an update is the difference), and whether their factors A started alike. */
export async function inspectModules(modules: readonly LoraModule[], targets: readonly string[], { signal, progress }: Walk): Promise<{ readonly cells: readonly InspectCell[]; readonly layers: number; readonly bytesRead: number }> {
  const sums = new CellSums(modules.length), pairs = pairsOf(modules.length), cosines = new Map<string, { total: number; count: number }[]>(), start = performance.now();
  let layers = 0, bytesRead = 0;
  for (const [done, target] of targets.entries()) {
    const factors = await Promise.all(modules.map(async ({ sites }): Promise<Factors | null> => {
      const site = sites.find((one) => one.target === target);
      if (!site) return null;
      bytesRead += site.a.bytes + site.b.bytes;
      return { site, a: await readTensor(site.a), b: await readTensor(site.b) };
    }));
    const known = factors.find((one) => one !== null);
    if (!known) continue;
    const rows = known.site.b.shape[0], row = known.site.a.shape[1], match = /(?:^|\.)(\d+)\.(.*)$/.exec(target), layer = match ? Number(match[1]) : null, part = partOf(match ? `.${match[2]}` : target, match !== null);
    layers = Math.max(layers, (layer ?? -1) + 1);
    const step = Math.max(1, Math.floor(CHUNK_ELEMENTS / row));
    for (let from = 0; from < rows; from += step) {
      const to = Math.min(rows, from + step);
      sums.add(layer, part, sumRows(null, factors.map((one) => (one ? updateRows(one, from, to, row) : new Float32Array((to - from) * row))), { row, weight: 1, dtype: 'F32' }));
      progress({ stage: `comparing ${target}`, done, total: targets.length, etaSeconds: done > 0 ? (((performance.now() - start) / 1000) * (targets.length - done)) / done : null });
      await nextTick();
      signal.throwIfAborted();
    }
    const key = `${layer ?? ''} ${part}`, list = cosines.get(key) ?? pairs.map(() => ({ total: 0, count: 0 }));
    cosines.set(key, list);
    pairs.forEach(([i, j], p) => {
      const value = factorCosine(factors[i], factors[j]);
      if (value === null) return;
      list[p].total += value;
      list[p].count++;
    });
  }
  const cells = sums.list().map((cell) => ({ ...cell, factorCosine: (cosines.get(`${cell.layer ?? ''} ${cell.part}`) ?? []).map(({ total, count }) => (count === 0 ? null : total / count)) }));
  return { cells, layers, bytesRead };
}

/** Rows `[from, to)` of scaling · B A. */
function updateRows({ site: { rank, scaling }, a, b }: Factors, from: number, to: number, width: number): Float32Array {
  const out = new Float32Array((to - from) * width);
  for (let r = from; r < to; r++) for (let k = 0; k < rank; k++) {
    const factor = scaling * b[r * rank + k], at = (r - from) * width, row = k * width;
    if (factor !== 0) for (let c = 0; c < width; c++) out[at + c] += factor * a[row + c];
  }
  return out;
}

/** Cosine of the factors A as vectors; null where their shapes differ or one is zero. */
function factorCosine(one: Factors | null, two: Factors | null): number | null {
  if (!one || !two || one.a.length !== two.a.length) return null;
  let dot = 0, aa = 0, bb = 0;
  for (let i = 0; i < one.a.length; i++) {
    dot += one.a[i] * two.a[i];
    aa += one.a[i] * one.a[i];
    bb += two.a[i] * two.a[i];
  }
  return aa === 0 || bb === 0 ? null : dot / Math.sqrt(aa * bb);
}
