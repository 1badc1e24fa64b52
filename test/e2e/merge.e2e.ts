import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAll, RUN_MS } from './gestures';
import { contextMenu, contextMenuItems, logFiles, openWorkbench, runCommand, treeRow, unexpectedErrors, until, webview } from './lib.mjs';

const FIXTURES = path.resolve(import.meta.dirname, '../fixtures');
const COMPARE = 'Modulens: Compare for Merging...';
const RECIPE = [
  'merge_method: ties',
  'base_model: models-base',
  'models:',
  '  - model: models-bank',
  '    parameters:',
  '      weight: 0.6',
  '      desnity: 0.5',
  '  - model: models-half',
  '    parameters: {weight: 0.4, density: 0.5}',
  'dtype: float32',
  '',
].join('\n');

let bench: Awaited<ReturnType<typeof openWorkbench>>;
let page: Page;

beforeAll(async () => {
  bench = await openWorkbench({
    fill: (workspace: string) => {
      for (const [from, to] of [['stories260k', 'models-base'], ['stories260k-modules/fullft-bank', 'models-bank'], ['stories260k-bf16', 'models-half'], ['stories260k-modules/lora-bank-r4', 'lora-bank'], ['stories260k-modules/lora-math-r4', 'lora-math']]) cpSync(path.join(FIXTURES, from), path.join(workspace, to), { recursive: true });
      writeFileSync(path.join(workspace, 'recipe.yml'), RECIPE);
      writeFileSync(path.join(workspace, 'other.yml'), 'steps:\n  - run: merge_method\n');
    },
  });
  page = bench.page as Page;
});
afterAll(async () => {
  await page?.screenshot({ path: path.join(import.meta.dirname, 'out/merge-last.png') }).catch(() => undefined);
  await bench?.close();
});

const lens = (text: string | RegExp) => page.locator('.codelens-decoration').locator('a, span').filter({ hasText: text });
const lensLink = (text: string | RegExp) => page.locator('.codelens-decoration a', { hasText: text });
const word = (text: string) => page.locator('.editor-instance .view-line span span', { hasText: text }).last();
const workspaceFile = (...parts: readonly string[]): string => path.join(bench.sandbox.workspace, ...parts);

describe('a merge recipe in the editor', () => {
  it('is recognised by what it holds, and its misspelt key is marked', async () => {
    await treeRow(page, 'other.yml').dblclick();
    await page.locator('.tab.active', { hasText: 'other.yml' }).waitFor();
    await treeRow(page, 'recipe.yml').dblclick();
    await page.locator('.tab.active', { hasText: 'recipe.yml' }).waitFor();
    await lens(/^1 error$/).first().waitFor({ timeout: RUN_MS });
    await page.locator('.editor-instance .squiggly-error').first().waitFor();
    await lensLink(/^Check$/).waitFor();
    // There is an error: what would merge is plain text.
    await lens(/^Merge$/).first().waitFor();
    expect(await lensLink(/^Merge$/).count()).toBe(0);
    await bench.picture('merge-1-error');
  });

  it('explains the method with its formula', async () => {
    await word('ties').hover();
    const hover = page.locator('.monaco-hover:visible .hover-contents', { hasText: 'TIES' }).first();
    await hover.waitFor();
    const text = await hover.innerText();
    for (const part of ['\u03bb', 'density', 'default 1, 0 to 1', 'mergekit:', 'arXiv 2306.01708']) expect(text).toContain(part);
    await bench.picture('merge-2-hover');
    await page.mouse.move(2, 2);
    await page.locator('.monaco-hover:visible').first().waitFor({ state: 'hidden' });
  });

  it('is mended by the quick fix', async () => {
    const fix = page.locator('.action-widget .monaco-list-row', { hasText: 'Change to \u2018density\u2019' });
    await until(async () => {
      await page.keyboard.press('Escape');
      await word('desnity').click();
      await page.keyboard.press('Control+.');
      return fix.waitFor({ timeout: 10_000 }).then(() => true, () => false);
    }, { timeout: 60_000, what: 'the quick fix' });
    expect(await page.locator('.action-widget .monaco-list-row', { hasText: 'Remove this line' }).count()).toBe(1);
    await bench.picture('merge-3-fix');
    await fix.click();
    await lens(/^3 inputs, \d+ tensors, [\d.]+ [kM]B to write$/).first().waitFor({ timeout: RUN_MS });
    await until(async () => (await page.locator('.editor-instance .squiggly-error').count()) === 0, { what: 'the mark to go' });
    await lensLink(/^Merge$/).waitFor();
    await bench.picture('merge-4-mended');
  });

  it('completes keys, settings and checkpoints', async () => {
    await word('float32').click();
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.keyboard.type('out', { delay: 40 });
    const list = page.locator('.suggest-widget.visible .monaco-list-row');
    await list.filter({ hasText: 'out_dtype' }).first().waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+Shift+K');
    await word('models-half').click();
    await page.keyboard.press('Control+Space');
    await list.filter({ hasText: 'models-bank' }).first().waitFor();
    await bench.picture('merge-5-complete');
    await page.keyboard.press('Escape');
  });

  it('previews: what would be written, and how the models lie to each other', async () => {
    await lens(/^3 inputs, \d+ tensors/).first().waitFor({ timeout: RUN_MS });
    await lensLink(/^Preview$/).click();
    const frame = webview(page) as FrameLocator;
    await frame.locator('.second', { hasText: /^This recipe merges three models by ties/ }).waitFor({ timeout: RUN_MS });
    await frame.locator('.matrix').first().waitFor();
    expect(await frame.locator('.hints li').count()).toBeGreaterThan(0);
    expect(await frame.locator('.fact-list').innerText()).toMatch(/written nothing/);
    expect(await frame.locator('.plan').innerText()).toContain('model.safetensors');
    await bench.picture('merge-6-preview');
  });

  it('merges into a folder that is no input, and opens the result', async () => {
    await treeRow(page, 'recipe.yml').dblclick();
    await lensLink(/^Merge$/).click();
    const input = page.locator('.quick-input-widget:visible input').first();
    await until(async () => (await input.inputValue()).endsWith('recipe-merged'), { timeout: 60_000, what: 'a suggested folder' });
    await input.fill(workspaceFile('models-base'));
    await page.locator('.quick-input-message', { hasText: /Inputs are never touched/ }).waitFor();
    await bench.picture('merge-7-folder');
    await input.fill(workspaceFile('recipe-merged'));
    await page.keyboard.press('Enter');
    const done = page.locator('.notification-list-item', { hasText: /Merged 3 models by ties into recipe-merged: \d+ tensors/ });
    await done.waitFor({ timeout: RUN_MS });
    await bench.picture('merge-8-done');
    expect(existsSync(workspaceFile('recipe-merged', 'model.safetensors'))).toBe(true);
    expect(readFileSync(workspaceFile('recipe-merged', 'config.json'), 'utf8')).toContain('llama');
    await done.locator('.monaco-button', { hasText: 'Open Analysis' }).click();
    await page.locator('.tab.active', { hasText: 'recipe-merged' }).waitFor({ timeout: 60_000 });
    const frame = webview(page) as FrameLocator;
    await frame.locator('h1.finding').waitFor({ timeout: RUN_MS });
  });
});

describe('models that are selected in the explorer', () => {
  it('are compared: two LoRAs', async () => {
    await until(async () => {
      await treeRow(page, 'lora-bank').click();
      await treeRow(page, 'lora-math').click({ modifiers: ['Control'] });
      return ((await contextMenuItems(page, treeRow(page, 'lora-math'))) as string[]).includes(COMPARE);
    }, { timeout: 60_000, every: 1000, what: 'the modules to be found' });
    await contextMenu(page, treeRow(page, 'lora-math'), COMPARE);
    await page.locator('.tab.active', { hasText: 'merge: lora-bank, lora-math' }).waitFor();
    const frame = webview(page) as FrameLocator;
    await frame.locator('.matrix').first().waitFor({ timeout: RUN_MS });
    expect(await frame.locator('.fact-list').innerText()).toContain('2 modules');
    await bench.picture('merge-9-modules');
  });
});

describe('the whole time', () => {
  it('nothing unexpected was logged', async () => {
    await runCommand(page, 'Notifications: Clear All Notifications');
    expect(unexpectedErrors(bench.capture)).toEqual([]);
    const log = readAll(logFiles(bench.sandbox).filter((file: string) => file.endsWith('Modulens.log')));
    expect(log).toMatch(/merged into .*recipe-merged/);
    expect(log.split('\n').filter((line) => /\[error\]/.test(line))).toEqual([]);
  });
});
