import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAll, RUN_MS, SAMPLE } from './gestures';
import { chooseTheme, logFiles, openWorkbench, runCommand, treeRow, unexpectedErrors, until, webview } from './lib.mjs';

const SHOW = 'Modulens: Show Routing on This Text';
const PROSE = [
  'The harbour was quiet before dawn. Gulls turned over the slack water, and somewhere a rope creaked against its post.',
  '',
  'def parse(line: str) -> dict:',
  '    key, value = line.split("=", 1)',
  '    return {key.strip(): value.strip()}',
  '',
  'Le marché ouvre à sept heures. Cafe\u0301, na\u00efve, \u{1F469}\u200D\u{1F467} et un vieux monsieur.',
  '',
].join('\r\n');
const RECORDS = [{ text: 'Once upon a time there was a "little" fox.\nIt ran.' }, { text: 'caf\u00e9 \u{1F600} costs 3.50' }, { other: 1 }].map((row) => JSON.stringify(row).replace('\u{1F600}', '\\ud83d\\ude00')).join('\n');

let bench: Awaited<ReturnType<typeof openWorkbench>>;
let page: Page;

beforeAll(async () => {
  bench = await openWorkbench({
    fill: (workspace: string) => {
      writeFileSync(path.join(workspace, 'prompts.txt'), PROSE);
      writeFileSync(path.join(workspace, 'rows.jsonl'), RECORDS);
      writeFileSync(path.join(workspace, 'notes.md'), `# Notes\n\nSome words here.\n\n\`\`\`python\nx = [i for i in range(3)]\n\`\`\`\n`);
      for (const name of ['lora-banking', 'lora-dutch']) cpSync(path.join(SAMPLE, '..', name), path.join(workspace, 'loras', name), { recursive: true });
      writeFileSync(path.join(workspace, 'empty.txt'), '');
      const cell = (source: string): object => ({ cell_type: 'code', execution_count: null, metadata: {}, outputs: [], source: [source] });
      writeFileSync(path.join(workspace, 'cells.ipynb'), JSON.stringify({ cells: [cell('import math'), cell('def area(radius):\n    return math.pi * radius ** 2')], metadata: { language_info: { name: 'python' } }, nbformat: 4, nbformat_minor: 5 }));
      writeFileSync(path.join(workspace, 'long.txt'), 'The fox went out on a chilly night and prayed for the moon to give him light. '.repeat(640));
    },
    settings: { 'files.eol': '\n', 'editor.wordWrap': 'on' },
  });
  page = bench.page as Page;
});
afterAll(async () => {
  await page?.screenshot({ path: path.join(import.meta.dirname, 'out/routing-last.png') }).catch(() => undefined);
  await bench?.close();
});

const status = () => page.locator('.statusbar-item[id$="modulens.routing"]');
const lens = (text: string | RegExp) => page.locator('.codelens-decoration a', { hasText: text });
const hover = () => page.locator('.monaco-hover:visible .hover-contents', { hasText: /token \d+ of \d+/ });
const openFile = async (name: string): Promise<void> => {
  await treeRow(page, name).dblclick();
  await page.locator('.tab.active', { hasText: name }).first().waitFor();
  await page.locator('.editor-instance .view-line').first().waitFor();
};

/** Backgrounds of our decorations in the visible text; they lie in a layer of their own. */
const tints = (): Promise<string[]> => page.locator('.editor-instance .view-overlays .cdr[class*="ced-"]').evaluateAll((marks) => marks.map((mark) => getComputedStyle(mark).backgroundColor).filter((colour) => !/^rgba\(0, 0, 0, 0\)$|^transparent$/.test(colour)));
/** Underlines of our decorations: style and text. */
const underlines = (): Promise<string[]> => page.locator('.editor-instance .view-line span[class*="ced-"]').evaluateAll((spans) => spans.filter((span) => getComputedStyle(span).textDecorationLine === 'underline').map((span) => `${getComputedStyle(span).textDecorationStyle} ${span.textContent ?? ''}`));
const statusText = async (): Promise<string> => (await status().count()) > 0 ? (await status().first().innerText()).replace(/\s+/g, ' ') : '';
const settled = (): Promise<unknown> => until(async () => /\d tokens?(, |$)/.test((await statusText()).trim()), { timeout: RUN_MS, what: 'routing in the status bar' });
const layer = async (): Promise<number> => Number(/L(\d+) of/.exec(await statusText())?.[1]);
/** Puts the cursor beside the first letter of a word of the visible text and gives the editor the focus. */
const clickWord = async (word: string): Promise<void> => {
  const place = await wordBox(word);
  await page.mouse.click(place.x, place.y);
};
async function wordBox(word: string): Promise<{ readonly x: number; readonly y: number }> {
  const box = await page.evaluate((wanted) => {
    for (const line of document.querySelectorAll('.editor-instance .view-line')) {
      // Decorations cut words into elements.
      const at = (line.textContent ?? '').indexOf(wanted);
      if (at < 0) continue;
      const range = document.createRange();
      const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
      let before = 0;
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const { length } = node.textContent ?? '';
        if (at >= before && at < before + length) range.setStart(node, at - before);
        if (at + 1 > before && at + 1 <= before + length) range.setEnd(node, at + 1 - before);
        before += length;
      }
      const { x, y, width, height } = range.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    }
    return null;
  }, word);
  if (!box) throw new Error(`"${word}" is not in view`);
  return box;
}

describe('the Routing Lens on a text', () => {
  it('offers itself and colours nothing before it is asked', async () => {
    await openFile('prompts.txt');
    await lens('Show routing').waitFor();
    expect(await tints()).toEqual([]);
    expect(await statusText()).toBe('');
    await bench.picture('routing-1-offer');
  });

  it('asks for a checkpoint once and tints the tokens', async () => {
    await lens('Show routing').click();
    await page.locator('.quick-input-widget .monaco-list-row', { hasText: 'The sample checkpoint' }).click();
    await settled();
    await until(async () => (await tints()).length > 10, { what: 'tints' });
    expect(new Set(await tints()).size).toBeGreaterThan(3);
    await lens(/avg-k k = \d+ of \d+ at L\d · \d+ tokens · mo.* \(chance \d.*switches? \(\d+ in random order\)/).waitFor();
    await bench.picture('routing-2-light');
    const log = readAll(logFiles(bench.sandbox).filter((file: string) => file.endsWith('Modulens.log')));
    expect(log).toContain('routing: first tint after');
  });

  it('tells a token in its hover, in the order of what matters, and reaches its links', async () => {
    const { x, y } = await wordBox('harbour');
    await page.mouse.move(x, y);
    await hover().waitFor();
    const text = (await hover().innerText()).replace(/\s+/g, ' ');
    for (const part of [/token \d+ of \d+ · L\d · avg-k/, /expert weight .*logit/, /chosen/, /margin \d/, /entropy \d\.\d\d of \d\.\d\d nats/, /chance 0\.\d/, /L0 .*\[\s*.\s*\].* L\d/]) expect(text).toMatch(part);
    // Colours of spans pass the sanitiser.
    expect(await hover().locator('span[style*="background-color"]').count()).toBeGreaterThanOrEqual(8);
    await bench.picture('routing-3-hover');
    await hover().locator('a', { hasText: /^Pin$/ }).click();
    await until(async () => /1 pinned/.test(await statusText()), { what: 'the pin' });
    await page.mouse.move(2, 2);
  });

  it('steps the layer while one looks at the text', async () => {
    await clickWord('Gulls');
    const before = await layer();
    const colours = await tints();
    await page.keyboard.press('Alt+PageDown');
    await until(async () => (await layer()) === before + 1, { what: 'the next layer' });
    await until(async () => JSON.stringify(await tints()) !== JSON.stringify(colours), { what: 'other tints' });
    await page.keyboard.press('Alt+PageUp');
    await until(async () => (await layer()) === before, { what: 'the layer before' });
  });

  it('describes the token at the cursor without a mouse', async () => {
    await clickWord('Gulls');
    await runCommand(page, 'Modulens: Describe Routing at Cursor');
    const list = page.locator('.quick-input-widget .monaco-list-row');
    await list.filter({ hasText: /Entropy \d/ }).first().waitFor();
    expect(await list.first().innerText()).toMatch(/Token/);
    await bench.picture('routing-4-describe');
    await page.keyboard.press('Escape');
  });

  it('goes to the next switch', async () => {
    await clickWord('Gulls');
    const position = page.locator('.statusbar-item', { hasText: /^Ln \d+, Col \d+/ });
    const before = await position.innerText();
    await page.keyboard.press('Control+Alt+PageDown');
    await until(async () => (await position.innerText()) !== before, { what: 'the cursor to move' });
  });

  it('marks what an edit makes stale at once, and routes it again', async () => {
    await clickWord('quiet');
    await page.keyboard.press('End');
    const count = Number(/(\d+) tokens/.exec(await statusText())?.[1]);
    const seen: string[] = [];
    const watching = until(async () => {
      seen.push(await statusText(), ...(await underlines()));
      return seen.some((text) => /\d+ tokens? stale/.test(text)) && seen.some((text) => text.startsWith('dashed'));
    }, { every: 15, what: 'stale marks' });
    await page.keyboard.type(' loudly indeed', { delay: 30 });
    await watching;
    await settled();
    expect((await underlines()).filter((text) => text.startsWith('dashed'))).toEqual([]);
    expect(Number(/(\d+) tokens/.exec(await statusText())?.[1])).toBeGreaterThan(count);
    expect(await statusText()).toContain('1 pinned');
    await bench.picture('routing-5-edited');
  });
});

describe('the picker behind the status bar', () => {
  const pick = async (...rows: readonly (string | RegExp)[]): Promise<void> => {
    await status().first().click();
    for (const row of rows) await page.locator('.quick-input-widget .monaco-list-row', { hasText: row }).first().click();
  };

  it('chooses what the tint means', async () => {
    const before = await tints();
    await pick(/^\s*Tint/, /^\s*entropy/);
    await until(async () => /tint: entropy/.test(await statusText()), { what: 'the channel' });
    await until(async () => JSON.stringify(await tints()) !== JSON.stringify(before), { what: 'other tints' });
    await pick(/^\s*Tint/, /^\s*weight/);
    await until(async () => /tint: weight/.test(await statusText()), { what: 'the channel' });
  });

  it('routes with another router and back', async () => {
    await pick(/^\s*Router/, /^\s*Similarity/);
    await lens(/^similarity k = \d+ of \d+/).waitFor({ timeout: RUN_MS });
    await settled();
    await pick(/^\s*Router/, /^\s*Avg-k/);
    await lens(/^avg-k k = \d+ of \d+/).waitFor({ timeout: RUN_MS });
    await settled();
  });

  it('shows each layer while one looks through the list, and goes back on Escape', async () => {
    const before = await layer();
    await pick(/^\s*Layer/);
    await page.locator('.quick-input-widget', { hasText: 'Layer, from input to output' }).waitFor();
    await page.locator('.quick-input-widget .monaco-list-row.focused', { hasText: `L${before}` }).waitFor();
    await page.keyboard.press('ArrowDown');
    await until(async () => (await layer()) === before + 1, { what: 'the layer of the list' });
    await page.keyboard.press('Escape');
    await until(async () => (await layer()) === before, { what: 'the layer before' });
  });
});

describe('other texts', () => {
  it('JSON lines: one block a record, spans on the raw escapes', async () => {
    await openFile('rows.jsonl');
    await runCommand(page, SHOW);
    await settled();
    await until(async () => (await lens(/avg-k/).count()) === 2, { what: 'a lens for each record' });
    await bench.picture('routing-6-jsonl');
  });

  it('Markdown: fenced blocks have a lens of their own', async () => {
    await openFile('notes.md');
    await runCommand(page, SHOW);
    await settled();
    await lens(/^python: avg-k/).waitFor();
    await lens(/^avg-k/).waitFor();
    await bench.picture('routing-7-markdown');
  });

  it('a long line: parts of the context, at most some hundred marks, and it says so', async () => {
    await openFile('long.txt');
    await runCommand(page, SHOW);
    await settled();
    await until(async () => (await lens(/^part 1 of \d+ \(the context holds no more\)/).count()) > 0, { timeout: RUN_MS, what: 'parts' });
    await until(async () => /shown by (word|line)/.test(await statusText()), { timeout: RUN_MS, what: 'a coarser granularity' });
    await bench.picture('routing-8-long');
  });

  it('notebook cells have an item each', async () => {
    await treeRow(page, 'cells.ipynb').dblclick();
    const items = page.locator('.cell-status-item', { hasText: 'Show routing' });
    await until(async () => (await items.count()) === 2, { what: 'an item in each cell', timeout: 60_000 });
    await items.nth(1).click();
    await page.locator('.cell-status-item', { hasText: /L\d · \d+ tokens · most/ }).waitFor();
    await until(async () => (await page.locator('.notebook-editor .view-overlays .cdr[class*="ced-"]').count()) > 3, { what: 'tints in the cell' });
    await bench.picture('routing-8b-notebook');
    await runCommand(page, 'View: Close Editor');
  });

  it('an empty text says what to do', async () => {
    await openFile('empty.txt');
    await runCommand(page, SHOW);
    await page.locator('.notification-list-item', { hasText: /no text to route\. Write something/ }).waitFor();
    await bench.picture('routing-9-empty');
    await runCommand(page, 'Notifications: Clear All Notifications');
  });
});

describe('with the page', () => {
  it('opens the heatmap beside the text', async () => {
    await openFile('prompts.txt');
    await settled();
    await runCommand(page, 'Modulens: Open Routing in Heatmap');
    await page.locator('.tab.active', { hasText: 'routing: prompts.txt' }).waitFor();
    const frame = webview(page) as FrameLocator;
    await frame.locator('h1').first().waitFor();
    await until(async () => (await frame.locator('canvas').count()) > 0, { timeout: RUN_MS, what: 'pictures' });
    await bench.picture('routing-10-page');
  });

  it('shows the token of the cursor in the page, and a click in the page in the text', async () => {
    const frame = webview(page) as FrameLocator;
    await clickWord('Gulls');
    const ringed = async (): Promise<string> => /rings: \u201c(.*?)\u201d/.exec(await frame.locator('body').innerText())?.[1] ?? '';
    const part = await until(async () => {
      const token = await ringed();
      return token !== '' && 'Gulls'.includes(token) ? token : null;
    }, { what: 'a token of "Gulls" in the page' });
    expect(part).not.toBe('');
    const framed = (): Promise<string[]> => page.locator('.editor-instance .view-overlays .cdr[class*="ced-"]').evaluateAll((marks) => marks.map((mark) => getComputedStyle(mark).borderTopStyle).filter((style) => style === 'solid'));
    expect(await framed()).toEqual([]);
    const strip = frame.locator('canvas.strip, .strip canvas').first();
    await strip.scrollIntoViewIfNeeded();
    const box = await strip.boundingBox();
    if (!box) throw new Error('the page shows no tokens');
    await page.mouse.click(box.x + 40, box.y + box.height / 2);
    await until(async () => (await framed()).length > 0, { what: 'the token to be framed in the text' });
    await bench.picture('routing-11-linked');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await until(async () => (await framed()).length === 0, { what: 'Escape to unlock' });
  });
});

describe('questions about a token', () => {
  const rows = () => page.locator('.quick-input-widget:visible .monaco-list-row');

  it('compares it with the pinned one, beside chance', async () => {
    await clickWord('harbour');
    await settled();
    if (!/pinned/.test(await statusText())) await runCommand(page, 'Modulens: Pin Token');
    await until(async () => /1 pinned/.test(await statusText()), { what: 'the pin' });
    await clickWord('Gulls');
    await runCommand(page, 'Modulens: Compare with Pinned Tokens');
    await rows().filter({ hasText: /\u201c.*\u201d and \u201c.*\u201d: same first expert at \d of 6/ }).first().waitFor();
    await rows().filter({ hasText: /\d\.\d of 6 for experts drawn evenly by chance/ }).first().waitFor();
    await rows().filter({ hasText: /^L\d.*: . 0\.\d\d and . 0\.\d\d/ }).first().waitFor();
    await bench.picture('routing-12-compare');
    await page.keyboard.press('Escape');
  });

  it('says why its expert is the first', async () => {
    await clickWord('Gulls');
    await runCommand(page, 'Modulens: Why This Expert');
    await page.locator('.quick-input-widget:visible', { hasText: /Why . for \u201c/ }).waitFor();
    for (const part of [/Score .* for ., .* for ./, /\d+ of \d+ experts are used/, /From score to weight/]) await rows().filter({ hasText: part }).first().waitFor();
    await bench.picture('routing-13-why');
    await page.keyboard.press('Escape');
  });

  it('asks what would happen without its expert, says so wherever routing is, and ends', async () => {
    const { x, y } = await wordBox('Gulls');
    await page.mouse.move(x, y);
    await hover().waitFor();
    await hover().locator('a', { hasText: /^Mute ./ }).click();
    await page.mouse.move(2, 2);
    await until(async () => /what if/.test(await statusText()), { timeout: RUN_MS, what: 'the what-if in the status bar' });
    await settled();
    await lens(/^what if: without . at L\d · avg-k/).first().waitFor();
    await bench.picture('routing-14-what-if');
    // Editor and page call the expert by one letter.
    const [, letter] = /without (.) at L/.exec(await lens(/^what if: without . at L/).first().innerText()) ?? [];
    await (webview(page) as FrameLocator).locator('h1', { hasText: `What if: without ${letter} at L` }).waitFor();
    await lens('End the what-if').first().click();
    await until(async () => !/what if/.test(await statusText()) && /\d+ tokens/.test(await statusText()), { timeout: RUN_MS, what: 'the model as it is' });
    await lens(/^avg-k k = /).first().waitFor();
  });
});

describe('a folder of LoRAs', () => {
  it('is chosen in a dialog, and every adapter has its name', async () => {
    await clickWord('harbour');
    await status().first().click();
    const list = page.locator('.quick-input-widget:visible .monaco-list-row');
    await list.filter({ hasText: /^\s*Router/ }).first().click();
    await list.filter({ hasText: /^\s*Arrow/ }).first().click();
    await list.filter({ hasText: 'Another folder' }).first().click();
    const box = page.locator('.quick-input-widget:visible', { hasText: 'Route Over These' });
    await box.waitFor();
    // The dialog may still be writing the folder that it starts with: what was typed must stay.
    const typed = `${path.join(bench.sandbox.workspace, 'loras')}/`, input = box.locator('input[type=text]');
    await until(async () => {
      if ((await input.inputValue()) !== typed) {
        await input.fill(typed);
        await page.waitForTimeout(500);
      }
      return (await input.inputValue()) === typed && (await page.locator('.quick-input-widget:visible .monaco-list-row', { hasText: 'lora-dutch' }).count()) > 0;
    }, { what: 'the folder of LoRAs in the dialog' });
    await bench.picture('routing-15-dialog');
    await box.getByRole('button', { name: 'Route Over These' }).click();
    await lens(/^arrow.* at L\d attention\.\w+ · \d+ tokens · mo\w+( often)? (lora-)?(banking|dutch)|^arrow.* at L\d .*(lora-banking|lora-dutch)/).first().waitFor({ timeout: RUN_MS });
    await settled();
    await until(async () => (await tints()).length > 10, { what: 'tints' });
    await bench.picture('routing-16-arrow');
  });

  it('says how far a token lies along an adapter\u2019s direction, and how far that can be trusted', async () => {
    await clickWord('Gulls');
    await runCommand(page, 'Modulens: Why This Expert');
    const list = page.locator('.quick-input-widget:visible .monaco-list-row');
    for (const part of [/Cosine 0\.\d+ for lora-/, /lora-dutch: rank \d+, norm/, /lora-banking: rank \d+, norm/]) await list.filter({ hasText: part }).first().waitFor({ timeout: RUN_MS });
    await bench.picture('routing-17-why-arrow');
    await page.keyboard.press('Escape');
    await status().first().click();
    await list.filter({ hasText: /^\s*Router/ }).first().click();
    await list.filter({ hasText: /^\s*Avg-k/ }).first().click();
    await lens(/^avg-k k = /).first().waitFor({ timeout: RUN_MS });
    await settled();
  });
});

describe('a window that is loaded again', () => {
  it('fills the page again, and the text too', async () => {
    await (webview(page) as FrameLocator).locator('canvas').first().waitFor({ timeout: RUN_MS });
    await page.reload({ waitUntil: 'commit' });
    await page.locator('.monaco-workbench').waitFor({ timeout: RUN_MS });
    await page.locator('.tab', { hasText: 'routing: prompts.txt' }).first().waitFor({ timeout: RUN_MS });
    const frame = webview(page) as FrameLocator;
    await frame.locator('h1').first().waitFor({ timeout: RUN_MS });
    await until(async () => (await frame.locator('canvas').count()) > 0, { timeout: RUN_MS, what: 'pictures' });
    await bench.picture('routing-18-revived');
    await openFile('prompts.txt');
    await until(async () => (await tints()).length > 10, { timeout: RUN_MS, what: 'tints' });
  });
});

describe('themes', () => {
  it.each(['Dark Modern', 'Dark High Contrast', 'Light High Contrast'])('shows routing in %s', async (theme) => {
    await chooseTheme(page, theme);
    await openFile('prompts.txt');
    const high = theme.includes('High Contrast');
    await until(async () => (high ? (await underlines()).length > 10 && (await tints()).length === 0 : (await tints()).length > 10), { what: 'marks of the theme' });
    if (high) {
      const letters = await page.locator('.editor-instance .view-line span[class*="ced-"]').evaluateAll((spans) => spans.map((span) => getComputedStyle(span, '::before').content).filter((text) => text !== 'none' && text !== 'normal'));
      expect(letters.length).toBeGreaterThan(5);
    }
    const { x, y } = await wordBox('parse');
    await page.mouse.move(x, y);
    await hover().waitFor();
    await bench.picture(`routing-theme-${theme.toLowerCase().replaceAll(' ', '-')}`);
    await page.mouse.move(2, 2);
  });

  it('clear takes everything away', async () => {
    await runCommand(page, 'Modulens: Clear Routing');
    await until(async () => (await tints()).length === 0 && (await underlines()).length === 0 && (await statusText()) === '', { what: 'bare text' });
    await lens('Show routing').first().waitFor();
    // VS Code writes every error notification to the console too, and what it cannot do while a window is loaded again.
    expect(unexpectedErrors(bench.capture).filter((line: string) => !/no text to route|during shutdown are unsupported in the web/.test(line))).toEqual([]);
    const log = readAll(logFiles(bench.sandbox).filter((file: string) => file.endsWith('Modulens.log')));
    console.log([...log.matchAll(/routing: (first tint|\d+ paints).*/g)].map(([line]) => line).join('\n'));
    expect(log.split('\n').filter((line) => line.includes('[error]') && !line.includes('no text to route'))).toEqual([]);
  });
});
