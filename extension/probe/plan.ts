import type { Notice, ProbeFacts } from '../protocol/documents';
import type { TextFile } from './texts';
import type { Tokenizer } from './tokenizer';

/** Which texts of a probe run, and what happens to their tokens. */
export interface ProbePlan {
  readonly sequences: readonly Int32Array[];
  /** Label index per sequence, -1 without. */
  readonly labels: Int32Array;
  readonly labelNames: readonly string[];
  /** Per sequence: 0 = partitions are made on it, 1 = they are scored on it. */
  readonly half: Uint8Array;
  /** Per sequence and token: 1 = left out of statistics (first tokens, special tokens). */
  readonly dropped: readonly Uint8Array[];
  readonly facts: ProbeFacts;
  readonly warnings: readonly Notice[];
}

/** Longest piece of a text that a probe runs; longer contexts tell little more about neurons and cost quadratically. */
const LONGEST_TEXT = 512;

/**
 * Tokenises a probe and splits it in halves, text by text within each label, so that no context reaches from one half into
 * the other. Texts are taken in turn from each label until one would pass `limit` tokens.
 */
export function planProbe(file: TextFile, tokenizer: Tokenizer, context: number, limit: number): ProbePlan {
  const labelNames = [...new Set(file.texts.map((t) => t.label).filter((l): l is string => l !== null))];
  const groups = new Map<string | null, number[]>();
  file.texts.forEach((t, i) => { const list = groups.get(t.label); if (list) list.push(i); else groups.set(t.label, [i]); });
  const order: { readonly text: number; readonly half: number }[] = [];
  const longest = Math.max(...[...groups.values()].map((g) => g.length));
  for (let turn = 0; turn < longest; turn++) for (const list of groups.values()) if (turn < list.length) order.push({ text: list[turn], half: turn % 2 });
  const cap = Math.min(context, LONGEST_TEXT);
  const kept: { readonly ids: Int32Array; readonly label: number; readonly half: number }[] = [];
  let tokens = 0, cut = 0, unused = 0;
  for (const [turn, { text, half }] of order.entries()) {
    const all = tokenizer.encode(file.texts[text].text);
    if (all.length < 2) continue;
    const ids = all.length > cap ? all.slice(0, cap) : all;
    // The rest is not even tokenised: with a large probe that would cost more than the first layer.
    if (tokens + ids.length > limit && kept.length >= 2 * groups.size) { unused = order.length - turn; break; }
    if (all.length > cap) cut++;
    const label = file.texts[text].label;
    kept.push({ ids, label: label === null ? -1 : labelNames.indexOf(label), half });
    tokens += ids.length;
  }
  const dropped = kept.map(({ ids }) => Uint8Array.from(ids, (id, i) => (i === 0 || tokenizer.isSpecial(id) ? 1 : 0)));
  const tokensPerLabel = new Array<number>(labelNames.length).fill(0);
  const halves = [0, 0];
  let droppedTokens = 0;
  kept.forEach(({ ids, label, half }, s) => {
    const used = ids.length - dropped[s].reduce((sum, x) => sum + x, 0);
    droppedTokens += ids.length - used;
    halves[half] += used;
    if (half === 1 && label >= 0) tokensPerLabel[label] += used;
  });
  const warnings: Notice[] = [];
  if (cut > 0) warnings.push({ code: 'texts-cut', message: `${cut} ${cut === 1 ? 'text was' : 'texts were'} longer than ${cap} tokens and cut.` });
  if (unused > 0) warnings.push({ code: 'texts-unused', message: `${unused} of ${file.texts.length} texts were left out to stay within ${limit} tokens.` });
  return {
    sequences: kept.map((k) => k.ids), labels: Int32Array.from(kept, (k) => k.label), labelNames, half: Uint8Array.from(kept, (k) => k.half), dropped, warnings,
    facts: { name: file.name, texts: kept.length, tokens, splitTokens: halves[0], scoreTokens: halves[1], droppedTokens, sha256: file.sha256, labels: labelNames, tokensPerLabel },
  };
}
