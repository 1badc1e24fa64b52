import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Frame, FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyze, finished, RUN_MS, SAMPLE } from './gestures';
import { chooseTheme, openWorkbench, runCommand, treeRow, unexpectedErrors, webview, webviewFrame } from './lib.mjs';
import { checkRaster } from './pages/rasterCheck.mjs';

const NAME = 'modulens-sample';
/** VS Code's four theme kinds by a theme of each. */
const THEMES = [
  { kind: 'vscode-dark', theme: 'Dark Modern' },
  { kind: 'vscode-light', theme: 'Light Modern' },
  { kind: 'vscode-high-contrast', theme: 'Dark High Contrast' },
  { kind: 'vscode-high-contrast-light', theme: 'Light High Contrast' },
] as const;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const VIEWPORT = { width: 1440, height: 900 };
/** Records of two kinds, for the routing page. */
const KINDS = [
  { label: 'prose', text: 'The harbour was quiet before dawn. Gulls turned over the slack water, and somewhere a rope creaked against its post.' },
  { label: 'code', text: 'def parse(line: str) -> dict:\n    key, value = line.split("=", 1)\n    return {key.strip(): value.strip()}' },
  { label: 'prose', text: 'Nobody spoke; the tide did the talking while the first lamp went out and the boats came in.' },
  { label: 'code', text: 'for item in items:\n    if item.size > limit:\n        raise ValueError(f"too large: {item!r}")' },
];

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let bench: Awaited<ReturnType<typeof openWorkbench>>;
let page: Page;

beforeAll(async () => {
  bench = await openWorkbench({ fill: (workspace: string) => {
    cpSync(SAMPLE, path.join(workspace, NAME), { recursive: true });
    writeFileSync(path.join(workspace, 'kinds.jsonl'), KINDS.map((row) => JSON.stringify(row)).join('\n'));
  }, viewport: VIEWPORT });
  page = bench.page as Page;
});
afterAll(async () => {
  await page?.screenshot({ path: path.join(import.meta.dirname, 'out/pages-last.png') }).catch(() => undefined);
  await bench?.close();
});

/** Findings of axe in the page, as lines that name the rule and the element. */
async function violations(): Promise<string[]> {
  const frame = (await webviewFrame(page)) as Frame;
  await frame.evaluate(axeSource);
  return frame.evaluate(async (tags) => {
    const { axe } = window as unknown as { axe: { run(root: Document, options: object): Promise<{ violations: { id: string; help: string; nodes: { target: string[]; failureSummary?: string }[] }[] }> } };
    const { violations: found } = await axe.run(document, { runOnly: { type: 'tag', values: tags } });
    return found.flatMap((one) => one.nodes.slice(0, 3).map((node) => `${one.id}: ${node.target.join(' ')} - ${(node.failureSummary ?? one.help).split('\n').slice(0, 2).join(' ').slice(0, 200)}`));
  }, RULES);
}

/** Presses Tab until the focus leaves the page or comes round; returns what had it, and what had no visible focus mark. */
async function walk(limit = 200): Promise<{ readonly stops: readonly string[]; readonly unmarked: readonly string[] }> {
  const frame = (await webviewFrame(page)) as Frame;
  await frame.evaluate(() => {
    (document.activeElement as HTMLElement | null)?.blur();
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
  });
  const stops: string[] = [];
  const unmarked: string[] = [];
  for (let i = 0; i < limit; i++) {
    await page.keyboard.press('Tab');
    const at = await frame.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body || !document.hasFocus()) return null;
      // A custom element draws its focus inside.
      const style = getComputedStyle(element.shadowRoot?.activeElement ?? element);
      const inner = element.querySelector('.ring');
      const marked = style.outlineStyle !== 'none' || style.boxShadow !== 'none' || (inner !== null && getComputedStyle(inner).stroke !== 'none');
      const { width, height } = element.getBoundingClientRect();
      return { name: `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''} ${(element.getAttribute('aria-label') ?? element.textContent ?? '').trim().slice(0, 40)}`, marked, visible: width > 0 && height > 0 };
    });
    if (at === null || (stops.length > 0 && at.name === stops[0])) break;
    stops.push(at.name);
    if (!at.marked || !at.visible) unmarked.push(at.name);
  }
  return { stops, unmarked };
}

async function useTheme(frame: FrameLocator, { kind, theme }: (typeof THEMES)[number]): Promise<void> {
  await chooseTheme(page, theme);
  await frame.locator(`body.${kind}[data-vscode-theme-kind="${kind}"]`).waitFor();
  await page.waitForTimeout(500); // Colours change by transition.
}

async function openTensors(): Promise<FrameLocator> {
  const folder = treeRow(page, NAME);
  if ((await folder.getAttribute('aria-expanded')) !== 'true') await folder.click();
  await treeRow(page, 'model.safetensors').dblclick();
  await page.locator('.tab.active', { hasText: 'model.safetensors' }).waitFor();
  const frame = webview(page) as FrameLocator;
  await frame.locator('body[data-page="tensors"]').waitFor();
  await frame.getByText('embed_tokens.weight').first().waitFor();
  return frame;
}

/** Routing shown on a text with labels, then its page. */
async function openRouting(): Promise<FrameLocator> {
  await treeRow(page, 'kinds.jsonl').dblclick();
  await page.locator('.tab.active', { hasText: 'kinds.jsonl' }).first().waitFor();
  await page.locator('.codelens-decoration a', { hasText: 'Show routing' }).first().click();
  await page.locator('.quick-input-widget .monaco-list-row', { hasText: 'The sample checkpoint' }).click();
  await page.locator('.statusbar-item[id$="modulens.routing"]', { hasText: /\d tokens?/ }).waitFor({ timeout: RUN_MS });
  await runCommand(page, 'Modulens: Open Routing in Heatmap');
  const frame = webview(page) as FrameLocator;
  await frame.locator('body[data-page="routing"]').waitFor();
  await frame.locator('.strip canvas').first().waitFor();
  await frame.locator('.figure .mono').first().waitFor();
  return frame;
}

const PAGES = [
  { name: 'analysis', open: async () => { const frame = await analyze(page, NAME); await finished(frame); await frame.locator('.graph g.node').first().waitFor(); await frame.locator('.details .blocks').waitFor(); return frame; }, stops: [/layer/i, /expert|node/i, /Table/, /Export/, /Run again/] },
  { name: 'tensors', open: openTensors, stops: [/Filter tensors/, /Tensors by module path/, /The chosen tensor/] },
  { name: 'routing', open: openRouting, stops: [/Choose the router/, /Table/, /Export/, /Sites by experts/, /Tokens by site/, /What if/, /Flow of tokens/, /Kinds of text/, /Experts kept/, /Figures/, /Compare with/] },
] as const;

describe.each(PAGES)('the $name page', ({ name, open, stops: expected }) => {
  let frame: FrameLocator;

  it('opens', async () => {
    frame = await open();
    await bench.picture(`${name}-opened`);
  });

  it.each(THEMES)('has no A or AA violation in $kind', async (theme) => {
    await useTheme(frame, theme);
    await bench.picture(`${name}-${theme.kind.replace('vscode-', '')}`);
    expect(await violations()).toEqual([]);
  });

  it('can be walked by keyboard, and the focus is always seen', async () => {
    await useTheme(frame, THEMES[0]);
    const { stops, unmarked } = await walk();
    for (const pattern of expected) expect(stops.some((stop) => pattern.test(stop)), `${String(pattern)} in ${stops.join(' | ')}`).toBe(true);
    expect(unmarked).toEqual([]);
  });

  it('works at 200 % zoom: nothing is cut off and nothing is wrong', async () => {
    // A page at 200 % has half as many CSS pixels; the workbench around it keeps to its bars.
    await page.setViewportSize({ width: VIEWPORT.width / 2, height: VIEWPORT.height / 2 });
    await page.keyboard.press('Control+b');
    await page.waitForTimeout(700);
    await bench.picture(`${name}-zoom-200`);
    const inner = (await webviewFrame(page)) as Frame;
    const { scroll, client } = await inner.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
    const found = await violations();
    await page.setViewportSize(VIEWPORT);
    await page.keyboard.press('Control+b');
    await page.waitForTimeout(500);
    expect(scroll).toBeLessThanOrEqual(client + 1);
    expect(found).toEqual([]);
  });
});

it('the raster of the routing page draws the numbers of its table', async () => {
  const frame = webview(page) as FrameLocator;
  await frame.locator('body[data-page="routing"]').waitFor();
  const { cells, wrong } = await checkRaster(frame);
  expect(cells).toBeGreaterThan(20);
  expect(wrong).toEqual([]);
});

describe('the routing page further', () => {
  const routing = async (): Promise<FrameLocator> => {
    if ((await page.locator('.tab', { hasText: 'routing: kinds.jsonl' }).count()) === 0) return openRouting();
    const frame = webview(page) as FrameLocator;
    await frame.locator('body[data-page="routing"]').waitFor();
    return frame;
  };

  it('puts another router beside this one, against chance, and lists tokens that go elsewhere', async () => {
    const frame = await routing();
    await frame.getByLabel('Compare with').selectOption('similarity');
    await frame.getByRole('button', { name: 'Compare', exact: true }).first().click();
    await frame.locator('.compare-box canvas').waitFor({ timeout: RUN_MS });
    const said = await frame.locator('.compare-said').innerText();
    expect(said).toMatch(/avg-k.* and similarity.* (choose the same first expert more than chance at \d of 6 sites|choose alike at any of 6 sites)/);
    expect(said).toMatch(/0\.\d+.* of the tokens, against 0\.\d+ with the other.s tokens shuffled/);
    expect(await frame.locator('.compare-tokens li').count()).toBeGreaterThan(0);
    await frame.locator('.compare-box').focus();
    await page.keyboard.press('ArrowDown');
    await frame.locator('[aria-live]', { hasText: /same first expert, 0\.\d+.* null 0\.\d+/ }).waitFor({ state: 'attached' });
    await page.keyboard.press('t');
    const cells = await frame.locator('.table-scroll tbody tr').first().locator('td').allInnerTexts();
    for (const cell of cells) expect(cell).toMatch(/null .*n = \d+ tokens/);
    await page.keyboard.press('Escape');
    await bench.picture('routing-compare');
    expect(await violations()).toEqual([]);
  });

  it('routes without an expert, says so, and ends', async () => {
    const frame = await routing();
    const before = await frame.locator('h1').innerText();
    await frame.getByRole('button', { name: /What if/ }).click();
    await frame.locator('.what-if').getByRole('button', { name: 'Mute' }).click();
    await frame.locator('.what-if.is-set').waitFor({ timeout: RUN_MS });
    expect(await frame.locator('h1').innerText()).toMatch(/^What if: without . at L\d\. /);
    await frame.locator('.what-if', { hasText: /What if: ?without . at L\d/ }).waitFor();
    await bench.picture('routing-what-if');
    expect(await violations()).toEqual([]);
    await frame.locator('.what-if').getByRole('button', { name: 'Reset' }).click();
    await frame.locator('.what-if.is-set').waitFor({ state: 'detached', timeout: RUN_MS });
    expect(await frame.locator('h1').innerText()).toBe(before);
  });

  it('keeps its pictures while the text is typed', async () => {
    const frame = await routing();
    const tokens = async (): Promise<number> => Number(/(\d+) tokens,/.exec(await frame.locator('.fact-list').innerText())?.[1]);
    const count = await tokens();
    await frame.locator('.strip canvas').first().scrollIntoViewIfNeeded();
    const inner = (await webviewFrame(page)) as Frame;
    await inner.evaluate(() => {
      const seen = { frames: 0, fewest: Infinity, pending: 0, on: true };
      Object.assign(window, { seen });
      const look = (): void => {
        const canvas = document.querySelector<HTMLCanvasElement>('.strip canvas');
        const copy = new OffscreenCanvas(canvas?.width ?? 1, canvas?.height ?? 1).getContext('2d');
        if (canvas && copy) {
          copy.drawImage(canvas, 0, 0);
          const { data } = copy.getImageData(0, 6, Math.min(400, canvas.width), 1);
          const colours = new Set(Array.from({ length: data.length / 4 }, (_, i) => data.subarray(i * 4, i * 4 + 4).join()));
          seen.fewest = Math.min(seen.fewest, colours.size);
        } else seen.fewest = 0;
        seen.pending = Math.max(seen.pending, document.querySelectorAll('.view .pending-box').length);
        seen.frames++;
        if (seen.on) requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    await page.locator('.editor-instance .view-line').first().click();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.type(' Then the wind turned again.', { delay: 60 });
    await expect.poll(tokens, { timeout: RUN_MS }).toBeGreaterThan(count + 3);
    await page.waitForTimeout(800);
    const seen = await inner.evaluate(() => {
      const { seen: found } = window as unknown as { seen: { frames: number; fewest: number; pending: number; on: boolean } };
      found.on = false;
      return found;
    });
    await bench.picture('routing-typed');
    expect(seen.frames).toBeGreaterThan(10);
    expect(seen.pending).toBe(0);
    expect(seen.fewest).toBeGreaterThan(4);
  });

  it('shows what the weights of a library say, with cosines, and every figure beside its null', async () => {
    const frame = await routing();
    await frame.getByRole('button', { name: /Choose the router/ }).click();
    for (const row of [/^\s*Router/, /Arrow/, /^\s*sample/]) await page.locator('.quick-input-widget .monaco-list-row', { hasText: row }).first().click();
    await frame.locator('.fact-list', { hasText: /router arrow/ }).waitFor({ timeout: RUN_MS });
    await frame.locator('.library').scrollIntoViewIfNeeded();
    await frame.locator('.library-site canvas').waitFor({ timeout: RUN_MS });
    await frame.locator('.library-box').focus();
    await page.keyboard.press('ArrowDown');
    await frame.locator('[aria-live]', { hasText: /\u03c32\/\u03c31 .*main direction/ }).waitFor({ state: 'attached' });
    await bench.picture('routing-library');
    await page.keyboard.press('t');
    await frame.locator('.table-scroll tbody tr', { hasText: /determined/ }).first().waitFor();
    await page.keyboard.press('Escape');
    await frame.getByRole('button', { name: 'cosine', exact: true }).click();
    await frame.locator('.slice', { hasText: 'lead' }).waitFor();
    await bench.picture('routing-cosine');
    expect(await violations()).toEqual([]);
  });
});

it('no page error, no request to another machine', () => {
  expect(unexpectedErrors(bench.capture)).toEqual([]);
  expect(bench.capture.external).toEqual([]);
});
