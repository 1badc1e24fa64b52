import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../extension/probe/tokenizer';
import { alignTokens } from '../../../extension/probe/alignment';

interface Row {
  readonly ids: readonly number[];
  readonly special: readonly (0 | 1)[];
  readonly spans: readonly (readonly [number, number])[];
}
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, 'offsets.json'), 'utf8')) as { readonly texts: readonly string[]; readonly offsets: Readonly<Record<string, readonly Row[]>> };
const ROOT = path.join(__dirname, '../../..');
const folderOf = (name: string): string => path.join(ROOT, name === 'sample' ? 'media/sample/modulens-sample' : name === 'stories260k' ? 'test/fixtures/stories260k' : `test/fixtures/tokenizers/${name}`);

/** Without the blanks around it: libraries differ in whether they count them. */
function bare(text: string, start: number, end: number): readonly [number, number] {
  while (start < end && /\s/u.test(text[start])) start++;
  while (end > start && /\s/u.test(text[end - 1])) end--;
  return [start, end];
}

describe.each(Object.keys(golden.offsets))('places of tokens, %s', (name) => {
  it.each(golden.texts.map((text, i) => [JSON.stringify(text), i] as const))('%s', async (_shown, i) => {
    const tokenizer = await openTokenizer(folderOf(name)), text = golden.texts[i], { ids, special, spans } = golden.offsets[name][i];
    if (!tokenizer) throw new Error('no tokenizer');
    expect([...tokenizer.encode(text)]).toEqual(ids);
    const own = alignTokens(text, ids, tokenizer);
    for (const [t, span] of own.entries()) {
      const where = `token ${t} ${JSON.stringify(tokenizer.tokenText(ids[t]))} of ${JSON.stringify(text)}`;
      if (special[t]) { expect(span.start, where).toBeNull(); continue; }
      const wanted = bare(text, ...spans[t]);
      // The blank that a tokenizer puts in front of a text stands nowhere in it.
      if (span.start === null || span.end === null) { expect(tokenizer.tokenText(ids[t]).trim() === '' || wanted[1] === wanted[0], where).toBe(true); continue; }
      const [start, end] = bare(text, span.start, span.end);
      // A token of nothing but blanks has no bare range to compare.
      if (wanted[1] > wanted[0] && end > start) {
        expect(start, where).toBeLessThanOrEqual(wanted[0]);
        expect(end, where).toBeGreaterThanOrEqual(wanted[1]);
        // Ours end at whole characters; the library's may end inside one.
        expect([...text.slice(start, wanted[0]), ...text.slice(wanted[1], end)].filter((character) => !/\p{M}/u.test(character)).length, where).toBeLessThanOrEqual(span.uncertain || span.part ? 2 : 0);
      }
    }
    // In order, and every character that is no blank belongs to a token.
    let last = 0;
    const covered = new Uint8Array(text.length);
    for (const { start, end } of own) {
      if (start === null || end === null) continue;
      expect(start).toBeGreaterThanOrEqual(last);
      expect(end).toBeGreaterThan(start);
      covered.fill(1, start, end);
      last = start;
    }
    if (special.some((x, t) => !x && spans[t][1] > spans[t][0])) for (let u = 0; u < text.length; u++) if (!/\s/u.test(text[u])) expect(covered[u], `character ${u} of ${JSON.stringify(text)}`).toBe(1);
  });
});
