import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, readAll, SAMPLE } from './gestures';
import { contextMenuItems, engines, logFiles, openWorkbench, runCommand, treeRow, unexpectedErrors, until, webview } from './lib.mjs';

const FIXTURES = path.resolve(import.meta.dirname, '../fixtures');
const ANALYZE = 'Modulens: Analyze Modularity';
/** Blank, accent and brackets: names that are legal and often mishandled. */
const AWKWARD = 'modèle [v2] final';

let bench: Awaited<ReturnType<typeof openWorkbench>>;
let page: Page;

beforeAll(async () => {
  bench = await openWorkbench({
    fill: (workspace: string) => {
      cpSync(SAMPLE, path.join(workspace, AWKWARD), { recursive: true });
      cpSync(path.join(FIXTURES, 'stories260k-modules/lora-bank-r4'), path.join(workspace, 'lora'), { recursive: true });
      mkdirSync(path.join(workspace, 'notes'));
      writeFileSync(path.join(workspace, 'notes/readme.txt'), 'nothing here');
      mkdirSync(path.join(workspace, 'broken'));
      // A header that promises more bytes than the file has.
      const header = Buffer.from(JSON.stringify({ 'a.weight': { dtype: 'F32', shape: [64, 64], data_offsets: [0, 16384] } }));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      writeFileSync(path.join(workspace, 'broken/cut.safetensors'), Buffer.concat([length, header, Buffer.alloc(100)]));
    },
  });
  page = bench.page as Page;
});
afterAll(async () => {
  await page?.screenshot({ path: path.join(import.meta.dirname, 'out/workbench-last.png') }).catch(() => undefined);
  await bench?.close();
});

const open = async (folder: string, file: string): Promise<void> => {
  const row = treeRow(page, folder);
  if ((await row.getAttribute('aria-expanded')) !== 'true') await row.click();
  await treeRow(page, file).waitFor();
};

describe('the explorer', () => {
  it('offers the analysis on folders that are checkpoints, and only there', async () => {
    await until(async () => ((await contextMenuItems(page, treeRow(page, AWKWARD))) as string[]).includes(ANALYZE), { timeout: 60_000, every: 1000, what: 'the checkpoint to be found' });
    expect(await contextMenuItems(page, treeRow(page, 'notes'))).not.toContain(ANALYZE);
  });

  it('does not start the engine before it is needed', () => {
    expect(engines(bench.server)).toEqual([]);
  });

  it('offers it on weights and on the config of a checkpoint, not on other files', async () => {
    await open(AWKWARD, 'model.safetensors');
    expect(await contextMenuItems(page, treeRow(page, 'model.safetensors'))).toContain(ANALYZE);
    expect(await contextMenuItems(page, treeRow(page, 'config.json'))).toContain(ANALYZE);
    expect(await contextMenuItems(page, treeRow(page, 'tokenizer.json'))).not.toContain(ANALYZE);
  });
});

describe('a .safetensors file', () => {
  it('opens as its tensors, from a folder with an awkward name', async () => {
    const { tensors } = headerOf(path.join(SAMPLE, 'model.safetensors'));
    await treeRow(page, 'model.safetensors').dblclick();
    const frame = webview(page) as FrameLocator;
    await frame.locator('[role=treegrid] .row[data-line]').first().waitFor();
    await frame.locator('input[aria-label="Filter tensors"]').fill('embed_tokens');
    await frame.locator('.row', { hasText: 'embed_tokens' }).first().waitFor();
    expect(await frame.locator('.page-head').innerText()).toContain(String(tensors));
    await bench.picture('workbench-1-tensors');
  });

  it('that is cut off says so, with the file and the remedy', async () => {
    await open('broken', 'cut.safetensors');
    await treeRow(page, 'cut.safetensors').dblclick();
    await page.locator('.tab.active', { hasText: 'cut.safetensors' }).waitFor();
    const frame = webview(page) as FrameLocator;
    const notice = frame.locator('.notice.error');
    await notice.waitFor();
    expect(await notice.innerText()).toContain('cut.safetensors');
    await bench.picture('workbench-2-broken');
  });
});

describe('the Modulens view', () => {
  it('lists checkpoints and modules with their facts', async () => {
    await page.locator('.activitybar .action-item', { has: page.locator('[aria-label^="Modulens"]') }).first().click();
    const view = page.locator('.pane-body .monaco-list-row');
    await view.filter({ hasText: AWKWARD }).filter({ hasText: /llama · \d+ layers/ }).first().waitFor();
    await view.filter({ hasText: 'lora' }).filter({ hasText: /r 4/ }).first().waitFor();
    await bench.picture('workbench-3-view');
  });
});

describe('the bundled sample', () => {
  it('opens from the palette, without a folder of the user', async () => {
    await runCommand(page, 'Modulens: Open Sample Checkpoint');
    await page.locator('.tab.active', { hasText: 'modulens-sample' }).waitFor();
    const frame = webview(page) as FrameLocator;
    await finished(frame);
    await bench.picture('workbench-4-sample');
  });

  it('leaves no trace in the model folder, and the log names no error', () => {
    const names = readAll((logFiles(bench.sandbox)).filter((file) => file.endsWith('Modulens.log')));
    expect(names).toMatch(/engine \d+ ready/);
    expect(names.split('\n').filter((line) => line.includes('[error]') && !line.includes('cut.safetensors'))).toEqual([]);
    expect(unexpectedErrors(bench.capture)).toEqual([]);
    expect(bench.capture.external).toEqual([]);
  });

  it('activates fast', () => {
    const log = readAll((logFiles(bench.sandbox)).filter((file) => file.endsWith('Modulens.log')));
    const milliseconds = Number(/activated in ([\d.]+) ms/.exec(log)?.[1]);
    console.log(`activated in ${milliseconds} ms`);
    // The limit of 50 ms is the benchmark's, on a quiet machine; here only a gross mistake fails.
    expect(milliseconds).toBeLessThan(500);
  });
});

function headerOf(file: string): { readonly tensors: number } {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8')) as Record<string, unknown>;
  return { tensors: Object.keys(header).filter((name) => name !== '__metadata__').length };
}
