import type { Random } from '../numerics/random';
import type { RoutingTrace } from '../protocol/routing';

/** Neighbouring tokens are alike, so labels are shuffled, and tokens resampled, in blocks of this many. */
export const BLOCK = 16;

/** Tokens that stand in the text, and what they belong to. */
export interface Places {
  readonly tokens: readonly number[];
  /** Label index of each, -1 without. */
  readonly label: Int32Array;
  /** Block of each, ascending; a block lies in one record. */
  readonly block: Int32Array;
  readonly blocks: number;
  /** Label of each block. */
  readonly blockLabel: Int32Array;
  /** 1 where a record begins. */
  readonly breaks: Uint8Array;
}

/** Places of a trace's tokens; `labels`: those that are counted. */
export function placesOf(trace: Pick<RoutingTrace, 'tokens' | 'records'>, labels: readonly string[]): Places {
  const tokens: number[] = [], label: number[] = [], block: number[] = [], blockLabel: number[] = [], breaks: number[] = [];
  for (const [r, record] of trace.records.entries()) {
    const own = record.label === null ? -1 : labels.indexOf(record.label);
    let inRecord = 0;
    for (let t = record.from; t < record.to; t++) {
      if (trace.tokens[t].start === null) continue;
      if (inRecord % BLOCK === 0) blockLabel.push(own);
      breaks.push(inRecord === 0 && r >= 0 ? 1 : 0);
      tokens.push(t);
      label.push(own);
      block.push(blockLabel.length - 1);
      inRecord++;
    }
  }
  return { tokens, label: Int32Array.from(label), block: Int32Array.from(block), blocks: blockLabel.length, blockLabel: Int32Array.from(blockLabel), breaks: Uint8Array.from(breaks) };
}

/** Tokens with their blocks in random order. */
export function blockOrder(places: Places, random: Random): Int32Array {
  const members: number[][] = Array.from({ length: places.blocks }, () => []);
  for (let i = 0; i < places.block.length; i++) members[places.block[i]].push(i);
  return Int32Array.from(Array.from(random.permutation(places.blocks)).flatMap((b) => members[b]));
}
