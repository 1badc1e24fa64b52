import { failure } from '../protocol/errors';
import type { DroppedPart } from '../protocol/transfer';
import { linearFinder } from '../module/sites';
import { squaredNorm } from '../module/shuffle';
import { partsOfBlock } from './parts';
import type { LoraFactors } from '../module/writeLora';
import type { SitePart, SourceModule, SourcePart, TransferModel } from './types';

/**
 * The module's parts on its own base: factors of fused maps split by role, each with its share of the squared update.
 * @throws transfer/not-finite, transfer/no-effect, transfer/base-mismatch
 */
export function sourceParts(module: SourceModule, from: TransferModel): { readonly sources: readonly SourcePart[]; readonly dropped: readonly DroppedPart[] } {
  const { model } = from, find = linearFinder(model), dropped: DroppedPart[] = [], found: { readonly factors: LoraFactors; readonly parts: readonly SitePart[] }[] = [];
  const parts = model.spec.stacks[0].blocks.flatMap((block) => partsOfBlock(model, block)), missing: string[] = [];
  let total = 0;
  const energies = module.factors.map((f) => {
    for (const [tensor, values] of [['A', f.a], ['B', f.b]] as const) if (!values.every(Number.isFinite) || !Number.isFinite(f.scaling)) throw failure('transfer/not-finite', { path: module.path, tensor: `${f.target} (${tensor})` });
    const energy = f.scaling ** 2 * squaredNorm(f.a, f.b, f.rank);
    total += energy;
    return energy;
  });
  if (!(total > 0)) throw failure('transfer/no-effect', { path: module.path });
  for (const [i, factors] of module.factors.entries()) {
    const linear = find(factors.target), share = energies[i] / total;
    if (!linear) {
      missing.push(factors.target);
      dropped.push({ name: factors.target, share, reason: `${from.facts.name} has no linear map of this name in its blocks` });
      continue;
    }
    if (linear.inWidth !== factors.inWidth || linear.outWidth !== factors.outWidth) {
      throw failure('transfer/base-mismatch', { path: module.path, from: from.facts.path, reason: `"${factors.target}" maps ${factors.inWidth} to ${factors.outWidth} features in the module and ${linear.inWidth} to ${linear.outWidth} there` });
    }
    // Blocks of one weight group share their maps (ALBERT): the first stands for all.
    const own = parts.filter((part, at) => part.linear.weight === linear.weight && parts.findIndex((other) => other.linear.weight === part.linear.weight && other.role === part.role) === at);
    if (own.length === 0) dropped.push({ name: linear.site, share, reason: 'this map has no counterpart in other families' });
    else found.push({ factors, parts: own });
  }
  if (found.length === 0 && missing.length === module.factors.length) throw failure('transfer/base-mismatch', { path: module.path, from: from.facts.path, reason: `it has no linear map called "${missing[0]}"` });
  const sources = found.flatMap(({ factors, parts: own }) => own.map((part): SourcePart => {
    const b = part.rows ? takeRows(factors.b, factors.rank, part.rows) : factors.b;
    return { part, a: factors.a, b, rank: factors.rank, scaling: factors.scaling, share: (factors.scaling ** 2 * squaredNorm(factors.a, b, factors.rank)) / total };
  }));
  return { sources, dropped: [...dropped, ...(module.left ?? []).map(({ name, reason }) => ({ name, reason, share: 0 }))] };
}

function takeRows(b: Float32Array, rank: number, rows: Int32Array): Float32Array {
  const out = new Float32Array(rows.length * rank);
  rows.forEach((row, i) => { out.set(b.subarray(row * rank, (row + 1) * rank), i * rank); });
  return out;
}
