import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext } from '../../../extension/engine/context';
import { expert, picture, tile } from '../../../extension/engine/operations/analysisViews';
import { run as analyze } from '../../../extension/engine/operations/analyze';
import type { AnalysisDocument, LayerResult } from '../../../extension/protocol/documents';

const STORIES = path.resolve('test/fixtures/stories260k');
/** 172 neurons: experts of two neurons each, the smallest that there are. */
const MOST_EXPERTS = 86;

let temporary: string;
beforeAll(() => {
  temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-analysis-'));
  process.env['MODULENS_MEDIA'] = path.resolve('media');
});
afterAll(() => { fs.rmSync(temporary, { recursive: true, force: true }); });

function contextOf(cache: string, change: Partial<OperationContext> & { readonly threads?: number } = {}): OperationContext {
  const { threads = 1, ...rest } = change;
  return { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: path.join(temporary, cache), cacheBytes: 1 << 30, threads, device: 'cpu' }, ...rest };
}

const numbersOf = (document: AnalysisDocument): unknown => ({ layers: document.layers, finding: document.finding, probe: document.probe });

describe('an analysis', () => {
  let one: AnalysisDocument;

  it('is the same for one and for two threads', async () => {
    one = await analyze({ path: STORIES, options: { experts: 4, layers: '0,4' } }, contextOf('one'));
    const two = await analyze({ path: STORIES, options: { experts: 4, layers: '0,4' } }, contextOf('two', { threads: 2 }));
    expect(numbersOf(two)).toEqual(numbersOf(one));
    expect(one.layers.map((layer) => layer.index)).toEqual([0, 4]);
  });

  it('is another one for another seed, in what is random only', async () => {
    const other = await analyze({ path: STORIES, options: { experts: 4, layers: '0', seed: 1 } }, contextOf('one'));
    expect(other.key).not.toBe(one.key);
    expect(other.layers[0].scores.modularity?.null).not.toBe(one.layers[0].scores.modularity?.null);
    expect(other.probe?.sha256).toBe(one.probe?.sha256);
  });

  it('comes from the store when it was made before', async () => {
    const stages: string[] = [], layers: LayerResult[] = [];
    const again = await analyze({ path: STORIES, options: { experts: 4, layers: '0,4' } }, contextOf('one', { progress: (p) => { stages.push(p.stage); } }), { started: () => undefined, layer: (result) => { layers.push(result); } });
    expect(numbersOf(again)).toEqual(numbersOf(one));
    expect(stages.filter((stage) => /activity|shuffling|routing/.test(stage))).toEqual([]);
    expect(layers.length).toBeGreaterThanOrEqual(2);
  });

  it('that is cancelled keeps its finished layers, and the next run goes on from them', async () => {
    const controller = new AbortController();
    const finished: number[] = [];
    const run = analyze({ path: STORIES, options: { experts: 4 } }, contextOf('cut', { signal: controller.signal }), {
      started: () => undefined,
      layer: (result) => {
        if (!result.scores.modularity) return;
        finished.push(result.index);
        if (finished.length === 2) controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    expect(finished).toEqual([0, 1]);
    const stages: string[] = [];
    const whole = await analyze({ path: STORIES, options: { experts: 4 } }, contextOf('cut', { progress: (p) => { stages.push(p.stage); } }));
    expect(whole.layers.map((layer) => layer.index)).toEqual([0, 1, 2, 3, 4]);
    expect(stages.filter((stage) => /^layer [01]: .*(activity|shuffling)/.test(stage))).toEqual([]);
    expect(stages.some((stage) => /^layer 2: measuring activity/.test(stage))).toBe(true);
    expect(whole.layers[0]).toEqual(one.layers[0]);
  });
});

describe('controls', () => {
  it.each(['random', 'contiguous'] as const)('%s: a balanced partition that is scored on text and found to be nothing', async (method) => {
    const document = await analyze({ path: STORIES, options: { experts: 4, layers: '1', method } }, contextOf('controls'));
    const [layer] = document.layers;
    expect(layer.partition.method).toBe(method);
    expect(layer.partition.sizes).toEqual([43, 43, 43, 43]);
    if (method === 'contiguous') expect(layer.partition.labels).toEqual(Array.from({ length: 172 }, (_, i) => Math.floor(i / 43)));
    expect(Object.keys(layer.scores)).not.toContain('stability');
    expect(layer.scores.modularity?.nullDraws).toBeGreaterThan(30);
    expect(document.finding).toMatch(/No evidence/);
  });

  it('need text', async () => {
    await expect(analyze({ path: STORIES, options: { experts: 4, method: 'random', weightsOnly: true } }, contextOf('controls'))).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('the pictures of a layer', () => {
  it('are finite with experts of two neurons, with text and without', async () => {
    for (const weightsOnly of [true, false]) {
      const context = contextOf('small');
      const document = await analyze({ path: STORIES, options: { experts: MOST_EXPERTS, layers: '2', weightsOnly } }, context);
      const shown = await picture({ key: document.key, layer: 2 }, context);
      expect(shown.kind).toBe(weightsOnly ? 'keySimilarity' : 'coactivation');
      for (const part of [shown.raw, shown.excess, shown.mass, shown.router]) for (const value of part) expect(Number.isFinite(value)).toBe(true);
      // An expert without any neuron of a label has fold 0.
      for (const value of shown.fold) expect(Number.isNaN(value)).toBe(false);
      const map = await tile({ key: document.key, layer: 2, kind: 'excess', rows: [0, 172], columns: [0, 172], width: 172, height: 172 }, context);
      expect(map.rowNeurons?.length).toBe(172);
      // Only a neuron with itself has no value.
      for (let r = 0; r < 172; r++) for (let c = 0; c < 172; c++) expect(Number.isFinite(map.data[r * 172 + c])).toBe(r !== c);
    }
  });

  it('show the same numbers in coarse tiles, fine ones and the expert matrix', async () => {
    const context = contextOf('one');
    const { key } = await analyze({ path: STORIES, options: { experts: 4, layers: '0,4' } }, context);
    const shown = await picture({ key, layer: 0 }, context);
    const tileOf = (kind: 'raw' | 'excess', width: number) => tile({ key, layer: 0, kind, rows: [0, 172], columns: [0, 172], width, height: width }, context);
    const [fine, coarse, excess] = [await tileOf('raw', 172), await tileOf('raw', 4), await tileOf('excess', 4)];
    for (let a = 0; a < 4; a++) {
      for (let b = 0; b < 4; b++) {
        let sum = 0, pairs = 0;
        for (let r = a * 43; r < (a + 1) * 43; r++) for (let c = b * 43; c < (b + 1) * 43; c++) if (r !== c) { sum += fine.data[r * 172 + c]; pairs++; }
        expect(coarse.data[a * 4 + b]).toBeCloseTo(sum / pairs, 5);
        expect(shown.raw[a * 4 + b]).toBeCloseTo(coarse.data[a * 4 + b], 4);
        expect(shown.excess[a * 4 + b]).toBeCloseTo(excess.data[a * 4 + b], 4);
      }
    }
  });

  it('tell an expert with its tokens, neurons and nulls', async () => {
    const context = contextOf('one');
    const { key } = await analyze({ path: STORIES, options: { experts: 4, layers: '0,4' } }, context);
    const detail = await expert({ key, layer: 4, expert: 1 }, context);
    expect(detail.neurons.ids.length).toBe(43);
    expect(detail.topTokens.length).toBeGreaterThan(0);
    expect(detail.byLabel.length).toBe(8);
    for (const entry of detail.byLabel) expect(entry.enrichment.nullDraws).toBeGreaterThanOrEqual(100);
    expect(detail.logitEffect?.nullDraws).toBeGreaterThanOrEqual(5);
    expect(detail.mass?.nullInterval).toBeDefined();
  });
});
