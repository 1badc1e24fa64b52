import { cutNotice } from '../probe/sequences';
import type { Tokenizer } from '../probe/tokenizer';
import type { Notice } from '../protocol/documents';
import type { RoutingRecord, RoutingToken } from '../protocol/routing';
import { alignTokens } from '../probe/alignment';

/** Texts as the model reads them, and where each token stands in its text. */
export interface PlacedTokens {
  readonly ids: readonly Int32Array[];
  readonly records: readonly RoutingRecord[];
  readonly tokens: readonly RoutingToken[];
  readonly warnings: readonly Notice[];
}

/** Tokenises texts with special tokens on, cuts them to the context and finds the place of each token. */
export function placeTokens(texts: readonly { readonly text: string; readonly label?: string | null }[], tokenizer: Tokenizer, context: number): PlacedTokens {
  const ids: Int32Array[] = [], records: RoutingRecord[] = [], tokens: RoutingToken[] = [];
  for (const { text, label } of texts) {
    const all = tokenizer.encode(text), used = all.slice(0, context), from = tokens.length;
    for (const [i, span] of alignTokens(text, used, tokenizer).entries()) tokens.push({ id: used[i], text: tokenizer.tokenText(used[i]), record: records.length, special: tokenizer.isSpecial(used[i]), ...span });
    records.push({ from, to: tokens.length, label: label ?? null, cut: all.length - used.length });
    ids.push(used);
  }
  return { ids, records, tokens, warnings: cutNotice(records.filter(({ cut }) => cut > 0).length, context) };
}
