import { cpSync } from 'node:fs';
import path from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnalysisDocument, LAYER_SCORES, type LayerScoreName } from '../../extension/protocol/documents';
import { formatNumber, formatScore, isEvidence } from '../../extension/protocol/score';
import { analyze, analyzeByCommandLine, finished, SAMPLE } from './gestures';
import { engines, openWorkbench, runCommand, treeRow, unexpectedErrors, until, webview } from './lib.mjs';

const NAME = 'modulens-sample';
/** What stands in the four tracks of the layer strip, or under the strip when a layer is chosen. */
const SCORES = Object.keys(LAYER_SCORES) as LayerScoreName[];

let bench: Awaited<ReturnType<typeof openWorkbench>>;
let page: Page;
let frame: FrameLocator;
let truth: AnalysisDocument;

beforeAll(async () => {
  truth = analyzeByCommandLine(SAMPLE);
  bench = await openWorkbench({ fill: (workspace: string) => cpSync(SAMPLE, path.join(workspace, NAME), { recursive: true }) });
  page = bench.page as Page;
});
afterAll(async () => {
  await page?.screenshot({ path: path.join(import.meta.dirname, 'out/analysis-last.png') }).catch(() => undefined);
  await bench?.close();
});

/** Spaces of every kind as one blank, so that page text and formatted text compare. */
const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();
const layerRow = (index: number) => frame.locator(`[role=option][data-index="${index}"]`);

describe('the sample, from the explorer to its numbers', () => {
  it('right-click on the folder opens the analysis and it finishes', async () => {
    frame = await analyze(page, NAME);
    await finished(frame);
    await bench.picture('analysis-1-done');
    expect(plain(await frame.locator('h1.finding').innerText())).toBe(plain(truth.finding));
  });

  it('states the model, the device and the probe', async () => {
    const facts = plain(await frame.locator('dl.facts').innerText());
    expect(facts).toContain(NAME);
    expect(facts).toContain(`Seed ${truth.seed}`);
    expect(facts).toContain(`${truth.experts} a layer`);
    expect(truth.probe).not.toBeNull();
    expect(facts).toContain(plain(`${formatNumber(truth.probe?.splitTokens ?? 0)} to split + ${formatNumber(truth.probe?.scoreTokens ?? 0)} to score`));
  });

  it('has a row for each layer that says each score with its null and its sample size, as the command line does', async () => {
    expect(await frame.locator('[role=option][data-index]').count()).toBe(truth.layers.length);
    for (const layer of truth.layers) {
      const spoken = plain(await layerRow(layer.index).getAttribute('aria-label') ?? '');
      let said = 0;
      for (const name of SCORES) {
        const score = layer.scores[name];
        if (!score || score.value === null || !spoken.includes(LAYER_SCORES[name].title)) continue;
        const text = formatScore(score);
        for (const part of [text.value, text.null, text.n]) expect(spoken, `layer ${layer.index} ${name}`).toContain(plain(part));
        said++;
      }
      expect(said).toBeGreaterThanOrEqual(3);
    }
  });

  it('a click switches the layer, and every score of it stands there with its null', async () => {
    const layer = truth.layers.at(-1);
    if (!layer) throw new Error('no layer');
    await layerRow(layer.index).click();
    await frame.locator('.readout h3', { hasText: `Layer ${layer.index}` }).waitFor();
    const readout = plain(await frame.locator('.readout').innerText());
    for (const name of SCORES) {
      const score = layer.scores[name];
      if (!score || score.value === null) continue;
      const text = formatScore(score);
      expect(readout, name).toContain(plain(`${LAYER_SCORES[name].title} ${text.value}`));
      expect(readout, name).toContain(plain(text.null));
      expect(readout, name).toContain(plain(`n = ${formatNumber(score.n)} ${score.nOf}`));
      if (!isEvidence(score)) expect(readout, name).toContain('no evidence');
    }
    await frame.locator('h2.crumb-layer', { hasText: String(layer.index) }).waitFor();
    expect(plain(await frame.locator('.breadcrumb').innerText())).toContain(`${layer.partition.experts} experts`);
  });

  it('draws one circle per expert; a click locks one and shows its details', async () => {
    const layer = truth.layers.at(-1);
    if (!layer) throw new Error('no layer');
    const nodes = frame.locator('.graph g.node');
    await nodes.first().waitFor();
    expect(await nodes.count()).toBe(layer.partition.experts);
    const expert = 1;
    await nodes.nth(expert).click();
    const title = frame.locator('.details h2');
    await title.filter({ hasText: `Expert ${expert}` }).filter({ hasText: 'locked' }).waitFor();
    const neurons = frame.locator('.details', { hasText: `${formatNumber(layer.partition.sizes[expert] ?? 0)} neurons` });
    await neurons.waitFor();
    // The neurons named there belong to this expert by the command line's labels.
    const named = (await frame.locator('.details .chips button').allInnerTexts()).map(Number);
    expect(named.length).toBeGreaterThan(0);
    for (const neuron of named) expect(layer.partition.labels[neuron]).toBe(expert);
    await bench.picture('analysis-2-expert');
    await page.keyboard.press('Escape');
    await title.filter({ hasText: 'preview' }).waitFor();
  });

  it('arrows move the layer and the expert', async () => {
    await layerRow(truth.layers[0].index).click();
    await page.keyboard.press('ArrowDown');
    await frame.locator('.readout h3', { hasText: `Layer ${truth.layers[1].index}` }).waitFor();
    await page.keyboard.press('ArrowRight');
    await frame.locator('.details h2', { hasText: 'locked' }).waitFor();
    await page.keyboard.press('Escape');
  });

  it('the table behind the strip holds the same numbers', async () => {
    await frame.locator('.status button', { hasText: 'Table' }).click();
    const rows = frame.locator('dialog.tables tbody tr');
    await rows.first().waitFor();
    expect(await rows.count()).toBe(truth.layers.length);
    for (const [i, layer] of truth.layers.entries()) {
      const text = plain(await rows.nth(i).innerText());
      for (const name of SCORES) {
        const score = layer.scores[name];
        if (score && score.value !== null) expect(text, `layer ${layer.index} ${name}`).toContain(plain(formatScore(score).null));
      }
    }
    await bench.picture('analysis-3-table');
    await page.keyboard.press('Escape');
    await rows.first().waitFor({ state: 'hidden' });
  });

  it('opens again at once from the store', async () => {
    await runCommand(page, 'View: Close All Editors');
    await until(async () => (await page.locator('.tabs-container .tab').count()) === 0, { what: 'the tab to close' });
    frame = await analyze(page, NAME);
    const start = Date.now();
    await finished(frame);
    expect(Date.now() - start).toBeLessThan(3000);
    expect(plain(await frame.locator('h1.finding').innerText())).toBe(plain(truth.finding));
  });

  it('a right-click on the weights opens the same analysis', async () => {
    const folder = treeRow(page, NAME);
    if ((await folder.getAttribute('aria-expanded')) !== 'true') await folder.click();
    await treeRow(page, 'model.safetensors').waitFor();
    frame = await analyze(page, 'model.safetensors');
    await finished(frame);
    expect(plain(await frame.locator('h1.finding').innerText())).toBe(plain(truth.finding));
  });

  it('nothing failed on the way: one engine, no console error, no request to another machine', async () => {
    expect(engines(bench.server)).toHaveLength(1);
    expect(unexpectedErrors(bench.capture)).toEqual([]);
    expect(bench.capture.external).toEqual([]);
    expect(await webview(page).locator('h1.finding').count()).toBe(1);
  });
});
