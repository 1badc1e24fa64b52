import type { Drawing, Mark } from '../render/drawing';
import { moved } from '../render/drawing';
import { drawCoverage } from '../render/routingCoverage';
import { drawFlow } from '../render/routingFlow';
import { drawLabels, labelsLayouts, labelsDomain, plottedColumns } from '../render/routingLabels';
import { drawOverview, overviewLayout } from '../render/routingOverview';
import { drawPairs, pairsLayout } from '../render/routingPairs';
import { routingFacts } from '../render/routingFinding';
import { drawStrip, shownToken, stripLayout, wrapTokens } from '../render/routingRaster';
import { tableCsv } from '../render/table';
import { fileName, pngBase64, svgFile } from '../ui/fileContent';
import { monoMeasure } from '../ui/fonts';
import type { PageContext } from './context';
import { fullMargin } from './denseView';
import { currentFlow } from './flowView';
import { currentLabelCells } from './labelsView';
import { overviewInput } from './overviewInput';
import type { PageTables } from './tables';
import { currentTables } from './tables';

const MARGIN = 24;
const LEFT = 420;
const WIDTH = 1360;
const HEAD = 76;

/** What can be written to a file from here. */
export function exportItems(context: PageContext, page: PageTables): readonly { readonly text: string; readonly note?: string; readonly run: () => void }[] {
  const { model, bridge } = context;
  const stem = fileName(`${model.modelName}-${model.source}-routing`, 'routing');
  const save = (suggestedName: string, content: string, encoding: 'utf8' | 'base64' = 'utf8'): void => bridge.post({ type: 'save', suggestedName, content, encoding });
  const title = `Routing of ${model.source} through ${model.modelName}`;
  const finding = document.querySelector('.finding')?.textContent ?? '';
  return [
    { text: 'Picture as PNG\u2026', run: () => save(`${stem}.png`, pngBase64(sheet(context, page, finding), context.theme), 'base64') },
    { text: 'Picture as SVG\u2026', run: () => save(`${stem}.svg`, svgFile(sheet(context, page, finding), title, finding, context.theme)) },
    ...currentTables(context, page).filter((table) => ['overview', 'tokens', 'labels', 'flow'].includes(table.id)).map((table) => ({ text: `${table.id === 'overview' ? 'Sites by experts' : table.id === 'tokens' ? 'Tokens by site' : table.id === 'labels' ? 'Kinds by experts' : 'Flow'} as CSV\u2026`, run: () => save(`${stem}-${table.id}.csv`, tableCsv(table)) })),
    { text: 'Trace as JSON\u2026', note: 'what has been fetched', run: () => save(`${stem}.json`, traceJson(context)) },
  ];
}

/** Head, summary and every site that has come, with plain numbers; numbers that are not finite are null. */
function traceJson(context: PageContext): string {
  const { model } = context;
  const plain = (values: ArrayLike<number>): readonly (number | null)[] => Array.from(values, (value) => (Number.isFinite(value) ? value : null));
  const sites = model.rows.flatMap((_, s) => {
    const numbers = model.numbers(s);
    return numbers ? [{ site: s, shape: [numbers.tokens, numbers.slots], ids: plain(numbers.ids), weights: plain(numbers.weights), logits: numbers.logits ? plain(numbers.logits) : null, margins: plain(numbers.margins), choiceMargins: plain(numbers.choiceMargins), entropies: plain(numbers.entropies) }] : [];
  });
  return JSON.stringify({ source: model.source, model: model.modelName, device: model.result?.device, seconds: model.result?.seconds, head: model.head, summary: model.summary, sites }) + '\n';
}

/** All pictures that the page shows on one sheet, with the sentence and the facts. */
function sheet(context: PageContext, page: PageTables, finding: string): Drawing {
  const { model } = context;
  const { head, summary, rows, axis, site, token, result } = model;
  const input = overviewInput(model);
  if (!head || !summary || !input || !result) return { width: 1, height: 1, marks: [] };
  const palette = context.palette();
  const colours = { sequential: context.theme.sequential, diverging: context.theme.diverging };
  const marks: Mark[] = [];
  const text = (x: number, y: number, words: string, options: Partial<Extract<Mark, { kind: 'text' }>> = {}): void => {
    marks.push({ kind: 'text', x, y, text: words, size: 12, fill: 'var(--ml-ink)', ...options });
  };
  text(MARGIN, 32, finding, { size: 15, bold: true, fill: 'var(--ml-ink-strong)' });
  text(MARGIN, 52, routingFacts(result, summary, model.modelName, rows).map((fact) => fact.pieces.join('')).join('  \u00b7  '), { size: 11, fill: 'var(--ml-ink-dim)' });
  const wideOverview = axis.columns.length > 24;
  const over = overviewLayout(rows, axis.columns.length, wideOverview ? WIDTH - 2 * MARGIN : LEFT - MARGIN);
  text(MARGIN, HEAD, 'Sites by experts', { bold: true });
  marks.push(...moved(drawOverview(input, over, palette, colours).marks, MARGIN, HEAD + 8));
  let left = HEAD + 8 + over.height + 24;

  const x = wideOverview ? MARGIN : MARGIN + LEFT;
  let y = wideOverview ? left : HEAD;
  text(x, y, 'Tokens by site', { bold: true });
  y += 16;
  const strip = stripLayout(rows);
  const wanted = new Set(page.tokens());
  const record = head.tokens[page.tokens()[0] ?? 0]?.record ?? 0;
  const numbers = rows.map((_, s) => model.numbers(s));
  for (const line of wrapTokens(head, record, WIDTH - MARGIN - x - 40, monoMeasure(12)).filter((one) => one.tokens.some((t) => wanted.has(t)))) {
    line.tokens.forEach((t, i) => text(x + 40 + (line.x[i] ?? 0) + 1, y + 14, head.tokens[t] ? shownToken(head.tokens[t]) : '', { mono: true, bold: t === token }));
    if (strip.row >= 14) rows.forEach((row, s) => text(x + 34, y + 22 + (strip.y[s] ?? 0) + 11, row.name, { size: 11, mono: true, anchor: 'end', bold: s === site, fill: 'var(--ml-ink-dim)' }));
    marks.push(...moved(drawStrip(line, strip, numbers, axis, palette, fullMargin(context)).marks, x + 40, y + 22));
    y += 22 + strip.height + 14;
  }
  y = left = Math.max(left, y + 12);

  const cells = currentLabelCells(context);
  if (cells.length > 0) {
    text(MARGIN, y, `Experts by kind of text at ${rows[site]?.words ?? ''}: share of routing weight, 95 % interval, band = shuffled labels`, { bold: true });
    y += 12;
    for (const layout of labelsLayouts(summary.labels, plottedColumns(cells, axis.columns.length), WIDTH - 2 * MARGIN)) {
      marks.push(...moved(drawLabels(cells, summary.labels, summary.tokensPerLabel, axis, layout, labelsDomain(cells), palette).marks, MARGIN, y));
      y += layout.height + 12;
    }
    y += 12;
  }
  let tall = 0;
  const flow = currentFlow(context);
  if (flow) {
    text(MARGIN, y, 'Flow (coloured: above independence)', { bold: true });
    const drawing = drawFlow(flow, rows, axis, 380, site, token === null ? -1 : model.counted.tokens.indexOf(token), palette);
    marks.push(...moved(drawing.marks, MARGIN, y + 12));
    tall = drawing.height;
  }
  const pairs = page.pairs();
  if (pairs) {
    text(MARGIN + 440, y, 'Experts used together', { bold: true });
    const layout = pairsLayout(axis.columns.length, 320);
    const drawing = drawPairs(pairs.cells, axis, layout, palette, colours);
    marks.push(...moved(drawing.marks, MARGIN + 440, y + 12));
    tall = Math.max(tall, drawing.height);
  }
  const curve = page.curve();
  if (curve) {
    text(MARGIN + 880, y, 'Routing weight held by the most used experts (dashed: even)', { bold: true });
    const drawing = drawCoverage(curve, Math.max(1, Math.min(axis.columns.length, model.kept || Math.ceil(axis.columns.length / 2))), 400, 160);
    marks.push(...moved(drawing.marks, MARGIN + 880, y + 12));
    tall = Math.max(tall, drawing.height);
  }
  return { width: WIDTH, height: y + tall + MARGIN + 12, marks };
}
