import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { splitDocument } from '../../../extension/host/routing/blocks';
import { LineTable } from '../../../extension/host/routing/lineTable';
import { CLASSES, hueOfClass, HUES, inkOn, luminance, markOfHue, nameExpert, OTHER, SOLID, solidColorId, solidVariable, STRENGTHS, tintClass, tintColorId } from '../../../extension/host/routing/palette';
import { indexSpans } from '../../../extension/host/routing/spanIndex';
import { switchMarks, tintRanges, type TintSource, tintTokens, weightStrength } from '../../../extension/host/routing/tints';
import { TraceView } from '../../../extension/host/routing/traceView';
import { letterOf, namingOf } from '../../../extension/protocol/routingNames';
import { expertAxis } from '../../../webview/render/routingExperts';
import type { RoutingSummary } from '../../../extension/protocol/routing';
import { expertOf, resultOf, siteOf, sliceOf } from './routingSamples';

function sourceOf(text: string, channel: 'weight' | 'margin' | 'entropy' = 'weight', site = 0): { readonly source: TintSource; readonly trace: TraceView; readonly lines: LineTable } {
  const result = resultOf([text]);
  const trace = new TraceView(result);
  trace.add(sliceOf(result));
  const lines = new LineTable(text);
  return { source: { index: indexSpans(splitDocument(text, 'text').blocks[0], trace.head, 0, lines), tints: tintTokens(trace, site, channel, null), head: trace.head }, trace, lines };
}

describe('tint classes', () => {
  it('are 36: nine hues times four strengths', () => {
    expect([CLASSES, HUES.length, STRENGTHS]).toEqual([36, 9, 4]);
    for (let tint = 0; tint < CLASSES; tint++) expect(tintClass(hueOfClass(tint), tint % STRENGTHS)).toBe(tint);
  });

  it('measure weights from chance on a simplex, from an even share where they are cut off, else as they are', () => {
    const strengths = (site: Parameters<typeof siteOf>[1], weights: readonly number[]): number[] => weights.map((weight) => weightStrength(siteOf(0, site), weight));
    expect(strengths({ E: 8 }, [0, 0.125, 0.23, 0.24, 0.33, 0.49, 1])).toEqual([0, 0, 0, 1, 2, 3, 3]);
    expect(strengths({ E: 64 }, [0.05, 0.06, 0.11, 0.24])).toEqual([0, 1, 2, 3]);
    expect(strengths({ E: 8, k: 2, semantics: 'truncated' }, [0.5, 0.62, 0.7, 0.99])).toEqual([0, 1, 2, 3]);
    expect(strengths({ E: 8, k: 1, semantics: 'truncated' }, [1])).toEqual([3]);
    expect(strengths({ semantics: 'signed' }, [-0.8, 0.3, 0.1])).toEqual([3, 1, 0]);
  });

  it('say weight, margin or entropy, always in the hue of the first expert', () => {
    for (const [channel, strength] of [['weight', 3], ['margin', 3], ['entropy', 1]] as const) {
      const { source } = sourceOf('one two', channel);
      expect([...source.tints]).toEqual([-1, tintClass(expertOf('one', 0), strength), tintClass(expertOf(' two', 0), strength)]);
    }
  });

  it('follow the letters that follow the tokens over the layers', () => {
    const { head } = resultOf(['x']);
    const rank = [0, 1, 2, 3];
    expect(nameExpert(head, 0, 2, null)).toEqual({ letter: 'C', label: 'C', hue: 2 });
    expect(nameExpert(head, 1, 2, { letters: [[0, 1, 2, 3], [3, 2, 1, 0], [0, 1, 2, 3]], rank })).toEqual({ letter: 'B', label: 'B', hue: 1 });
    expect(nameExpert(resultOf(['x'], { site: { kind: 'library', labels: ['math', 'law', 'a', 'b'] } }).head, 0, 1, null)).toEqual({ letter: 'B', label: 'law', hue: 1 });
    expect(nameExpert(resultOf(['x'], { site: { kind: 'moe' } }).head, 0, 1, null)).toEqual({ letter: '1', label: '1', hue: 1 });
    expect([0, 25, 26, 701, 702].map(letterOf)).toEqual(['A', 'Z', 'AA', 'ZZ', 'AAA']);
  });

  it('are those of the seven most used letters where there are more than eight; the others are grey', () => {
    const { head } = resultOf(['x'], { site: { E: 16 } });
    const load = (best: number): number[] => Array.from({ length: 16 }, (_, expert) => (expert === best ? 0.7 : 0.02 + expert / 1000));
    const names = namingOf(head, { letters: null, sites: [{ load: load(12) }, { load: load(12) }, { load: load(3) }] as never });
    expect(nameExpert(head, 0, 12, names)).toEqual({ letter: 'M', label: 'M', hue: 0 });
    expect(nameExpert(head, 0, 3, names).hue).toBe(1);
    expect(new Set(Array.from({ length: 16 }, (_, expert) => nameExpert(head, 0, expert, names).hue))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, OTHER]));
    expect(markOfHue(head, 0, 0, names)).toBe('M');
    expect(markOfHue(head, 0, OTHER, names)).toBeNull();
    expect(nameExpert(resultOf(['x'], { site: { E: 64 } }).head, 0, 60, null)).toEqual({ letter: '60', label: '60', hue: OTHER });
  });

  it('name experts and choose hues as the page does', () => {
    for (const site of [{}, { E: 16 }, { E: 64 }, { E: 3, kind: 'library', labels: ['x', 'y', 'z'] }, { E: 12, kind: 'moe' }] as const) {
      const { head } = resultOf(['x'], { site });
      const E = head.sites[0].E;
      const letters = site === undefined ? null : head.sites.map((_, s) => Array.from({ length: E }, (__, expert) => (expert + s) % E));
      const summary = { letters, sites: head.sites.map((_, s) => ({ load: Array.from({ length: E }, (__, expert) => ((expert * 7 + s * 3) % E) / E) })) } as unknown as RoutingSummary;
      const axis = expertAxis(head, summary, 'match');
      const names = namingOf(head, summary);
      for (let s = 0; s < head.sites.length; s++) {
        for (let expert = 0; expert < E; expert++) {
          const style = axis.columns[axis.columnOf(s, expert)];
          const name = nameExpert(head, s, expert, names);
          expect(name.letter).toBe(style.mark);
          expect(Math.min(name.hue, 7) + 1).toBe(style.hue);
        }
      }
    }
  });
});

describe('ranges', () => {
  const text = 'one one one two\nthree one\n\none';

  it('join equal neighbours on one line and give back the class of each token', () => {
    const { source, lines } = sourceOf(text);
    const { ranges, granularity } = tintRanges([source], 0, 99, 1000);
    expect(granularity).toBe('token');
    ranges.forEach((range, i) => {
      const before = ranges[i - 1];
      if (before?.line === range.line && before.end === range.start) expect(before.tint).not.toBe(range.tint);
    });
    for (let i = 0; i < source.index.tokens.length; i++) {
      const range = ranges.find(({ line, start, end }) => line === source.index.lines[i] && start <= source.index.starts[i] && end >= source.index.ends[i]);
      expect(range?.tint).toBe(source.tints[source.index.tokens[i]]);
    }
    expect(ranges.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(text.replaceAll('\n', '').length);
    expect(lines.count).toBe(4);
  });

  it('leave out lines that are not in view', () => {
    const { source } = sourceOf(text);
    expect(new Set(tintRanges([source], 1, 2, 1000).ranges.map(({ line }) => line))).toEqual(new Set([1]));
  });

  it('become words, then lines, when there are more than the budget, and say so', () => {
    const { source } = sourceOf("it's a-b c1 d2!\nx-y z's");
    const tokens = tintRanges([source], 0, 99, 1000);
    const words = tintRanges([source], 0, 99, tokens.ranges.length - 1);
    const counts = [tokens, words, tintRanges([source], 0, 99, words.ranges.length - 1)];
    expect(counts.map(({ granularity }) => granularity)).toEqual(['token', 'word', 'line']);
    for (const { ranges } of counts) expect(ranges.reduce((sum, { start, end }) => sum + end - start, 0)).toBe("it's a-b c1 d2!x-y z's".length);
    expect(counts[2].ranges).toHaveLength(2);
    expect(tintRanges([source], 0, 99, 1000, 'word').granularity).toBe('word');
  });

  it('of a line of 50 KB stay within the budget', () => {
    const { source } = sourceOf('lorem ipsum dolor sit amet '.repeat(1900));
    const { ranges, granularity } = tintRanges([source], 0, 0, 780);
    expect([ranges.length, granularity]).toEqual([1, 'line']);
  });

  it('are made in a fraction of the 8 ms that an update may take', () => {
    const words = Array.from({ length: 4000 }, (_, i) => `w${String.fromCharCode(97 + (i % 26))}${'xyz'[i % 3]}${i % 40 === 39 ? '\n' : ''}`).join(' ');
    const { source, trace } = sourceOf(words);
    const times = Array.from({ length: 20 }, () => {
      const begun = performance.now();
      const { ranges } = tintRanges([source], 0, 24, 1000);
      expect(ranges.length).toBeGreaterThan(800);
      tintTokens(trace, 1, 'weight', null);
      return performance.now() - begun;
    }).sort((a, b) => a - b);
    console.log(`ranges and classes of a view: ${times[10].toFixed(2)} ms (median of 20)`);
    expect(times[10]).toBeLessThan(40);
  });

  it('mark the first switch of a line, thinned evenly', () => {
    const { source, trace } = sourceOf(text);
    const marks = switchMarks(source, trace, 0, 100);
    expect(new Set(marks.map(({ line }) => line)).size).toBe(marks.length);
    for (const { token, hue } of marks) expect(hue).toBe(trace.top(0, token));
    expect(switchMarks(source, trace, 0, 1)).toHaveLength(1);
  });
});

describe('contributed colours', () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(import.meta.dirname, '../../../package.json'), 'utf8')) as { contributes: { colors: { id: string; defaults: Record<string, string> }[] } };
  const colours = new Map(manifest.contributes.colors.map(({ id, defaults }) => [id, defaults]));
  const PAGES = { dark: ['#1f1f1f', '#cccccc'], light: ['#ffffff', '#3b3b3b'] } as const;
  const channels = (hex: string): number[] => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  const hexOf = (values: readonly number[]): string => `#${values.map((value) => Math.round(value).toString(16).padStart(2, '0')).join('')}`;
  const ratio = (a: string, b: string): number => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);

  it('are the palette, for all four kinds of theme', () => {
    expect([...colours.keys()].sort()).toEqual([...HUES.map((_, hue) => solidColorId(hue)), ...Array.from({ length: CLASSES }, (_, tint) => tintColorId(tint))].sort());
    HUES.forEach((_, hue) => {
      for (const [shade, hues] of Object.entries(SOLID)) expect(colours.get(solidColorId(hue))?.[shade]).toBe(hues[hue]);
    });
    expect(solidVariable(0)).toBe('var(--vscode-modulens-routing-a)');
  });

  it.each(['dark', 'light'] as const)('keep text at 4.5:1 and have four steps in %s themes', (shade) => {
    const [page, ink] = PAGES[shade];
    for (let tint = 0; tint < CLASSES; tint++) {
      const colour = colours.get(tintColorId(tint))?.[shade] ?? '';
      expect(colour.slice(0, 7)).toBe(SOLID[shade][hueOfClass(tint)]);
      const alpha = Number.parseInt(colour.slice(7), 16) / 255;
      const strongest = Number.parseInt((colours.get(tintColorId(tintClass(hueOfClass(tint), 3)))?.[shade] ?? '').slice(7), 16) / 255;
      expect(alpha / strongest).toBeCloseTo([0.34, 0.56, 0.78, 1][tint % STRENGTHS], 1);
      const mixed = channels(page).map((value, i) => value + (channels(colour)[i] - value) * alpha);
      expect(ratio(hexOf(mixed), ink)).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('are no tint in high contrast, where letters read on every hue', () => {
    for (let tint = 0; tint < CLASSES; tint++) for (const shade of ['highContrast', 'highContrastLight']) expect(colours.get(tintColorId(tint))?.[shade]).toBe('#00000000');
    for (const hues of Object.values(SOLID)) for (const hue of hues) expect(ratio(hue, inkOn(hue))).toBeGreaterThanOrEqual(4.5);
    for (const [shade, page] of [['highContrast', '#000000'], ['highContrastLight', '#ffffff']] as const) for (const hue of SOLID[shade]) expect(ratio(hue, page)).toBeGreaterThanOrEqual(4.5);
  });
});
