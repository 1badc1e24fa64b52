import { describe, expect, it } from 'vitest';
import { inventedInspectDocument, inventedMergePlan, type MergeCase } from '../../e2e/pages/inventedMerge';
import { adviceOf } from '../../../webview/render/mergeAdvice';
import { deltaRows, groupSizes, layerGroups, pairMatrices, partMap, shortNames, usualSize } from '../../../webview/render/mergeData';
import { inspectSentence, planSentence, strongest } from '../../../webview/render/mergeFinding';
import { drawDelta, drawPairs, gridLayout, matrixCell, matrixLayout, matrixTip, pairLimits } from '../../../webview/render/mergeMaps';
import { pairsTable } from '../../../webview/render/mergeTables';
import { isEvidence } from '../../../extension/protocol/score';

const ramp = new Uint8ClampedArray(768).map((_, i) => i % 256);
const COLOURS = { sequential: ramp, diverging: ramp, palette: { page: [30, 30, 30], ink: [220, 220, 220], hues: [], highContrast: false } } as const;
const view = (which: MergeCase) => {
  const document = inventedInspectDocument(which);
  return { document, matrices: pairMatrices(document, layerGroups(document.layers, usualSize(document.layers))) };
};
const said = (which: MergeCase): string[] => {
  const { document, matrices } = view(which);
  return adviceOf(document, matrices).map(({ text }) => text.join(''));
};

describe('groups of layers', () => {
  it('give at most four matrices in a column, and hold every layer once', () => {
    for (const layers of [1, 5, 12, 33, 48, 126]) {
      const groups = layerGroups(layers, usualSize(layers));
      expect(groups.length).toBeLessThanOrEqual(layers > 64 ? 8 : 4);
      expect(groups.flatMap((group) => group.layers)).toEqual(Array.from({ length: layers }, (_, i) => i));
    }
    expect(layerGroups(6, 4).map(({ name }) => name)).toEqual(['L0\u20133', 'L4\u20135']);
    expect(groupSizes(5)).toEqual([1, 2, 4, 0]);
  });
});

describe('names for narrow places', () => {
  it('lose what all share, in whole pieces', () => {
    expect(shortNames(['sample-12l-code', 'sample-12l-manual'])).toEqual(['code', 'manual']);
    expect(shortNames(['tune-1-of-many', 'tune-2-of-many'])).toEqual(['1', '2']);
    expect(shortNames(['a', 'b'])).toEqual(['a', 'b']);
    expect(shortNames(['same', 'same'])).toEqual(['same', 'same']);
    expect(shortNames(['x-a', 'x-a-b'])).toEqual(['a', 'a-b']);
    expect(shortNames(['one'])).toEqual(['one']);
  });
});

describe('what the page says', () => {
  it('names the strongest place that chance does not explain, or says that there is none', () => {
    const { document, matrices } = view('usual');
    const top = strongest(matrices)!;
    expect(top.matrix.group.name).toBe('L8\u201311');
    expect(inspectSentence(document, matrices)).toMatch(/^code and manual push the same FFN weights the same way in L8\u201311: cosine 0\.\d+, chance \u00b10\.\d+\. Of the other five pairs, three/);
    const calm = view('calm');
    expect(strongest(calm.matrices)).toBe(null);
    expect(inspectSentence(calm.document, calm.matrices)).toMatch(/^No evidence/);
    expect(planSentence(inventedMergePlan())).toBe('This recipe merges five models by ties: 98 tensors merged, 13 copied, 12.1\u202fMB of bfloat16 to write.');
  });
  it('advises what the numbers give, and no more', () => {
    expect(said('calm').filter((text) => /twice|apart|overlap/.test(text))).toEqual([]);
    expect(said('usual')[0]).toContain('share twice');
    expect(said('usual').some((text) => text === 'dialogue would mostly vanish.')).toBe(true);
    expect(said('trouble').slice(0, 2)).toEqual([expect.stringContaining('lacks 3 tensors'), expect.stringContaining('vocabularies differ')]);
    expect(said('trouble')).toContain('dialogue is equal to the base: leave it out.');
    expect(said('modules')).toContain('Averaging the factors of these modules is unsafe.');
    expect(said('nobase')[0]).toContain('Choose the base');
  });
});

describe('pictures', () => {
  it('draw every pair twice, grey where chance explains it, and tell all parts of the score', () => {
    const { document, matrices } = view('usual');
    const layout = matrixLayout(4, 340), matrix = matrices.at(-1)!, { marks } = drawPairs(matrix, document.models, layout, pairLimits(matrices), COLOURS);
    const cells = marks.filter((mark) => mark.kind === 'rect' && mark.key !== undefined);
    expect(cells).toHaveLength(12);
    const inside = matrix.pairs.filter(({ cosine }) => !isEvidence(cosine)).length + matrix.pairs.filter(({ conflict }) => !isEvidence(conflict)).length;
    expect(cells.filter(({ name }) => name === 'inside')).toHaveLength(inside);
    expect(inside).toBeGreaterThan(0);
    for (const part of ['code and manual', 'null 0', 'n = ', 'p <']) expect(matrixTip(matrix, document.models, 0, 1)).toContain(part);
    expect(matrixTip(matrix, document.models, 1, 0)).toContain('opposite signs');
    expect(matrixCell(layout, layout.left + layout.cell * 1.5, layout.top + 3)).toEqual({ row: 0, column: 1 });
    expect(matrixCell(layout, 2, 2)).toBe(null);
    expect(pairsTable(matrices, document).rows).toHaveLength(matrices.length * 6);
  });
  it('mark what is missing and what is zero, never as a weak colour', () => {
    const { document, matrices } = view('trouble');
    const rows = deltaRows(document, null), { marks } = drawDelta(rows, document.models, gridLayout(rows.length, 4, 340, 74), 0.05, COLOURS);
    expect(marks.filter((mark) => mark.kind === 'rect' && mark.fill === 'url(#dots)')).toHaveLength(rows.length);
    const pairs = drawPairs(matrices[0], document.models, matrixLayout(4, 340), pairLimits(matrices), COLOURS).marks;
    expect(pairs.filter((mark) => mark.kind === 'rect' && mark.fill === 'url(#hatch)')).toHaveLength(6);
    const map = partMap(document, 'cosine', 0);
    expect(map.about).toBe('code and manual');
    expect(map.rows.every(({ cells }) => cells.every(({ score }) => score !== null))).toBe(true);
  });
});
