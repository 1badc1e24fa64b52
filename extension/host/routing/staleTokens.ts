import type { RoutingResult } from '../../protocol/routing';
import type { BlockState } from './blockState';

/** What is asked of a block: its trace, which of its texts, and how much of it still holds. */
export type RoutedBlock = Pick<BlockState, 'trace' | 'record' | 'fresh'>;

/**
 * Tokens `[from, to)` of a trace that the document has left behind: those that an edit touched or stand behind one, and those of texts
 * that are gone.
 */
export function staleTokens(result: RoutingResult, blocks: readonly RoutedBlock[]): readonly (readonly [number, number])[] {
  const { records, tokens } = result.head;
  const holds = new Map<number, number>();
  for (const block of blocks) if (block.trace?.result.key === result.key) holds.set(block.record, block.fresh);
  const out: [number, number][] = [];
  records.forEach(({ from, to }, record) => {
    const fresh = holds.get(record) ?? 0;
    for (let token = from; token < to; token++) {
      // Tokens without a place stand before the text.
      if ((tokens[token].end ?? 0) <= fresh && holds.has(record)) continue;
      const last = out[out.length - 1];
      if (last?.[1] === token) last[1] = token + 1;
      else out.push([token, token + 1]);
    }
  });
  return out;
}
