import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TransferDocument } from '../../extension/protocol/transfer';
import { readAll, RUN_MS } from './gestures';
import { contextMenu, contextMenuItems, logFiles, openWorkbench, runCommand, treeRow, unexpectedErrors, until, webview } from './lib.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SAMPLES = path.join(ROOT, 'media/sample');
const MODULE = 'lora-banking';
const SOURCE = 'modulens-sample';
const TARGET = 'modulens-sample-small';
const RESULT = `${MODULE}-on-${TARGET}`;
/** Few texts keep the run short; what it decides is not the point here. */
const ROWS = 12;
const PROBE_ROWS = 8;
/** Two runs in one test, on a machine that may be busy. */
const TWO_RUNS_MS = 4 * RUN_MS;

let bench: Awaited<ReturnType<typeof openWorkbench>>;
let page: Page;
let workspace: string;
let before: readonly string[];

beforeAll(async () => {
  bench = await openWorkbench({
    fill: (folder: string) => {
      for (const name of [MODULE, SOURCE, TARGET]) cpSync(path.join(SAMPLES, name), path.join(folder, name), { recursive: true });
      writeFileSync(path.join(folder, 'banking.jsonl'), head('heldout-banking.jsonl', ROWS));
      writeFileSync(path.join(folder, 'probe.jsonl'), head('heldout.jsonl', PROBE_ROWS));
    },
  });
  page = bench.page as Page;
  workspace = bench.sandbox.workspace;
  before = everything(workspace);
});
afterAll(async () => {
  await page?.screenshot({ path: path.join(import.meta.dirname, 'out/transfer-last.png') }).catch(() => undefined);
  await bench?.close();
});

const head = (file: string, rows: number): string => readFileSync(path.join(SAMPLES, file), 'utf8').split('\n').slice(0, rows).join('\n') + '\n';
/** All files and folders, hidden ones too, with the sizes of files. */
const everything = (folder: string): readonly string[] => readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => path.join(entry.parentPath, entry.name)).sort();
const quick = (): ReturnType<Page['locator']> => page.locator('.quick-input-widget:visible');

/** Chooses the first item of the open list that holds all of these words. */
async function choose(title: RegExp, ...words: readonly string[]): Promise<void> {
  await quick().locator('.quick-input-title', { hasText: title }).waitFor();
  let row = quick().locator('.monaco-list-row');
  for (const word of words) row = row.filter({ hasText: word });
  await row.first().click();
}

/** Types a path into VS Code's own file dialog. */
async function chooseFile(file: string): Promise<void> {
  await choose(/./, 'Choose a file');
  const input = quick().locator('input[type=text]');
  await until(async () => (await input.inputValue()).startsWith('/'), { what: 'the file dialog' });
  // The dialog may write its own folder over what was typed while it opens, and the first Enter may only complete the path.
  for (let attempt = 0; attempt < 10; attempt++) {
    if ((await input.inputValue()) !== file) {
      await input.fill(file);
      await page.waitForTimeout(500);
      continue;
    }
    await page.keyboard.press('Enter');
    if (await quick().waitFor({ state: 'hidden', timeout: 2000 }).then(() => true, () => false)) return;
  }
  throw new Error(`the file dialog did not take ${file}`);
}

/** Closes the editor that has the focus; the one beside or behind it comes back. */
async function closeEditor(name: string): Promise<void> {
  await page.locator('.tab.active', { hasText: name }).first().waitFor();
  await runCommand(page, 'View: Close Editor');
  await page.locator('.tab', { hasText: name }).waitFor({ state: 'detached' });
}

const frame = (): FrameLocator => webview(page) as FrameLocator;
const finding = (): ReturnType<FrameLocator['locator']> => frame().locator('h1.finding');
const planned = (): Promise<void> => frame().getByRole('button', { name: /^Run (transfer|again)/ }).first().waitFor();

async function run(): Promise<void> {
  await frame().locator('.run').getByRole('button', { name: /^Run (transfer|again)/ }).click();
  const input = quick().locator('input[type=text]');
  await input.waitFor();
  expect(await input.inputValue()).toBe(path.join(workspace, RESULT));
  await page.keyboard.press('Enter');
  await frame().locator('.run-state').getByRole('button', { name: 'Cancel' }).waitFor();
}

/** The same transfer by the command line, with a cache and an output of its own. */
function byCommandLine(): TransferDocument {
  const folder = mkdtempSync(path.join(tmpdir(), 'modulens-transfer-'));
  const at = (name: string): string => path.join(workspace, name);
  try {
    const stdout = execFileSync(process.execPath, [path.join(ROOT, 'dist/cli.js'), 'transfer', '--module', at(MODULE), '--from', at(SOURCE), '--to', at(TARGET), '--method', 'activation-transport', '--probe', at('probe.jsonl'), '--data', at('banking.jsonl'), '--out', path.join(folder, RESULT), '--json', '--quiet', '--cache-dir', path.join(folder, 'cache')], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    return JSON.parse(stdout) as TransferDocument;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What must be the same whoever ran it: everything but times and the folder that was written. */
const essence = ({ timings: _timings, out: _out, device: { used }, files, ...rest }: TransferDocument): unknown => ({ ...rest, used, files: files.filter(({ file }) => file.endsWith('.safetensors')) });

describe('Modulens: Transfer Module...', () => {
  it('is offered on a PEFT folder and not on checkpoints, and asks for the rest', async () => {
    await until(async () => ((await contextMenuItems(page, treeRow(page, MODULE))) as string[]).includes('Modulens: Transfer Module...'), { timeout: 60_000, every: 1000, what: 'the module to be found' });
    // The hover of the row would lie over the next one.
    await page.mouse.move(2, 2);
    await page.locator('.hover-contents').waitFor({ state: 'hidden' });
    expect(await contextMenuItems(page, treeRow(page, SOURCE))).not.toContain('Modulens: Transfer Module...');
    await page.mouse.move(2, 2);
    await page.locator('.hover-contents').waitFor({ state: 'hidden' });
    await contextMenu(page, treeRow(page, MODULE), 'Modulens: Transfer Module...');
    await quick().locator('.quick-input-title', { hasText: /on which base/ }).waitFor();
    await page.keyboard.press('Escape');
    await quick().waitFor({ state: 'hidden' });
  });

  it('asks for module, source, target and method, the named base first', async () => {
    await runCommand(page, 'Modulens: Transfer Module...');
    await choose(/which module/, MODULE);
    await quick().locator('.quick-input-title', { hasText: /on which base/ }).waitFor();
    const first = quick().locator('.monaco-list-row').first();
    await first.filter({ hasText: 'named by the module' }).waitFor();
    expect(await first.innerText()).toContain(SOURCE);
    await first.click();
    await choose(/to which base/, TARGET);
    await choose(/which method/, 'activation transport');
    await finding().filter({ hasText: `Plan: ${MODULE} moves from ${SOURCE} to ${TARGET}` }).waitFor({ timeout: RUN_MS });
  });

  it('shows the plan before anything is computed: maps, what stays behind, the cost', async () => {
    await planned();
    expect(await finding().innerText()).toMatch(/at 21 of 42 sites\. 21 sites on 3 layers have no place: [\d.]+\s%/);
    expect(await frame().locator('.plan .map-box svg text', { hasText: 'dropped' }).count()).toBe(3);
    expect(await frame().locator('.plan .matrix-box svg rect').count()).toBeGreaterThan(41);
    expect(await frame().locator('.plan .heads-box svg rect.cell').count()).toBe(12);
    expect(await frame().locator('.cost').innerText()).toMatch(/about [\d.]+\s(s|min), at most [\d.]+\s[MG]B/);
    expect(await frame().locator('.checks').last().innerText()).toMatch(/none: geometry only, no verdict/);
    await bench.picture('transfer-1-plan');
  });

  it('takes texts, and plans again with them', async () => {
    await frame().locator('[data-choice=probe]').click();
    await chooseFile(path.join(workspace, 'probe.jsonl'));
    await frame().locator('[data-choice=probe]', { hasText: 'probe.jsonl' }).waitFor();
    await frame().locator('[data-choice=data]').click();
    await chooseFile(path.join(workspace, 'banking.jsonl'));
    await frame().locator('.checks', { hasText: `${ROWS} texts: one half chooses the strength` }).waitFor({ timeout: RUN_MS });
    await planned();
    expect(everything(workspace)).toEqual(before);
  });

  it('cancelled in the middle leaves nothing behind', async () => {
    await run();
    await frame().locator('.run-state .stage', { hasText: /carrying|activations|choosing|strength/i }).waitFor({ timeout: RUN_MS });
    await bench.picture('transfer-2-running');
    await frame().locator('.run-state').getByRole('button', { name: 'Cancel' }).click();
    await frame().locator('.run-state', { hasText: 'Cancelled. Nothing was written.' }).waitFor({ timeout: RUN_MS });
    await page.waitForTimeout(500);
    expect(everything(workspace)).toEqual(before);
    expect(existsSync(path.join(workspace, RESULT))).toBe(false);
  });

  it('runs to the report, whose numbers are those of the command line', async () => {
    await run();
    await frame().locator('.report .runs-box svg').waitFor({ timeout: 2 * RUN_MS });
    await bench.picture('transfer-3-report');
    const document = JSON.parse(readFileSync(path.join(workspace, RESULT, 'modulens-transfer.json'), 'utf8')) as TransferDocument;
    expect(await finding().innerText()).toBe(document.sentence);
    const cli = byCommandLine();
    expect(essence(document)).toEqual(essence(cli));

    await frame().locator('.runs-box').focus();
    await page.keyboard.press('t');
    const rows = await frame().locator('.tables tbody tr').evaluateAll((all) => all.map((row) => [...row.querySelectorAll('th, td')].map((cell) => cell.textContent ?? '')));
    const number = (text: string): number => Number(text.replace('\u2212', '-').replace(/\s/g, ''));
    const transferred = rows.find(([name]) => name.startsWith(`with ${MODULE}`)) ?? [];
    const [main] = cli.proof?.differences ?? [];
    expect(number(transferred[2])).toBeCloseTo(cli.runs.find(({ name }) => name === 'transferred')?.lossPerToken ?? NaN, 2);
    [main.value, main.low, main.high].forEach((value, i) => expect(Math.abs(number(transferred[3 + i]) - value)).toBeLessThan(0.006 * Math.max(1, Math.abs(value))));
    expect(number(transferred[6])).toBe(main.n);
    await bench.picture('transfer-4-table');
    await page.keyboard.press('Escape');
  }, TWO_RUNS_MS);

  it('copies the report as JSON', async () => {
    await frame().getByRole('button', { name: 'Copy as JSON' }).click();
    // The clipboard can be read by the page that has the focus only.
    await page.locator('.part.statusbar').click();
    const copied = await until(async () => {
      const text = await page.evaluate(() => navigator.clipboard.readText()).catch(() => '');
      return text.startsWith('{') ? (JSON.parse(text) as TransferDocument) : null;
    }, { what: 'the clipboard' }) as TransferDocument;
    expect(copied).toEqual(JSON.parse(readFileSync(path.join(workspace, RESULT, 'modulens-transfer.json'), 'utf8')));
  });

  it('shows a changed text in the data file', async () => {
    const first = frame().locator('.changed button.text').first();
    const text = await first.innerText();
    await first.click();
    await page.locator('.tab.active', { hasText: 'banking.jsonl' }).waitFor();
    await page.locator('.editor-instance .view-line', { hasText: text.slice(0, 24) }).first().waitFor();
    await closeEditor('banking.jsonl');
  });

  it('writes a module that the view lists and that opens', async () => {
    await page.locator('.activitybar .action-item', { has: page.locator('[aria-label^="Modulens"]') }).first().click();
    await page.locator('.pane-body .monaco-list-row', { hasText: RESULT }).filter({ hasText: /LoRA/ }).first().waitFor();
    await bench.picture('transfer-5-tree');
    await frame().getByRole('button', { name: 'Open module' }).click();
    await page.locator('.tab.active', { hasText: 'adapter_model.safetensors' }).waitFor();
    await frame().locator('body[data-page="tensors"]').waitFor();
    await closeEditor('adapter_model.safetensors');
    await finding().waitFor();
  });

  it('no page error, no request to another machine, no error in the log', () => {
    const log = readAll(logFiles(bench.sandbox).filter((file: string) => file.endsWith('Modulens.log')));
    expect(log.split('\n').filter((line) => line.includes('[error]'))).toEqual([]);
    expect(unexpectedErrors(bench.capture)).toEqual([]);
    expect(bench.capture.external).toEqual([]);
  });

  // Last, because VS Code itself complains on the console when its window is loaded anew.
  it('shows the report again after the window was loaded anew', async () => {
    const { sentence } = JSON.parse(readFileSync(path.join(workspace, RESULT, 'modulens-transfer.json'), 'utf8')) as TransferDocument;
    await page.reload({ waitUntil: 'commit' });
    await page.locator('.monaco-workbench').waitFor({ timeout: RUN_MS });
    await finding().filter({ hasText: sentence }).waitFor({ timeout: RUN_MS });
    await frame().locator('.report .runs-box svg').waitFor();
  });
});
