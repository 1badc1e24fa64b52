import type { RoutingHead } from '../../protocol/routing';
import { commonPrefix, commonSuffix } from './changes';

/**
 * Where the tokens of an edited text went: those before the edit and those behind it keep their place in the text and
 * get the number that is there now; what the edit touched has none.
 */
export function renumber(old: RoutingHead, oldRecord: number, oldText: string, next: RoutingHead, text: string): (token: number) => number | null {
  const prefix = commonPrefix(oldText, text);
  const suffix = commonSuffix(oldText, text, prefix);
  const places = new Map<string, number>();
  const { from, to } = next.records[0];
  for (let token = from; token < to; token++) places.set(placeOf(next, token, 0), token);
  return (token) => {
    const { start, end, record } = old.tokens[token] ?? { start: null, end: null, record: -1 };
    if (record !== oldRecord || start === null || end === null) return null;
    const shift = end <= prefix ? 0 : start >= oldText.length - suffix ? text.length - oldText.length : null;
    return shift === null ? null : (places.get(placeOf(old, token, shift)) ?? null);
  };
}

/** The token of another run of the same records at the same place, or null. */
export function sameToken(old: RoutingHead, next: RoutingHead, token: number): number | null {
  const before = old.tokens[token];
  const after = next.tokens[token];
  return before && after && before.record === after.record && before.start === after.start && before.end === after.end && before.id === after.id ? token : null;
}

function placeOf(head: RoutingHead, token: number, shift: number): string {
  const { start, end, part } = head.tokens[token];
  return start === null || end === null ? `special ${token}` : `${start + shift} ${end + shift} ${part?.[0] ?? 0}`;
}
