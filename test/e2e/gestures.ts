import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import type { AnalysisDocument } from '../../extension/protocol/documents';
import { contextMenu, treeRow, webview } from './lib.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
export const SAMPLE = path.join(ROOT, 'media/sample/modulens-sample');

/** A run of the sample may have to measure devices and to load the runtime first. */
export const RUN_MS = 180_000;

/** Right-click in the explorer, "Modulens: Analyze Modularity", and the page that opens. */
export async function analyze(page: Page, name: string): Promise<FrameLocator> {
  await contextMenu(page, treeRow(page, name), 'Modulens: Analyze Modularity');
  const frame = webview(page) as FrameLocator;
  await frame.locator('h1.finding').waitFor();
  return frame;
}

/** Waits until the page's run has ended well. */
export async function finished(frame: FrameLocator): Promise<void> {
  await frame.locator('.status', { hasText: /^(Analysed|Read from the weights)/ }).waitFor({ timeout: RUN_MS });
}

/** What the command line says about a checkpoint, computed anew in a cache folder of its own. */
export function analyzeByCommandLine(checkpoint: string, ...args: readonly string[]): AnalysisDocument {
  const cache = mkdtempSync(path.join(tmpdir(), 'modulens-cli-'));
  try {
    const stdout = execFileSync(process.execPath, [path.join(ROOT, 'dist/cli.js'), 'analyze', checkpoint, '--json', '--quiet', '--cache-dir', cache, ...args], { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
    return JSON.parse(stdout) as AnalysisDocument;
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
}

/** Text of all log files of the extension. */
export const readAll = (files: readonly string[]): string => files.map((file) => readFileSync(file, 'utf8')).join('\n');
