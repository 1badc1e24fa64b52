import { describe, expect, it } from 'vitest';
import { HARDLY_DETERMINED } from '../../../extension/protocol/routingLibrary';
import { formatScore } from '../../../extension/protocol/score';
import { rampOf } from '../../../webview/render/colours';
import type { RoutingPalette } from '../../../webview/render/routingColours';
import { expertAxis } from '../../../webview/render/routingExperts';
import type { PairMatrix } from '../../../webview/render/routingLibrary';
import { adapterStyles, drawLibrary, drawMatrix, libraryAt, libraryCell, libraryLayout, libraryLimit, libraryTip, matrixAt, matrixLayout, TRUST_WORDS } from '../../../webview/render/routingLibrary';
import { libraryTables } from '../../../webview/render/routingLibraryTables';
import { siteRows } from '../../../webview/render/routingTrace';
import { cellText } from '../../../webview/render/table';
import { inventedLibrary, inventedOverlaps } from '../../e2e/pages/inventedLibrary';
import { inventedTrace } from '../../e2e/pages/inventedRouting';

const PALETTE: RoutingPalette = { page: [31, 31, 31], ink: [204, 204, 204], hues: [[34, 131, 196], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [240, 228, 66], [153, 153, 153]], highContrast: false };
const COLOURS = { sequential: rampOf([[68, 1, 84], [253, 231, 37]]), diverging: rampOf([[0, 0, 255], [31, 31, 31], [255, 0, 0]]) };
const trace = inventedTrace({ kind: 'sites', labels: true });
const { head } = trace.result;
const facts = inventedLibrary(head);
const rows = siteRows(facts.sites);
const axis = expertAxis(head, trace.summary, 'id');
const styles = adapterStyles(facts, axis);
const N = facts.adapters.length;

describe('a library of adapters', () => {
  it('has the letters and hues of the trace; adapters that it does not route to get the next ones', () => {
    expect(styles.map((style) => [style.mark, style.name])).toEqual(axis.columns.map((style) => [style.mark, style.name]));
    const more = adapterStyles({ adapters: [...facts.adapters, { ...facts.adapters[0], name: 'general' }] }, axis);
    expect(more[6]).toMatchObject({ mark: 'G', name: 'general', hue: 7 });
  });
  it('says how far each direction can be trusted, and draws what cannot as hollow, dot or nothing', () => {
    const layout = libraryLayout(rows, N, 340);
    const drawing = drawLibrary(facts, rows, styles, 'ratio', layout, 4, PALETTE, COLOURS);
    const seen = { determined: 0, 'hardly determined': 0, 'no update': 0, 'not here': 0 };
    facts.sites.forEach((_, s) => styles.forEach((__, a) => {
      const { value, trust } = libraryCell(facts, s, a, 'ratio');
      seen[trust]++;
      const box = drawing.marks.find((mark) => mark.kind === 'rect' && mark.key === s * N + a);
      if (trust === 'determined') expect(value).toBeLessThanOrEqual(HARDLY_DETERMINED);
      expect(box === undefined).toBe(trust === 'no update' || trust === 'not here');
      if (box?.kind === 'rect') expect(box.fill === 'none').toBe(trust === 'hardly determined');
      expect(libraryTip(facts, s, a, rows[s], styles[a].name)).toContain(TRUST_WORDS[trust]);
    }));
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
    expect(drawing.marks.filter((mark) => mark.kind === 'text' && mark.text === '?')).toHaveLength(seen['hardly determined']);
    expect(drawing.marks.some((mark) => mark.kind === 'text' && mark.text === rows[4].name && mark.bold)).toBe(true);
  });
  it('finds the cell under a point, and scales end at one for shares', () => {
    const layout = libraryLayout(rows, N, 340);
    expect(libraryAt(layout, layout.left + 2.5 * layout.cell, layout.y[9] + 3)).toEqual({ site: 9, adapter: 2 });
    expect(libraryAt(layout, layout.left - 3, layout.y[9] + 3)).toBeNull();
    expect(libraryLimit(facts, 'ratio')).toBe(1);
    const largest = Math.max(...facts.facts.frobenius.filter(Number.isFinite));
    expect(libraryLimit(facts, 'frobenius')).toBeGreaterThanOrEqual(largest * 0.999);
  });
  it('holds hundreds of adapters and sites without overlapping cells', () => {
    const layout = libraryLayout(siteRows(Array.from({ length: 224 }, (_, s) => ({ layer: Math.floor(s / 7), module: 'attention.q' }))), 400, 340);
    expect(layout.width).toBeLessThanOrEqual(341);
    expect(new Set(layout.y).size).toBe(224);
  });
});

describe('pairs of adapters', () => {
  const matrix: PairMatrix = { order: facts.order, at: (i, j) => facts.similarity[0].matrix?.[facts.order[i] * N + facts.order[j]] ?? NaN, signed: true, limit: 0.5, joinings: facts.joinings, groups: facts.groupings[0].labels };
  const layout = matrixLayout(matrix, 340);
  const drawing = drawMatrix(matrix, styles, layout, PALETTE, COLOURS);
  it('stand in their order, all but each with itself', () => {
    const cells = drawing.marks.filter((mark) => mark.kind === 'rect' && mark.key !== undefined);
    expect(cells).toHaveLength(N * N - N);
    expect(matrixAt(layout, layout.left + 3.5 * layout.cell, layout.top + 0.5 * layout.cell)).toEqual({ row: 0, column: 3 });
    const written = drawing.marks.filter((mark) => mark.kind === 'text' && /^\u2212?\.\d\d$/.test(mark.text));
    expect(written).toHaveLength(N * N - N);
  });
  it('are framed by group, with the tree beside them', () => {
    const frames = drawing.marks.filter((mark) => mark.kind === 'rect' && mark.fill === 'none');
    expect(frames.map((mark) => mark.kind === 'rect' && mark.width)).toEqual([3 * layout.cell + 1, 3 * layout.cell + 1]);
    const branches = drawing.marks.filter((mark) => mark.kind === 'path');
    expect(branches).toHaveLength(N - 1);
    const bare = drawMatrix({ ...matrix, joinings: [], groups: [] }, styles, matrixLayout({ ...matrix, joinings: [], groups: [] }, 340), PALETTE, COLOURS);
    expect(bare.marks.some((mark) => mark.kind === 'path')).toBe(false);
  });
});

describe('tables of a library', () => {
  const overlaps = inventedOverlaps(facts, facts.sites[4].id);
  const tables = libraryTables(facts, overlaps, rows);
  const table = (id: string) => tables.find((one) => one.id === id);
  it('hold every adapter at every linear map, with its trust', () => {
    expect(table('library')?.rows).toHaveLength(facts.sites.length * N);
    expect(new Set(table('library')?.rows.map((row) => row[6]))).toEqual(new Set(['determined', 'hardly determined', 'no update', 'not here']));
    expect(table('library-pairs')?.rows).toHaveLength((N * (N - 1)) / 2);
    expect(table('library-general')?.rows).toHaveLength(N);
  });
  it('show groups with the silhouette, its null and n', () => {
    const score = facts.groupings[0].silhouette;
    if (!score) throw new Error('no score');
    const text = cellText(table('library-groups')?.rows[0][1] ?? null);
    for (const part of [formatScore(score).null, formatScore(score).n]) expect(text).toContain(part);
    expect(table('library-groups')?.rows[0][2]).toBe('1: code, manual, json; 2: prose, french, chat');
  });
  it('hold the adapters that are at the chosen linear map', () => {
    const attention = inventedOverlaps(facts, facts.sites[0].id);
    expect(attention.adapters).not.toContain(N - 1);
    expect(libraryTables(facts, attention, rows).find((one) => one.id === 'library-site')?.rows).toHaveLength(((N - 1) * (N - 2)) / 2);
    expect(libraryTables(facts, null, rows).some((one) => one.id === 'library-site')).toBe(false);
  });
});
