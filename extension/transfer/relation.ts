import { readTensorRows } from '../checkpoint/readTensor';
import type { TransferPlan } from '../protocol/transfer';
import { partsOfBlock } from './parts';
import type { SourcePart, TransferModel } from './types';

/** Above this mean cosine of weights one base continues the training of the other; independent bases lie near 0. */
const LINEAGE_COSINE = 0.8;
/** Above this at every site the bases count as the same: nothing needs to be mapped. */
const IDENTICAL_COSINE = 0.999;
/** Rows of each map that are compared. */
const COMPARED_ROWS = 32;

/** How two bases relate, by shapes and by the weights at the module's sites (a sample of rows of each). */
export async function relationOf(from: TransferModel, to: TransferModel, sources: readonly SourcePart[]): Promise<{ readonly relation: TransferPlan['relation']; readonly weightCosine: number | null }> {
  const a = from.model.spec.stacks[0], b = to.model.spec.stacks[0], cosines: number[] = [], seen = new Set<string>();
  let same = a.blocks.length === b.blocks.length && a.dModel === b.dModel;
  for (const { part } of sources) {
    const block = b.blocks.at(part.layer), other = block ? partsOfBlock(to.model, block).find(({ role }) => role === part.role) : undefined;
    if (other?.inWidth !== part.inWidth || other.outWidth !== part.outWidth || other.heads?.count !== part.heads?.count) {
      same = false;
      continue;
    }
    const left = from.model.tensor(part.linear.weight), right = to.model.tensor(other.linear.weight);
    if (seen.has(left.name) || left.shape.join() !== right.shape.join()) continue;
    seen.add(left.name);
    const rows = Math.min(COMPARED_ROWS, left.shape[0]);
    cosines.push(cosine(await readTensorRows(left, 0, rows), await readTensorRows(right, 0, rows)));
  }
  const weightCosine = cosines.length > 0 ? cosines.reduce((sum, x) => sum + x, 0) / cosines.length : null;
  if (!same) return { relation: 'different', weightCosine };
  if (from.facts.fingerprint === to.facts.fingerprint || (cosines.length > 0 && cosines.every((x) => x > IDENTICAL_COSINE))) return { relation: 'identical', weightCosine };
  return { relation: (weightCosine ?? 0) > LINEAGE_COSINE ? 'lineage' : 'same-shapes', weightCosine };
}

function cosine(x: Float32Array, y: Float32Array): number {
  let xy = 0, xx = 0, yy = 0;
  for (let i = 0; i < x.length; i++) {
    xy += x[i] * y[i];
    xx += x[i] * x[i];
    yy += y[i] * y[i];
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : xx === yy ? 1 : 0;
}
