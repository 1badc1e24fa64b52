import { describe, expect, it } from 'vitest';
import { styleLabels } from '../../../webview/render/labels';

describe('labels of the user', () => {
  it('get the first free initial', () => {
    expect(styleLabels(['code', 'prose', 'maths', 'law', 'science', 'dialogue', 'tables', 'other languages']).map((label) => label.letter).join('')).toBe('CPMLSDTO');
    expect(styleLabels(['maths', 'medicine', 'man pages']).map((label) => label.letter)).toEqual(['M', 'E', 'P']);
  });
  it('stay apart for any names: other scripts, blanks, numbers, nothing, many', () => {
    const names = ['', '1', '2', ' ', '\u65e5\u672c\u8a9e', '\u00fcber', 'stra\u00dfe', '__proto__', '<b>', ...Array.from({ length: 60 }, (_, i) => `a${i}`)];
    const letters = styleLabels(names).map((label) => label.letter);
    expect(new Set(letters).size).toBe(names.length);
    for (const letter of letters) expect(letter.length).toBeGreaterThan(0);
  });
  it('share the last hue beyond eight', () => {
    expect(styleLabels(Array.from({ length: 8 }, (_, i) => `l${i}`)).map((label) => label.hue)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(styleLabels(Array.from({ length: 10 }, (_, i) => `l${i}`)).map((label) => label.hue)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 8, 8]);
  });
});
