import type { BoundModel } from '../architecture/resolve';
import { readTensor } from '../checkpoint/readTensor';
import type { LoraFactors } from '../module/writeLora';
import { truncateFactors } from '../numerics/lowRankSvd';
import { failure } from '../protocol/errors';
import type { TransferredSite } from '../protocol/transfer';
import { squaredNorm } from '../module/shuffle';
import type { CarriedPart, SitePart } from './types';

/** Carried parts as factors of the target's own maps, and what is reported of each. */
export interface Assembled {
  readonly factors: readonly LoraFactors[];
  readonly sites: readonly TransferredSite[];
  /** Share of the squared norm that a cap on the rank kept, where it cut anything. */
  readonly cut: readonly { readonly name: string; readonly rank: number; readonly energy: number }[];
}

/**
 * Divides strengths where several layers take one part, caps ranks at what the map can hold, and puts parts of a fused map together: they share A where
 * it is the same, else their factors are stacked.
 */
export async function assemble(carried: readonly CarriedPart[], from: BoundModel, to: BoundModel): Promise<Assembled> {
  const byMap = new Map<string, CarriedPart[]>(), norms = new Map<string, number>(), cut: { name: string; rank: number; energy: number }[] = [], factors: LoraFactors[] = [], sites: TransferredSite[] = [];
  for (const part of carried) {
    for (const values of [part.a, part.b]) if (!values.every(Number.isFinite)) throw failure('runtime/not-finite', { what: `The carried factors of ${part.pair.to.name}`, value: String(values.find((x) => !Number.isFinite(x))) });
    const { linear } = part.pair.to;
    byMap.set(linear.weight, [...(byMap.get(linear.weight) ?? []), { ...part, scaling: part.scaling / part.pair.copies }]);
  }
  for (const parts of byMap.values()) {
    const { linear, target } = parts[0].pair.to, whole = linear.outWidth, { a, b, rank, scaling } = together(parts, whole), most = Math.min(linear.inWidth, whole);
    let kept: LoraFactors = { target, a, b, rank, scaling, inWidth: linear.inWidth, outWidth: whole };
    if (rank > most) {
      const small = truncateFactors(a, b, rank, most);
      kept = { ...kept, a: Float32Array.from(small.a), b: Float32Array.from(small.b), rank: small.rank };
      cut.push({ name: linear.site, rank: small.rank, energy: small.energy });
    }
    factors.push(kept);
    for (const part of parts) {
      const { pair, maps } = part, normOf = async (model: BoundModel, site: SitePart): Promise<number> => {
        const key = `${model.checkpoint.path} ${site.name}`, known = norms.get(key) ?? await weightNorm(model, site);
        norms.set(key, known);
        return known;
      };
      const source = Math.sqrt(pair.from.reduce((sum, s) => sum + s.scaling ** 2 * squaredNorm(s.a, s.b, s.rank), 0) / pair.from.length), arrived = Math.abs(part.scaling) * Math.sqrt(squaredNorm(part.a, part.b, part.rank));
      sites.push({
        name: pair.to.name, from: pair.from.map((s) => s.part.name).join(' + '), kept: kept.rank, coverage: maps.coverageIn * maps.coverageOut, ...maps,
        relativeNormFrom: source / await normOf(from, pair.from[0].part), relativeNormTo: arrived / await normOf(to, pair.to),
      });
    }
  }
  return { factors, sites, cut };
}

type Factors = Pick<CarriedPart, 'a' | 'b' | 'rank' | 'scaling'>;

/** The factors of a whole map from those of its parts. */
function together(parts: readonly CarriedPart[], outWidth: number): Factors {
  const [first] = parts;
  if (first.pair.to.rows === null) return first;
  const place = (b: Float32Array, part: CarriedPart, column: number, rank: number): void => {
    const factor = part.scaling / first.scaling;
    part.pair.to.rows?.forEach((row, i) => { for (let k = 0; k < part.rank; k++) b[row * rank + column + k] = factor * part.b[i * part.rank + k]; });
  };
  const shared = parts.every((part) => part.rank === first.rank && part.a.every((x, i) => x === first.a[i])), rank = shared ? first.rank : parts.reduce((sum, part) => sum + part.rank, 0);
  const a = shared ? first.a : new Float32Array(parts.reduce((sum, part) => sum + part.a.length, 0)), b = new Float32Array(outWidth * rank);
  let column = 0;
  for (const part of parts) {
    place(b, part, column, rank);
    if (shared) continue;
    a.set(part.a, column * part.pair.to.inWidth);
    column += part.rank;
  }
  return { a, b, rank, scaling: first.scaling };
}

/** Frobenius norm of a part's weights. */
async function weightNorm(model: BoundModel, { linear, rows }: SitePart): Promise<number> {
  const weight = await readTensor(model.tensor(linear.weight)), { inWidth, outWidth, layout } = linear, chosen = rows ? new Set(rows) : null;
  let sum = 0;
  for (let o = 0; o < outWidth; o++) {
    if (chosen && !chosen.has(o)) continue;
    for (let i = 0; i < inWidth; i++) sum += weight[layout === 'outIn' ? o * inWidth + i : i * outWidth + o] ** 2;
  }
  return Math.sqrt(sum);
}
