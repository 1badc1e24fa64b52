import { describe, expect, it } from 'vitest';
import { Random } from '../../../extension/numerics/random';
import { attentionBias, cachedBias, packSequences, tokensPerRun } from '../../../extension/probe/pack';

const random = new Random(0, 'packs');
const sequencesOf = (lengths: readonly number[]): Int32Array[] => lengths.map((n) => Int32Array.from({ length: n }, () => random.integer(100)));

describe('packs', () => {
  it('hold every id once, in order, whole sequences only', () => {
    for (let round = 0; round < 200; round++) {
      const sequences = sequencesOf(Array.from({ length: 1 + random.integer(12) }, () => 1 + random.integer(30))), limit = 1 + random.integer(40);
      const packs = packSequences(sequences, limit);
      expect(packs.flatMap((pack) => [...pack.ids])).toEqual(sequences.flatMap((s) => [...s]));
      expect(packs.flatMap((pack) => [...pack.positions])).toEqual(sequences.flatMap((s) => Array.from(s, (_id, i) => i)));
      expect(packs.flatMap((pack) => [...pack.sequences])).toEqual(sequences.flatMap((s, i) => Array.from(s, () => i)));
      let offset = 0;
      for (const pack of packs) {
        expect(pack.offset).toBe(offset);
        expect(pack.tokens).toBe(pack.ids.length);
        expect(pack.tokens <= limit || new Set(pack.sequences).size === 1).toBe(true);
        expect(pack.positions[0]).toBe(0);
        offset += pack.tokens;
      }
    }
  });

  it('do not depend on anything but the model', () => {
    expect(tokensPerRun(1)).toBe(512);
    expect(tokensPerRun(1e12)).toBe(64);
    expect(tokensPerRun(2e7)).toBe(300);
  });
});

describe('attention bias', () => {
  it('lets a token see its own sequence, its window and nothing else', () => {
    for (let round = 0; round < 60; round++) {
      const packs = packSequences(sequencesOf(Array.from({ length: 1 + random.integer(5) }, () => 1 + random.integer(9))), 100);
      const causal = random.integer(2) === 1, window = causal && random.integer(2) === 1 ? 1 + random.integer(6) : undefined;
      for (const pack of packs) {
        const bias = attentionBias(pack, causal, window), n = pack.tokens;
        for (let q = 0; q < n; q++) {
          for (let k = 0; k < n; k++) {
            const seen = pack.sequences[q] === pack.sequences[k] && (!causal || k <= q) && (window === undefined || q - k < window);
            if (seen) expect(bias[q * n + k]).toBe(0);
            else expect(Math.exp(bias[q * n + k])).toBe(0);
          }
        }
      }
    }
  });

  it('after a past is the bottom of the whole text\'s', () => {
    for (const [past, tokens, window] of [[0, 5, undefined], [7, 1, undefined], [7, 3, 4], [3, 6, 2], [2, 2, 1]] as const) {
      const [pack] = packSequences([new Int32Array(past + tokens)], 100);
      expect(cachedBias(tokens, past, window)).toEqual(attentionBias(pack, true, window).subarray(past * (past + tokens)));
    }
  });
});
