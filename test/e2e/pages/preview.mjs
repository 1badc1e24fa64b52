#!/usr/bin/env node
/**
 * Shows the pages without VS Code and without an engine: builds them, loads them in headless Chromium under the host's
 * content security policy with INVENTED data, takes screenshots in four themes and several widths, and runs axe-core.
 *
 *   node test/e2e/pages/preview.mjs --out FOLDER [--page analysis|tensors|routing|transfer|merge] [--case name,...] [--theme dark,light,hc,hcl]
 *                                   [--width 420,900,1400] [--axe] [--full] [--serve PORT]
 *                                   [--frames] [--part SELECTOR]
 *
 * Exits 1 when a page logs an error, breaks its policy, scrolls sideways, has an A/AA violation, or draws other numbers than its table.
 */
import { createServer } from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { chromium } from 'playwright-core';
import { measureFrames } from './frames.mjs';
import { checkRaster } from './rasterCheck.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, '../../..');
const THEMES = { dark: 'vscode-dark', light: 'vscode-light', hc: 'vscode-high-contrast', hcl: 'vscode-high-contrast-light vscode-high-contrast' };

/** What is looked at: address parameters, and what to do before the picture is taken. */
const CASES = {
  analysis: {
    normal: { query: 'layer=7&expert=4' },
    unlocked: { query: '' },
    raw: { query: 'layer=7&expert=4&map=raw' },
    running: { query: 'state=running' },
    starting: { query: 'state=starting' },
    error: { query: 'state=error&layer=3' },
    cancelled: { query: 'state=error&layer=1' },
    weights: { query: 'state=weights&layer=7&expert=4' },
    few: { query: 'layers=5&experts=4&dff=512&labels=5' },
    many: { query: 'layers=80&experts=64&dff=8192&layer=40&expert=9&labels=12' },
    most: { query: 'layers=32&experts=128&dff=11008&layer=12&expert=90' },
    two: { query: 'layers=2&experts=2&dff=256&labels=0' },
    failedDetail: { query: 'layer=7&expert=4&fail=analysis/expert' },
    ablation: { query: 'layer=7&expert=4', act: (page) => page.getByRole('button', { name: 'Measure ablation' }).click() },
    hover: { query: 'layer=7&expert=4', act: async (page) => page.locator('.layer').nth(7).locator('.cell').nth(1).hover() },
    zoom: { query: 'layer=7&expert=4', act: async (page) => {
      await page.locator('.heat').focus();
      for (const key of ['+', '+', '+', '+']) await page.keyboard.press(key);
      await page.waitForTimeout(150);
    } },
    table: { query: 'layer=7&expert=4', act: async (page) => page.keyboard.press('t') },
    menu: { query: 'layer=7&expert=4', act: async (page) => page.getByRole('button', { name: /Export/ }).click() },
  },
  routing: {
    normal: { query: '', check: async (page) => {
      const { cells, wrong } = await checkRaster(page);
      return cells < 100 ? [`only ${cells} cells were compared with the table`] : wrong.slice(0, 5);
    } },
    sites: { query: 'kind=sites' },
    library: { query: 'kind=sites', act: async (page) => {
      await page.locator('.library').scrollIntoViewIfNeeded();
      await page.locator('.library-site canvas').waitFor();
      await page.waitForTimeout(200);
    } },
    compare: { query: '', act: compareRouters },
    compareSites: { query: 'kind=sites', act: compareRouters },
    whatIf: { query: '', act: async (page) => {
      await page.getByRole('button', { name: /What if/ }).click();
      await page.locator('.what-if').getByRole('button', { name: 'Mute' }).click();
      await page.locator('.what-if.is-set').waitFor();
      await page.waitForTimeout(150);
    } },
    whatIfOpen: { query: 'kind=sites', act: (page) => page.getByRole('button', { name: /What if/ }).click() },
    cosine: { query: 'kind=sites', act: (page) => page.getByRole('button', { name: 'cosine' }).click() },
    logit: { query: '', act: (page) => page.getByRole('button', { name: 'logit' }).click() },
    running: { query: 'state=running' },
    error: { query: 'state=error' },
    stale: { query: 'state=stale' },
    typed: { query: '', act: async (page) => {
      await page.evaluate(() => window.editText('typed', 0));
      await page.waitForTimeout(700);
    } },
    updating: { query: '', act: async (page) => {
      await page.evaluate(() => window.editText('routed', 60000));
      await page.waitForTimeout(100);
    } },
    updated: { query: '', act: async (page) => {
      await page.evaluate(() => window.editText('routed', 0));
      await page.waitForTimeout(200);
    }, check: async (page) => (await checkRaster(page)).wrong.slice(0, 5) },
    nolabels: { query: 'state=nolabels' },
    unlocked: { query: 'locked=no' },
    pins: { query: 'pins=1' },
    large: { query: 'kind=large' },
    signed: { query: 'semantics=signed' },
    sigmoid: { query: 'semantics=sigmoid' },
    sub: { query: 'kind=sites&semantics=sub-simplex' },
    native: { query: 'native=1', act: async (page) => {
      await page.locator('.block.trained').getByRole('button', { name: 'Compare' }).click();
      await page.locator('.trained-row').first().waitFor();
    } },
    filter: { query: '', act: (page) => page.getByLabel('Text', { exact: true }).selectOption('label:code') },
    table: { query: '', act: (page) => page.keyboard.press('t') },
    menu: { query: '', act: (page) => page.getByRole('button', { name: /Export/ }).click() },
  },
  transfer: {
    plan: { query: 'state=plan' },
    planAll: { query: 'state=plan&case=plain', act: (page) => page.getByRole('button', { name: 'show all sites' }).click() },
    planLarge: { query: 'state=plan&case=large' },
    planning: { query: 'state=planning' },
    running: { query: 'state=running' },
    cancelled: { query: 'state=cancelled' },
    failed: { query: 'state=failed' },
    noplan: { query: 'state=noplan' },
    helps: { query: 'state=report&case=helps', check: checkRuns },
    none: { query: 'state=report&case=none', check: checkRuns },
    hurts: { query: 'state=report&case=hurts', check: checkRuns },
    labels: { query: 'state=report&case=labels' },
    nodata: { query: 'state=report&case=nodata' },
    large: { query: 'state=report&case=large' },
    every: { query: 'state=report&case=helps', act: (page) => page.getByRole('button', { name: 'show every site' }).click() },
    locked: { query: 'state=report&case=helps', act: async (page) => {
      await page.locator('.report .map-box').focus();
      for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowDown');
    } },
    table: { query: 'state=report&case=helps', act: (page) => page.keyboard.press('t') },
    menu: { query: 'state=report&case=helps', act: (page) => page.getByRole('button', { name: /Export/ }).click() },
  },
  merge: {
    usual: { query: '', check: checkPairs },
    two: { query: 'case=two' },
    calm: { query: 'case=calm' },
    modules: { query: 'case=modules' },
    nobase: { query: 'case=nobase' },
    trouble: { query: 'case=trouble' },
    large: { query: 'case=large' },
    single: { query: 'case=single' },
    recipe: { query: 'state=recipe', check: checkPairs },
    plan: { query: 'state=plan' },
    reading: { query: 'state=reading' },
    cancelled: { query: 'state=cancelled' },
    failed: { query: 'state=failed' },
    locked: { query: '', act: async (page) => {
      await page.locator('.delta-box').focus();
      for (let i = 0; i < 10; i++) await page.keyboard.press('ArrowDown');
    } },
    pair: { query: '', act: async (page) => {
      await page.locator('.matrix').last().focus();
      for (const key of ['ArrowRight', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
      await page.waitForTimeout(100);
    } },
    hover: { query: '', act: (page) => page.locator('.matrix svg rect').first().hover() },
    table: { query: '', act: (page) => page.keyboard.press('t') },
    menu: { query: '', act: (page) => page.getByRole('button', { name: /Export/ }).click() },
  },
  tensors: {
    normal: { query: 'tensors=197187', act: openProjection },
    filter: { query: 'tensors=197187', act: async (page) => {
      await page.getByRole('textbox').fill('down');
      await page.waitForTimeout(200);
      await page.locator('.viewport [role=row]').nth(6).click();
    } },
    error: { query: 'state=error' },
    few: { query: 'tensors=900' },
  },
};

/** Every bar of the runs is as long as the table behind it says, on one scale. */
async function checkRuns(page) {
  const marks = await page.locator('.runs-box svg rect[height="10"]').evaluateAll((rects) => rects.map((rect) => Number(rect.getAttribute('width'))));
  await page.keyboard.press('t');
  const changes = (await page.locator('.tables tbody tr').evaluateAll((rows) => rows.map((row) => row.cells[3].textContent))).filter((text) => text !== '\u2013').map((text) => Math.abs(Number(text.replace('\u2212', '-'))));
  await page.keyboard.press('Escape');
  if (marks.length !== changes.length || marks.length < 4) return [`${marks.length} bars for ${changes.length} changes`];
  const scale = Math.max(...marks) / Math.max(...changes);
  return marks.flatMap((wide, i) => (Math.abs(wide - Math.max(1, changes[i] * scale)) > 1 ? [`bar ${i} is ${wide} px for ${changes[i]}`] : []));
}

/** Every number in the matrices and in the map of differences is that of the table behind it. */
async function checkPairs(page) {
  const number = (text) => Number(text.replace('\u2212', '-').replace(/\u2009/g, ''));
  const matrices = await page.locator('.matrix').evaluateAll((nodes) => nodes.map((node) => [...node.querySelectorAll('svg text')].filter((text) => text.style.fontFamily.includes('mono')).map((text) => text.textContent)));
  const moved = await page.locator('.delta-box svg text').evaluateAll((texts) => texts.filter((text) => text.style.fontFamily.includes('mono') && text.getAttribute('text-anchor') === 'middle').map((text) => text.textContent));
  await page.keyboard.press('t');
  const rows = await page.locator('.tables tbody tr').evaluateAll((lines) => lines.map((line) => [...line.cells].map((cell) => cell.textContent)));
  await page.locator('.tables select').selectOption('delta');
  const deltas = await page.locator('.tables tbody tr').evaluateAll((lines) => lines.flatMap((line) => [...line.cells].slice(1).map((cell) => cell.textContent)));
  await page.keyboard.press('Escape');
  const problems = [], perMatrix = rows.length / Math.max(1, matrices.length);
  if (matrices.length < 2 || !matrices.every((cells) => cells.length === 0 || cells.length === 2 * perMatrix)) problems.push(`${matrices.length} matrices with ${matrices.map((cells) => cells.length)} numbers for ${rows.length} rows`);
  matrices.forEach((cells, m) => {
    for (let p = 0; p < cells.length / 2; p++) for (const [k, column] of [[0, 4], [1, 5]]) {
      const shown = number(cells[2 * p + k]), told = number(rows[m * perMatrix + p][column].split(',')[0]);
      if (Math.abs(shown - told) > Math.max(0.0011, Math.abs(told) * 0.06)) problems.push(`matrix ${m}, pair ${p}: shows ${shown}, the table says ${told}`);
    }
  });
  if (moved.length > 0 && moved.length !== deltas.length) problems.push(`${moved.length} cells for ${deltas.length} differences`);
  moved.forEach((text, i) => { if (Math.abs(number(text) - 100 * number(deltas[i])) > Math.max(0.06, number(text) * 0.06)) problems.push(`difference ${i}: shows ${text}, the table says ${deltas[i]}`); });
  return problems.slice(0, 5);
}

async function compareRouters(page) {
  await page.getByRole('button', { name: 'Compare', exact: true }).first().click();
  await page.locator('.compare-box canvas').waitFor();
  await page.locator('.compare-tokens li').first().waitFor();
  await page.locator('.compare').scrollIntoViewIfNeeded();
  await page.waitForTimeout(150);
}

async function openProjection(page) {
  await page.getByRole('textbox').fill('layers.17.self_attn');
  await page.waitForTimeout(150);
  await page.locator('.viewport [role=row]', { hasText: 'o_proj' }).first().click();
  await page.getByRole('textbox').fill('');
  await page.waitForTimeout(300);
}

const { values: args } = parseArgs({ options: {
  out: { type: 'string' }, page: { type: 'string' }, case: { type: 'string' }, theme: { type: 'string', default: 'dark,light,hc,hcl' }, width: { type: 'string', default: '420,900,1400' },
  axe: { type: 'boolean', default: false }, full: { type: 'boolean', default: false }, part: { type: 'string' }, serve: { type: 'string' }, frames: { type: 'boolean', default: false }, height: { type: 'string', default: '900' },
} });

const files = await bundle();
const server = createServer((request, response) => respond(request, response, files));
await new Promise((resolve) => server.listen(args.serve ? Number(args.serve) : 0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
if (args.serve) console.log(`${origin}/analysis?layer=7&theme=dark`);
else if (args.frames) {
  await frames();
  server.close();
} else {
  const problems = await shoot();
  server.close();
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

async function bundle() {
  const result = await esbuild.build({
    absWorkingDir: ROOT, bundle: true, write: false, outdir: 'out', format: 'iife', platform: 'browser', target: ['chrome128'], logLevel: 'warning',
    entryPoints: { analysis: 'webview/analysis/main.ts', tensors: 'webview/tensors/main.ts', routing: 'webview/routing/main.ts', transfer: 'webview/transfer/main.ts', merge: 'webview/merge/main.ts', fakeHost: 'test/e2e/pages/fakeHost.ts' },
  });
  const out = new Map(result.outputFiles.map((file) => [`/${path.basename(file.path)}`, file.contents]));
  out.set('/themes.css', fs.readFileSync(path.join(HERE, 'themes.css')));
  return out;
}

function respond(request, response, out) {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const name = url.pathname.slice(1);
  const body = out.get(url.pathname);
  if (body) {
    response.writeHead(200, { 'content-type': name.endsWith('.css') ? 'text/css' : 'text/javascript' });
    response.end(body);
  } else if (['analysis', 'tensors', 'routing', 'transfer', 'merge'].includes(name)) {
    const theme = THEMES[url.searchParams.get('theme') ?? 'dark'] ?? THEMES.dark;
    const policy = "default-src 'none'; img-src 'self' data: blob:; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; font-src 'self'; script-src 'nonce-preview'";
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="${policy}"><link rel="stylesheet" href="/themes.css"><link rel="stylesheet" href="/${name}.css"><title>${name}: invented numbers</title></head><body data-page="${name}" class="${theme}"><div id="root"></div><script nonce="preview" src="/fakeHost.js"></script><script nonce="preview" src="/${name}.js"></script></body></html>`);
  } else {
    response.writeHead(name === 'favicon.ico' ? 204 : 404);
    response.end();
  }
}

async function frames() {
  const browser = await chromium.launch({ executablePath: process.env.MODULENS_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1400, height: Number(args.height) } });
    console.table(await measureFrames(page, origin));
  } finally {
    await browser.close();
  }
}

async function shoot() {
  const problems = [];
  const browser = await chromium.launch({ executablePath: process.env.MODULENS_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  if (args.out) fs.mkdirSync(args.out, { recursive: true });
  const axe = args.axe ? fs.readFileSync(path.join(ROOT, 'node_modules/axe-core/axe.min.js'), 'utf8') : null;
  try {
    for (const name of args.page ? [args.page] : Object.keys(CASES)) {
      for (const [title, look] of Object.entries(CASES[name]).filter(([key]) => !args.case || args.case.split(',').includes(key))) {
        for (const theme of args.theme.split(',')) {
          for (const width of args.width.split(',').map(Number)) {
            const label = `${name}-${title}-${theme}-${width}`;
            const context = await browser.newContext({ viewport: { width, height: Number(args.height) }, bypassCSP: false });
            const page = await context.newPage();
            page.on('console', (message) => message.type() === 'error' && problems.push(`${label}: ${message.text()}`));
            page.on('pageerror', (error) => problems.push(`${label}: ${error.message}`));
            await page.goto(`${origin}/${name}?${look.query}&theme=${theme}`);
            await page.waitForTimeout(250);
            await look.act?.(page);
            await page.waitForTimeout(150);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            if (wide > 0) problems.push(`${label}: scrolls ${wide} px sideways (${await page.evaluate(() => [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).slice(0, 3).map((e) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`).join('; '))})`);
            const faults = await page.evaluate(() => window.sentMessages.filter((message) => message.type === 'fault').map((message) => message.message));
            problems.push(...faults.map((fault) => `${label}: ${fault}`));
            if (args.out) await (args.part ? page.locator(args.part).first() : page).screenshot({ path: path.join(args.out, `${label}.png`), ...(args.part ? {} : { fullPage: args.full }) });
            if (look.check) problems.push(...(await look.check(page)).map((text) => `${label}: ${text}`));
            if (axe) problems.push(...(await violations(page, axe)).map((text) => `${label}: ${text}`));
            await context.close();
          }
        }
      }
    }
  } finally {
    await browser.close();
  }
  return problems;
}

async function violations(page, axe) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }));
  return result.violations.map((violation) => `${violation.id} (${violation.impact}): ${violation.help}; ${violation.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} ${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ''}`).join(' | ')}`);
}
