import { endOf, type TextBlock } from './blocks';

/** Length of the common beginning of two texts. */
export function commonPrefix(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}

/** Length of the common end of two texts that does not overlap their common beginning of `prefix` units. */
export function commonSuffix(a: string, b: string, prefix: number): number {
  const most = Math.min(a.length, b.length) - prefix;
  let length = 0;
  while (length < most && a.charCodeAt(a.length - 1 - length) === b.charCodeAt(b.length - 1 - length)) length++;
  return length;
}

/**
 * Units of a text that keep their routing after an edit, for a causal model: everything before the word that the edit
 * touches, because a token may change with the letters that follow it. All of it when nothing changed.
 */
export function freshUnits(routed: string, now: string, causal = true): number {
  if (routed === now) return now.length;
  if (!causal) return 0;
  let at = commonPrefix(routed, now);
  while (at > 0 && !/\s/.test(now[at - 1])) at--;
  // A token often holds the blank before its word.
  while (at > 0 && /\s/.test(now[at - 1])) at--;
  return at;
}

/** A block after an edit, and the index of the block that it was; null = new. */
export interface Carried {
  readonly block: TextBlock;
  readonly was: number | null;
}

/** Windows of a plain text after an edit: those before it stay, those behind it move, those that it touches become one. */
export function carryWindows(old: readonly TextBlock[], oldText: string, newText: string): readonly Carried[] {
  const prefix = commonPrefix(oldText, newText);
  const suffix = commonSuffix(oldText, newText, prefix);
  const shift = newText.length - oldText.length;
  const carried: Carried[] = [];
  let touched: { from: number; to: number; was: number } | null = null;
  let claimed = false;
  const flush = (): void => {
    if (!touched) return;
    carried.push({ block: { text: newText.slice(touched.from, touched.to), base: touched.from, offsets: null }, was: touched.was });
    touched = null;
  };
  old.forEach((block, was) => {
    const end = endOf(block);
    const isLast = was === old.length - 1;
    if (end < prefix || (end === prefix && !isLast && old[was + 1].base === end)) {
      carried.push({ block, was });
    } else if (claimed && block.base >= oldText.length - suffix) {
      flush();
      carried.push({ block: { ...block, base: block.base + shift }, was });
    } else {
      claimed = true;
      touched = { from: touched ? touched.from : Math.min(block.base, prefix), to: Math.max(end, oldText.length - suffix <= end ? end : prefix) + shift, was: touched ? touched.was : was };
    }
  });
  flush();
  return carried.filter(({ block }) => block.text.trim() !== '');
}

/** Records after an edit: equal ones at both ends keep their place, those between are paired in order. */
export function carryRecords(old: readonly TextBlock[], next: readonly TextBlock[]): readonly Carried[] {
  let front = 0;
  while (front < old.length && front < next.length && old[front].text === next[front].text) front++;
  let back = 0;
  while (back < Math.min(old.length, next.length) - front && old[old.length - 1 - back].text === next[next.length - 1 - back].text) back++;
  return next.map((block, i) => {
    if (i < front) return { block, was: i };
    if (i >= next.length - back) return { block, was: old.length - (next.length - i) };
    return { block, was: i < old.length - back ? i : null };
  });
}
