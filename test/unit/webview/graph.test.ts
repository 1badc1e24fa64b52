import { describe, expect, it } from 'vitest';
import { drawGraph, graphOf } from '../../../webview/render/graph';
import { edgesAbove, layoutGraph } from '../../../webview/render/graphLayout';
import { styleLabels } from '../../../webview/render/labels';
import { drawMass } from '../../../webview/render/mass';
import { drawMatrix } from '../../../webview/render/matrix';
import { EIGHT_LABELS, inventedPicture } from '../../e2e/pages/inventedAnalysis';

const options = (experts: number, probe = true) => ({ layers: 12, experts, dFf: experts * 48, labels: EIGHT_LABELS, probe });

describe('the module graph', () => {
  it('draws edges above the null only, strongest first', () => {
    const excess = Float32Array.from([9, 0.25, 0.125, 0.25, 9, 0.5, 0.125, 0.5, 9]);
    expect(edgesAbove(excess, 3, 0.125).map((edge) => [edge.a, edge.b])).toEqual([[1, 2], [0, 1]]);
    expect(edgesAbove(excess, 3, 0.5)).toEqual([]);
  });
  it('is the same every time, inside its box and without overlap, for 2 to 128 experts', () => {
    for (const experts of [2, 4, 16, 64, 128]) {
      const picture = inventedPicture(options(experts), 6);
      const radii = Array.from({ length: experts }, () => (experts > 32 ? 5 : 14));
      const edges = edgesAbove(picture.excess, experts, picture.excessBand);
      const first = layoutGraph(radii, edges, 280, 400);
      expect(layoutGraph(radii, edges, 280, 400)).toEqual(first);
      first.forEach((a, i) => {
        expect(a.x - a.r).toBeGreaterThanOrEqual(0);
        expect(a.x + a.r).toBeLessThanOrEqual(280);
        expect(a.y - a.r).toBeGreaterThanOrEqual(0);
        expect(a.y + a.r).toBeLessThanOrEqual(400);
        for (const b of first.slice(i + 1)) expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThan((a.r + b.r) * 0.98);
      });
    }
  });
  it('sizes circles by mass, names them by letter and number, and says all of it', () => {
    const picture = inventedPicture(options(16), 7);
    const graph = graphOf(picture, styleLabels(EIGHT_LABELS), 280, 400, 'n = 4096 tokens');
    const heaviest = picture.mass.indexOf(Math.max(...picture.mass));
    expect(graph.nodes[heaviest]?.r).toBe(Math.max(...graph.nodes.map((node) => node.r)));
    for (const node of graph.nodes) {
      const label = picture.dominant[node.expert] ?? -1;
      expect(node.kind).toBe(label < 0 ? 'none' : 'labelled');
      expect(node.name.endsWith(String(node.expert))).toBe(true);
      expect(node.spoken).toContain('equal share');
      expect(node.tip).toContain('n = 4096 tokens');
    }
    expect(drawGraph(graph, 3).marks.some((mark) => mark.kind === 'circle' && mark.stroke === 'var(--ml-focus)')).toBe(true);
  });
  it('says nothing of mass or labels without a probe', () => {
    const graph = graphOf(inventedPicture(options(16, false), 7), [], 280, 400, '');
    expect(new Set(graph.nodes.map((node) => node.kind))).toEqual(new Set(['plain']));
    expect(graph.nodes[0]?.spoken).not.toContain('mass');
  });
});

describe('mass and labels on the axis of experts', () => {
  const picture = inventedPicture(options(16), 7);
  const labels = styleLabels(EIGHT_LABELS);
  const span = (expert: number): readonly [number, number] => [expert * 24, expert * 24 + 24];
  it('draws one bar per expert over its null and the line of equal shares', () => {
    const { marks } = drawMass(picture, labels, span, 384, 44, '');
    const bars = marks.filter((mark) => mark.key !== undefined);
    expect(bars).toHaveLength(16);
    for (const bar of bars) expect(bar.tip).toContain('null: equal share');
    expect(marks[0]).toMatchObject({ kind: 'rect', fill: 'var(--ml-null)' });
    expect(marks[marks.length - 1]).toMatchObject({ kind: 'line', dash: '2 2' });
  });
  it('fills for more, leaves hollow for less, dots inside the null', () => {
    const { marks } = drawMatrix(picture, labels, span, 384, 20);
    const cells = marks.filter((mark) => mark.key !== undefined);
    expect(cells).toHaveLength(16 * 8);
    cells.forEach((cell, i) => {
      const fold = picture.fold[i] ?? 0;
      const told = (picture.q[i] ?? 1) < 0.05;
      expect(cell.kind).toBe(told ? 'rect' : 'circle');
      if (cell.kind === 'rect') expect(cell.fill === 'none').toBe(fold < 0);
      expect(cell.tip).toContain('null 0');
    });
  });
});
