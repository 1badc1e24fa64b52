import type { Notice } from '../protocol/documents';
import type { Tokenizer } from './tokenizer';

export interface Sequences {
  readonly ids: readonly Int32Array[];
  readonly tokens: number;
  /** Texts longer than the context, cut to it. */
  readonly cut: number;
}

/** Tokenises texts with special tokens on and cuts them to the context. */
export function sequencesOf(texts: readonly string[], tokenizer: Tokenizer, context: number): Sequences {
  let cut = 0, tokens = 0;
  const ids = texts.map((text) => {
    const all = tokenizer.encode(text);
    if (all.length > context) cut++;
    const kept = all.length > context ? all.slice(0, context) : all;
    tokens += kept.length;
    return kept;
  }).filter((row) => row.length > 0);
  return { ids, tokens, cut };
}

export function cutNotice(cut: number, context: number): Notice[] {
  return cut === 0 ? [] : [{ code: 'texts-cut', message: `${cut} ${cut === 1 ? 'text was' : 'texts were'} longer than the context of ${context} tokens and cut to it.` }];
}
