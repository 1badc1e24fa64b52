import type { MappedSide } from './choose';
import type { GroupStatistics } from './statistics';
import type { CarriedPart, PartPair } from './types';

/** A carried part with what its maps reached; the worse side speaks for the site. */
export function carriedPart(pair: PartPair, a: MappedSide, b: MappedSide, input: GroupStatistics, output: GroupStatistics): CarriedPart {
  const worse = a.r2 <= b.r2 ? a : b, { rank, scaling } = pair.from[0];
  return {
    pair, a: a.factor, b: b.factor, rank, scaling,
    maps: {
      coverageIn: a.coverage, coverageOut: b.coverage, mapIn: a.kind, mapOut: b.kind, rhoIn: a.rho, rhoOut: b.rho, r2: worse.r2, r2Null: worse.r2Null, r2In: a.r2, r2Out: b.r2,
      scaleIn: a.scale, scaleOut: b.scale, tokens: Math.max(input.tokens, input.samples?.n ?? 0, output.tokens), heldOut: input.heldOut.n,
    },
  };
}
