import { describe, expect, it } from 'vitest';
import { AXIS_WIDTH, blockEdges, blockSpan, expertAt, expertAxis, GRAPH_MIN, isWhole, numberEvery, panned, WHOLE, zoomed } from '../../../webview/render/columns';

describe('the shared axis of experts', () => {
  it('is a whole number of pixels and fits, for 2 to 128 experts and 336 to 1200 px', () => {
    for (const experts of [2, 3, 4, 7, 8, 16, 32, 64, 100, 128]) {
      for (let width = 336; width <= 1200; width += 37) {
        const stacked = width < 560;
        const axis = expertAxis(experts, width, stacked);
        expect(Number.isInteger(axis.cell)).toBe(true);
        expect(axis.cell).toBeGreaterThanOrEqual(1);
        expect(axis.side).toBe(axis.cell * experts);
        expect(axis.side + AXIS_WIDTH).toBeLessThanOrEqual(width);
        if (!stacked) expect(axis.side).toBeLessThanOrEqual(Math.max(width - AXIS_WIDTH - GRAPH_MIN, 192));
        expect(axis.every * axis.cell).toBeGreaterThanOrEqual(16);
      }
    }
  });
  it('gives 16 experts 24 px where there is room', () => {
    expect(expertAxis(16, 688, false).cell).toBe(24);
    expect(expertAxis(16, 564, false).cell).toBe(19);
    expect(numberEvery(6, 64)).toBe(4);
    expect(numberEvery(2, 128)).toBe(16);
  });
});

describe('windows of the map', () => {
  const edges = blockEdges([3, 2, 5]);
  it('place blocks by their sizes and find the block under a point', () => {
    expect(edges).toEqual([0, 3, 5, 10]);
    expect(blockSpan(edges, 1, { from: 0, to: 1 }, 100)).toEqual([30, 50]);
    const [from, to] = blockSpan(edges, 1, { from: 0.25, to: 0.75 }, 100);
    expect(from).toBeCloseTo(10);
    expect(to).toBeCloseTo(50);
    for (const [at, expert] of [[0, 0], [29, 0], [31, 1], [51, 2], [100, 2]] as const) expect(expertAt(edges, at, { from: 0, to: 1 }, 100)).toBe(expert);
  });
  it('zoom around the point under the pointer and never leave the whole', () => {
    const at = { x: 0.25, y: 0.8 };
    const near = zoomed(WHOLE, 4, at, 0.01);
    expect(near.x.from + 0.25 * (near.x.to - near.x.from)).toBeCloseTo(0.25);
    expect(near.x.to - near.x.from).toBeCloseTo(0.25);
    let view = near;
    for (let i = 0; i < 40; i++) {
      view = panned(i % 2 ? zoomed(view, 1.7, at, 0.01) : view, 0.9, -0.7);
      for (const part of [view.x, view.y]) {
        expect(part.from).toBeGreaterThanOrEqual(0);
        expect(part.to).toBeLessThanOrEqual(1 + 1e-12);
        expect(part.to - part.from).toBeGreaterThanOrEqual(0.01 - 1e-9);
      }
    }
    expect(isWhole(zoomed(view, 1e-6, at, 0.01))).toBe(true);
  });
});
