import { describe, expect, it } from 'vitest';
import type { Drawing } from '../../../webview/render/drawing';
import { moved } from '../../../webview/render/drawing';
import { escapeXml, svgText } from '../../../webview/render/svgText';
import { cellText, tableCsv } from '../../../webview/render/table';
import { score } from './scores';

describe('tables as files', () => {
  it('spread every score over all its parts', () => {
    const csv = tableCsv({ id: 't', title: '', note: 'what it is', columns: ['Layer', 'Stability'], rows: [['0', score()], ['1', 'needs text']] });
    const [head, first, second, note] = csv.trimEnd().split('\r\n');
    expect(head).toBe('Layer,Stability: value,Stability: low,Stability: high,Stability: null,Stability: null sd,Stability: null draws,Stability: z,Stability: p,Stability: n,Stability: n of,Stability: unit,Stability: null is');
    expect(first).toBe('0,0.5,0.45,0.55,0.1,0.02,20,20,0.01,4096,tokens,ARI,shuffled');
    expect(second).toBe('1,needs text,,,,,,,,,,,');
    expect(note).toBe('# what it is');
  });
  it('quote what needs it and defuse formulas, not numbers', () => {
    const csv = tableCsv({ id: 't', title: '', note: '', columns: ['Token', 'Value'], rows: [['=1+1', -0.25], ['a,"b"\n', NaN], ['-x', null], ['@y', 1e-9]] });
    expect(csv).toBe("Token,Value\r\n'=1+1,-0.25\r\n\"a,\"\"b\"\"\n\",\r\n'-x,\r\n'@y,1e-9\r\n# \r\n");
  });
  it('never print a score without its null and its n', () => {
    expect(cellText(score())).toMatch(/0\.500 \[0\.450, 0\.550\].*null 0\.100 \[0\.0600, 0\.140\].*n = 4\u2009096 tokens, 20 null draws.*p = 0\.010/);
    expect(cellText(score({ p: 0.4 }))).toContain('no evidence');
    expect(cellText(score({ value: null, why: 'no tokens' }))).toBe('no tokens');
  });
});

describe('drawings as files', () => {
  const drawing: Drawing = { width: 10, height: 10, marks: [
    { kind: 'text', x: 1, y: 2, text: '<b>&"\u0000', size: 10, fill: 'var(--ml-ink)' },
    { kind: 'rect', x: 0, y: 0, width: -3, height: 2, fill: 'var(--ml-null)', tip: 'a < b' },
    { kind: 'path', d: 'M1 2L3 4H5V6Z', fill: 'none', stroke: '#000' },
    { kind: 'line', x1: 0, y1: 0, x2: 1, y2: 1, stroke: '#111' },
    { kind: 'raster', x: 0, y: 0, width: 4, height: 4, columns: 1, rows: 1, rgba: new Uint8ClampedArray(4) },
  ] };
  it('are SVG with escaped text, resolved colours and no negative sizes', () => {
    const text = svgText(drawing, 'T<', 'D&', { resolve: (colour) => (colour.startsWith('var') ? '#abcdef' : colour), raster: () => 'data:image/png;base64,AA==', font: 'a', mono: 'b' });
    expect(text).toContain('<title>T&lt;</title><desc>D&amp;</desc>');
    expect(text).toContain('&lt;b&gt;&amp;&quot;\ufffd</text>');
    expect(text).toContain('width="0" height="2" fill="#abcdef"><title>a &lt; b</title></rect>');
    expect(text).not.toContain('var(');
  });
  it('move as a whole', () => {
    const [text, , path, line] = moved(drawing.marks, 10, 100);
    expect(text).toMatchObject({ x: 11, y: 102 });
    expect(path).toMatchObject({ d: 'M11 102L13 104H15V106Z' });
    expect(line).toMatchObject({ x1: 10, y1: 100, x2: 11, y2: 101 });
  });
  it('escape what XML cannot hold', () => {
    expect(escapeXml('a\u0001\u000b\n\'')).toBe('a\ufffd\ufffd\n&#39;');
  });
});
