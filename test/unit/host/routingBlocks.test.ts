import { describe, expect, it } from 'vitest';
import { endOf, MAX_BLOCKS, MAX_CHARACTERS, offsetOf, splitDocument, type TextBlock, unitAt } from '../../../extension/host/routing/blocks';
import { carryRecords, carryWindows, freshUnits } from '../../../extension/host/routing/changes';
import { fencesOf } from '../../../extension/host/routing/fences';
import { readLiteral, readRecordText } from '../../../extension/host/routing/jsonLiteral';
import { LineTable } from '../../../extension/host/routing/lineTable';
import { renumber } from '../../../extension/host/routing/renumber';
import { windowFor } from '../../../extension/host/routing/windows';
import { resultOf } from './routingSamples';

describe('JSON literals', () => {
  it.each(['plain', 'a\u00e9\n', '"\\/\b\f\n\r\t', '\u{1F600}\u0301', ''])('map every unit of %j to the raw text', (value) => {
    for (const raw of [JSON.stringify(value), `"${[...value].map((c) => [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')).join('')}"`]) {
      const literal = readLiteral(`x:${raw},`, 2);
      expect(literal?.text).toBe(value);
      expect(literal?.end).toBe(2 + raw.length);
      expect(literal?.offsets).toHaveLength(value.length + 1);
      for (let i = 0; i < value.length; i++) expect(JSON.parse(`"${`x:${raw},`.slice(literal?.offsets[i], literal?.offsets[i + 1])}"`)).toBe(value[i]);
    }
  });

  it.each(['"open', '"bad \\x"', '"\\u12g4"', '"line\nend"', 'word'])('refuse %j', (source) => {
    expect(readLiteral(source, 0)).toBeNull();
  });

  it.each([
    ['{"text": "t", "prompt": "p"}', 't'],
    ['{"prompt": "p", "content": "c"}', 'p'],
    ['{"id": 7, "meta": {"text": "inner, }"}, "list": ["x", {"a": 1}], "content": "c"}', 'c'],
    ['{"a": true, "question": "q", "answer": "r"}', 'q'],
    ['"alone"', 'alone'],
    ['  {"te\\u0078t" : "t"}  ', 't'],
    ['{"text": "cut', null],
    ['{"n": 1}', null],
    ['{}', null],
    ['[1]', null],
    ['', null],
    ['{"text": "t"} rest', null],
  ])('find the text of %j', (line, text) => {
    expect(readRecordText(line)?.text ?? null).toBe(text);
  });

  it('a record says its label, which is never taken for its text', () => {
    expect(readRecordText('{"label": "law", "text": "The court finds."}')).toMatchObject({ text: 'The court finds.', label: 'law' });
    expect(readRecordText('{"label": "law", "note": "x"}')).toMatchObject({ text: 'x', label: 'law' });
    expect(readRecordText('{"text": "x", "label": 3}')).toMatchObject({ label: null });
    expect(readRecordText('{"label": "law"}')).toBeNull();
    expect(splitDocument('{"text": "a b", "label": "k"}\n{"text": "c"}', 'records').blocks.map(({ text, label }) => [text, label])).toEqual([['a b', 'k'], ['c', undefined]]);
  });
});

describe('blocks of a document', () => {
  it('are the whole text, or one a record', () => {
    expect(splitDocument('a\n\nb\n', 'text').blocks).toEqual([{ text: 'a\n\nb\n', base: 0, offsets: null }]);
    expect(splitDocument('', 'text').blocks).toEqual([]);
    expect(splitDocument(' \n\n', 'text').blocks).toEqual([]);
    expect(splitDocument('{"text":""}\n{"text":"x"}\n', 'records').blocks.map(({ text }) => text)).toEqual(['x']);
  });

  it('are windows at paragraph borders when the context is shorter', () => {
    const paragraphs = Array.from({ length: 6 }, (_, i) => `Paragraph ${i}. ${'word '.repeat(14)}\n\n`);
    const { blocks, left } = splitDocument(paragraphs.join(''), 'text', 200);
    expect(left).toBe(0);
    expect(blocks.map(({ text }) => text).join('')).toBe(paragraphs.join(''));
    expect(blocks.length).toBe(3);
    for (const { text } of blocks) expect(text).toMatch(/^Paragraph [\s\S]*\n\n$/);
  });

  it('are cut at lines, sentences, words or anywhere where paragraphs are too long, never inside a surrogate pair', () => {
    for (const text of ['line of text\n'.repeat(40), 'A sentence here. '.repeat(40), 'word '.repeat(100), 'x'.repeat(500), '\u{1F600}'.repeat(250)]) {
      const { blocks } = splitDocument(text, 'text', 101);
      expect(blocks.map((block) => block.text).join('')).toBe(text);
      let base = 0;
      for (const block of blocks) {
        expect(block.base).toBe(base);
        expect(block.text.length).toBeLessThanOrEqual(101);
        expect(block.text).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/);
        base += block.text.length;
      }
    }
  });

  it('say what is left of a huge document', () => {
    const huge = splitDocument('0123456789\n'.repeat(50_000), 'text');
    expect(endOf(huge.blocks[0])).toBeLessThanOrEqual(MAX_CHARACTERS);
    expect(huge.left).toBe(550_000 - endOf(huge.blocks[0]));
    const records = splitDocument('{"text":"abc"}\n'.repeat(1000), 'records');
    expect(records.blocks).toHaveLength(MAX_BLOCKS);
    expect(records.left).toBe((1000 - MAX_BLOCKS) * 15);
  });

  it('translate units and offsets both ways', () => {
    const [block] = splitDocument('\n{"text":"a\\n\\u00e9b"}', 'records').blocks;
    const raw = '\n{"text":"a\\n\\u00e9b"}';
    expect([0, 1, 2, 3].map((unit) => raw.slice(offsetOf(block, unit), offsetOf(block, unit + 1)))).toEqual(['a', '\\n', '\\u00e9', 'b']);
    for (let unit = 0; unit <= block.text.length; unit++) expect(unitAt(block, offsetOf(block, unit))).toBe(unit);
    expect(unitAt(block, offsetOf(block, 2) + 3)).toBe(2);
    expect(unitAt(block, 0)).toBeNull();
  });

  it('fit when they take a share of what filled the context', () => {
    expect(windowFor(1000)).toBe(850);
    expect(windowFor(0)).toBe(1);
  });
});

describe('after an edit', () => {
  const windows = (text: string, most: number): readonly TextBlock[] => splitDocument(text, 'text', most).blocks;

  it('what comes before the edited word stays fresh', () => {
    const text = 'one two three';
    expect(freshUnits(text, text)).toBe(13);
    expect(freshUnits(text, 'one twos three')).toBe(3);
    expect(freshUnits(text, 'one two three four')).toBe(7);
    expect(freshUnits(text, 'Xone two three')).toBe(0);
    expect(freshUnits(text, 'one ')).toBe(3);
    expect(freshUnits(text, 'one twos three', false)).toBe(0);
    expect(freshUnits(text, text, false)).toBe(13);
  });

  it('windows before it stay, those behind it move, the text stays covered', () => {
    const old = 'alpha beta.\n\ngamma delta.\n\nepsilon zeta.\n\n';
    const blocks = windows(old, 16);
    expect(blocks).toHaveLength(3);
    for (let at = 0; at <= old.length; at++) {
      for (const [from, insert] of [[at, 'XY'], [Math.max(0, at - 3), 'Q'], [at, '']] as const) {
        const text = old.slice(0, from) + insert + old.slice(at);
        if (text === old) continue;
        const carried = carryWindows(blocks, old, text);
        expect(carried.map(({ block }) => block.text).join('')).toBe(text);
        let base = 0;
        for (const { block } of carried) {
          expect(block.base).toBe(base);
          base += block.text.length;
        }
        const kept = carried.filter(({ block, was }) => was !== null && blocks[was].text === block.text);
        if (at - from < 3) expect(kept.length).toBeGreaterThanOrEqual(1);
      }
    }
  });

  it('one window takes all of the new text', () => {
    expect(carryWindows(windows('abc', Infinity), 'abc', 'abcd')).toEqual([{ block: { text: 'abcd', base: 0, offsets: null }, was: 0 }]);
    expect(carryWindows(windows('abc', Infinity), 'abc', ' ')).toEqual([]);
  });

  it('records are found again by their text and place', () => {
    const records = (...texts: string[]): readonly TextBlock[] => splitDocument(texts.map((text) => JSON.stringify({ text })).join('\n'), 'records').blocks;
    const was = (old: readonly TextBlock[], next: readonly TextBlock[]): (number | null)[] => carryRecords(old, next).map((one) => one.was);
    const old = records('a', 'b', 'c');
    expect(was(old, records('a', 'x', 'c'))).toEqual([0, 1, 2]);
    expect(was(old, records('a', 'n', 'b', 'c'))).toEqual([0, null, 1, 2]);
    expect(was(old, records('a', 'c'))).toEqual([0, 2]);
    expect(was(old, records('n', 'a', 'b', 'c'))).toEqual([null, 0, 1, 2]);
    expect(was(records('a', 'a'), records('a', 'a', 'a'))).toEqual([0, 1, null]);
    expect(was([], old)).toEqual([null, null, null]);
  });

  it('tokens keep their pins: before and behind the edit, not in it', () => {
    const [a, b] = ['one two three four', 'one twelve big three four'];
    const [old, next] = [resultOf([a]).head, resultOf([b]).head];
    const move = renumber(old, 0, a, next, b);
    const moved = old.tokens.map((_, token) => move(token)).map((token) => (token === null ? null : next.tokens[token].text));
    expect(moved).toEqual([null, 'one', null, ' three', ' four']);
  });
});

describe('fenced blocks of Markdown', () => {
  it('are found with their language, up to the end when they stay open', () => {
    const text = '# a\n```py\nx = 1\n```\ntext\n~~~~\n```\ninside\n~~~~\n````\nlast';
    const fences = fencesOf(new LineTable(text));
    expect(fences.map(({ name, from, to }) => [name, text.slice(from, to)])).toEqual([['py', 'x = 1\n'], ['block', '```\ninside\n'], ['block', 'last']]);
  });
});
