import { describe, expect, it } from 'vitest';
import { paintCells, rampOf, sequentialIndex, signedIndex } from '../../../webview/render/colours';
import { drawButterfly, drawNeurons, drawRouterRow, oneLine, visibleToken } from '../../../webview/render/expertPlots';
import { holdsExperts } from '../../../extension/protocol/finding';
import { findingOf } from '../../../webview/render/finding';
import { drawHistogram } from '../../../webview/render/histogram';
import { sentences } from '../../../webview/render/sentences';
import { drawMarks, drawProfile, notFinitePlaces, tileLimit } from '../../../webview/render/tensorMap';
import { trackHeads, trackValue, whyMissing } from '../../../webview/render/tracks';
import { EIGHT_LABELS, inventedExpert, inventedHead, inventedLayer } from '../../e2e/pages/inventedAnalysis';
import { inventedStatistics, inventedTensorTile } from '../../e2e/pages/inventedTensors';
import { score } from './scores';

const options = { layers: 12, experts: 16, dFf: 768, labels: EIGHT_LABELS, probe: true };

describe('colours', () => {
  const ramp = rampOf([[0, 0, 255], [10, 10, 10], [255, 0, 0]]);
  it('put zero in the middle and the limits at the ends', () => {
    expect([signedIndex(-1, 1), signedIndex(0, 1), signedIndex(1, 1), signedIndex(9, 1)]).toEqual([0, 128, 255, 255]);
    expect([sequentialIndex(-1, 2), sequentialIndex(1, 2), sequentialIndex(5, 2)]).toEqual([0, 128, 255]);
    expect([...ramp.slice(0, 3), ...ramp.slice(-3)]).toEqual([0, 0, 255, 255, 0, 0]);
  });
  it('leave values that are not finite transparent and blank what is near zero', () => {
    const rgba = paintCells([NaN, 0.01, 1], { kind: 'signed', limit: 1, blank: 0.1 }, ramp);
    expect(rgba[3]).toBe(0);
    expect([...rgba.slice(4, 8)]).toEqual([...paintCells([0], { kind: 'signed', limit: 1 }, ramp)]);
    expect([...rgba.slice(8)]).toEqual([255, 0, 0, 255]);
  });
});

describe('the sentence and the strip', () => {
  const head = inventedHead(options);
  const layers = [0, 4, 7].map((index) => inventedLayer(options, index));
  it('counts layers by stability and held-out modularity together', () => {
    expect(layers.map((layer) => holdsExperts(layer, true))).toEqual([false, true, true]);
    const onlyStable = { ...layers[1], scores: { stability: score() } };
    expect(holdsExperts(onlyStable, true)).toBe(false);
    expect(holdsExperts(onlyStable, false)).toBe(true);
    expect(findingOf({ state: 'running', head, layers, document: null })).toBe('So far, 2 of 3 layers hold experts that chance does not explain.');
    expect(findingOf({ state: 'failed', head, layers, document: null })).toBe('So far, 2 of 3 layers hold experts that chance does not explain; the other 9 were not reached.');
    expect(findingOf({ state: 'failed', head: null, layers: [], document: null })).toBe('No layer could be analysed.');
  });
  it('shares scales and says why a score is missing', () => {
    const tracks = trackHeads(layers, head);
    expect(tracks.map((track) => track.short)).toEqual(['Stability', 'Modularity', 'Captured', 'Specialised']);
    for (const track of tracks) for (const layer of layers) {
      const value = layer.scores[track.name]?.value ?? 0;
      expect(value).toBeGreaterThanOrEqual(track.scale.domain[0]);
      expect(value).toBeLessThanOrEqual(track.scale.domain[1]);
    }
    const bare = { ...layers[0], scores: {} };
    expect(trackValue(undefined, 'stability')).toBe('pending');
    expect(trackValue(bare, 'modularity')).toBe('missing');
    expect(whyMissing(bare, 'modularity', false)).toBe('needs text');
    expect(whyMissing({ ...bare, scores: { captured: score({ value: null, why: 'no tokens' }) } }, 'captured', true)).toBe('no tokens');
  });
});

describe('plots of an expert', () => {
  const detail = inventedExpert(options, 7, 4);
  it('grey what lies inside the band of the null and name n', () => {
    const bars = drawButterfly({ up: [{ token: 'a', value: 0.9 }, { token: 'b', value: 0.1 }], down: [{ token: 'c', value: -0.8 }], nullBand: 0.2, nullDraws: 20, n: 50257 }, 140, 16).marks.filter((mark) => mark.tip);
    expect(bars.map((mark) => (mark.kind === 'rect' ? mark.fill : ''))).toEqual(['var(--ml-div-pos-1)', 'var(--ml-inside)', 'var(--ml-div-neg-1)']);
    expect(bars[1]?.tip).toContain('no evidence');
    expect(bars[0]?.tip).toContain('n = 50\u2009257');
  });
  it('draw norms over their band and the router row without itself', () => {
    const { marks } = drawNeurons(detail.neurons, 320, 36);
    expect(marks.filter((mark) => mark.kind === 'path')).toHaveLength(2);
    const row = drawRouterRow(detail, 320, 48).marks.filter((mark) => mark.key !== undefined);
    expect(row).toHaveLength(16);
    expect(row[4]?.tip).toBe('Expert 4: itself');
    expect(row.every((mark) => mark.tip !== undefined)).toBe(true);
  });
  it('show blanks and control characters of tokens', () => {
    expect([visibleToken(' a'), visibleToken('\n'), visibleToken(''), visibleToken('\u0000')]).toEqual(['\u00b7a', '\u23ce', '\u2205', '\ufffd']);
    expect(oneLine('a\r\nb\tc')).toBe('a\u23ceb c');
  });
});

describe('pictures of a tensor', () => {
  const name = 'model.layers.17.self_attn.o_proj.weight';
  it('mark zeros, NaN and Inf', () => {
    const tile = inventedTensorTile(name, 184, 184);
    expect(notFinitePlaces(tile).map((place) => place.kind)).toEqual(['nan', 'nan', 'nan', 'inf']);
    const { marks } = drawMarks(tile, 368, 368, 1);
    expect(marks.filter((mark) => mark.kind === 'path')).toHaveLength(8);
    expect(marks.filter((mark) => mark.kind === 'circle')).toHaveLength(1);
    expect(marks.filter((mark) => mark.kind === 'rect' && mark.width === 1).length).toBeGreaterThan(50);
    expect(tileLimit(tile.data)).toBeGreaterThan(0);
    expect(tileLimit(new Float32Array(4))).toBe(1);
  });
  it('draw histogram and profiles inside their boxes, for empty tensors too', () => {
    const statistics = inventedStatistics(name);
    const whole = drawHistogram(statistics, 424);
    for (const mark of whole.marks) if (mark.kind === 'rect') expect(mark.y).toBeGreaterThanOrEqual(0);
    expect(whole.marks.some((mark) => mark.kind === 'path' && mark.dash === '3 2')).toBe(true);
    const empty = { ...statistics, elements: 0, mean: null, sd: null, zeros: 0, nan: 0, infinite: 0, histogram: { from: 0, to: 0, counts: new Float64Array(0) } };
    expect(drawHistogram(empty, 424).marks.every((mark) => mark.kind !== 'rect')).toBe(true);
    const profile = drawProfile(Float32Array.from({ length: 500 }, (_, i) => i), [1, 2], 100, 40, 'columns');
    expect(JSON.stringify(profile)).not.toMatch(/NaN|":null/);
  });
  it('split messages into sentences, not names', () => {
    expect(sentences('a.safetensors is cut off at 1.5 GB. Download it again. "x" is named.')).toEqual(['a.safetensors is cut off at 1.5 GB.', 'Download it again.', '"x" is named.']);
  });
});
