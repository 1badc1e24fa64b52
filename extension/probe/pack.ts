/** Whole sequences laid one after the other: no padding rows exist anywhere, and taps come out in input order. */
export interface Pack {
  /** Token ids `[tokens]`. */
  readonly ids: Int32Array;
  /** Position of each token in its own sequence `[tokens]`. */
  readonly positions: Float32Array;
  /** Index of the sequence in the run `[tokens]`. */
  readonly sequences: Int32Array;
  /** Index of the pack's first token in the run. */
  readonly offset: number;
  readonly tokens: number;
}

/**
 * Floating-point operations that one run of a block may take: about a tenth of a second on two laptop cores. Fixed, not
 * measured, because the composition of packs must not depend on timing: the same inputs give the same bits.
 */
const FLOPS_PER_RUN = 12e9;
const MIN_TOKENS = 64;
const MAX_TOKENS = 512;

/** Tokens per run for a block with this many parameters. */
export function tokensPerRun(blockParameters: number): number {
  return Math.round(Math.min(MAX_TOKENS, Math.max(MIN_TOKENS, FLOPS_PER_RUN / (2 * blockParameters))));
}

/** Packs sequences in order; a sequence longer than `limit` has a pack of its own. */
export function packSequences(sequences: readonly Int32Array[], limit: number): readonly Pack[] {
  const packs: Pack[] = [];
  let from = 0, offset = 0;
  while (from < sequences.length) {
    let to = from, tokens = 0;
    while (to < sequences.length && (to === from || tokens + sequences[to].length <= limit)) tokens += sequences[to++].length;
    const ids = new Int32Array(tokens), positions = new Float32Array(tokens), owner = new Int32Array(tokens);
    let at = 0;
    for (let s = from; s < to; s++) {
      ids.set(sequences[s], at);
      for (let i = 0; i < sequences[s].length; i++) {
        positions[at + i] = i;
        owner[at + i] = s;
      }
      at += sequences[s].length;
    }
    packs.push({ ids, positions, sequences: owner, offset, tokens });
    offset += tokens;
    from = to;
  }
  return packs;
}

/** What a query may not see gets this: far below any score, and its exponential is exactly 0. */
const HIDDEN = -3e38;

/** Attention bias of a pack `[tokens, tokens]`: 0 where a query sees a key of its own sequence, in its window and (causal) not after it. */
export function attentionBias(pack: Pack, causal: boolean, window: number | undefined): Float32Array {
  const n = pack.tokens, out = new Float32Array(n * n).fill(HIDDEN);
  const reach = window ?? Infinity;
  let start = 0;
  for (let q = 0; q < n; q++) {
    if (q > 0 && pack.sequences[q] !== pack.sequences[q - 1]) start = q;
    let k = Math.max(start, causal ? q - reach + 1 : start);
    for (; k < n && pack.sequences[k] === pack.sequences[q] && (!causal || k <= q); k++) out[q * n + k] = 0;
  }
  return out;
}

/** Attention bias of `tokens` new tokens after `past` earlier ones of the same text, causal: `[tokens, past + tokens]`. */
export function cachedBias(tokens: number, past: number, window: number | undefined): Float32Array {
  const keys = past + tokens, out = new Float32Array(tokens * keys).fill(HIDDEN);
  for (let q = 0; q < tokens; q++) {
    const at = past + q;
    out.fill(0, q * keys + Math.max(0, window === undefined ? 0 : at - window + 1), q * keys + at + 1);
  }
  return out;
}
