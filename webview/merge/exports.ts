import { type Drawing, type Mark, moved } from '../render/drawing';
import { lostRows, PART_WORDS } from '../render/mergeData';
import { inspectFacts, inspectSentence } from '../render/mergeFinding';
import { drawDelta, drawLost, drawPairs, gridLayout, matrixLayout, pairLimits } from '../render/mergeMaps';
import { tableCsv } from '../render/table';
import { fileName, pngBase64, svgFile } from '../ui/fileContent';
import type { PageContext } from './context';
import { currentTables } from './tables';

const MARGIN = 24;
const WIDTH = 1240;
const HEAD = 84;
const DELTA = 360;

/** What can be written to a file from here. */
export function exportItems(context: PageContext): readonly { readonly text: string; readonly note?: string; readonly run: () => void }[] {
  const { model, bridge } = context;
  const { document } = model;
  if (!document) return [];
  const stem = fileName(document.models.map(({ name }) => name).join('-'), 'merge');
  const save = (suggestedName: string, content: string, encoding: 'utf8' | 'base64' = 'utf8'): void => bridge.post({ type: 'save', suggestedName, content, encoding });
  const sentence = inspectSentence(document, model.matrices);
  return [
    { text: 'Pictures as PNG\u2026', run: () => save(`${stem}.png`, pngBase64(sheet(context), context.theme), 'base64') },
    { text: 'Pictures as SVG\u2026', run: () => save(`${stem}.svg`, svgFile(sheet(context), 'Models compared for merging', sentence, context.theme)) },
    ...currentTables(context).filter(({ id }) => ['pairs', 'delta', 'parts', 'lost'].includes(id)).map((table) => ({ text: `${table.title} as CSV\u2026`, run: () => save(`${stem}-${table.id}.csv`, tableCsv(table)) })),
    { text: 'Everything as JSON\u2026', run: () => save(`${stem}.json`, JSON.stringify(document, null, 1) + '\n') },
  ];
}

/** The pictures of the page on one sheet, with the sentence and the facts. */
export function sheet(context: PageContext): Drawing {
  const { model } = context;
  const { document, matrices, rows } = model;
  if (!document) return { width: 1, height: 1, marks: [] };
  const marks: Mark[] = [
    { kind: 'text', x: MARGIN, y: 32, text: inspectSentence(document, matrices), size: 14, bold: true, fill: 'var(--ml-ink-strong)' },
    { kind: 'text', x: MARGIN, y: 52, text: inspectFacts(document).map(({ name, value }) => `${name} ${value}`).join('  \u00b7  '), size: 11, fill: 'var(--ml-ink-dim)' },
  ];
  const title = (x: number, y: number, text: string): void => void marks.push({ kind: 'text', x, y, text, size: 12, bold: true, fill: 'var(--ml-ink)' });
  const put = (drawing: Drawing, x: number, y: number): number => {
    marks.push(...moved(drawing.marks.filter(({ name }) => name !== 'row-mark'), x, y));
    return drawing.height;
  };
  const colours = context.colours();
  let left = HEAD, right = HEAD;
  if (rows.length > 0) {
    title(MARGIN, left, 'How far each moved, % of the base norm');
    const limit = Math.max(1e-6, ...rows.flatMap(({ moved: values }) => values.map((value) => value ?? 0)));
    left += 12 + put(drawDelta(rows, document.models, gridLayout(rows.length, document.models.length, DELTA, 74), limit, colours), MARGIN, left + 12) + 24;
  }
  if (document.base && document.what === 'checkpoints') {
    title(MARGIN, left, `Lost to rounding in ${document.dtype}`);
    left += 12 + put(drawLost(lostRows(document), DELTA, 0.5), MARGIN, left + 12) + 12;
  }
  if (model.hasPairs) {
    const x = MARGIN + DELTA + 40, limits = pairLimits(matrices), columns = new Set(matrices.map(({ part }) => part)).size, layout = matrixLayout(document.models.length, Math.min(340, Math.floor((WIDTH - x - MARGIN) / Math.max(1, columns)) - 24));
    title(x, right, 'Pairs (above the diagonal: cosine; below: share of opposite signs; grey: no evidence)');
    right += 20;
    matrices.forEach((matrix, i) => {
      const at = x + (i % columns) * (layout.width + 24), y = right + Math.floor(i / columns) * (layout.height + 32);
      marks.push({ kind: 'text', x: at + layout.left, y: y + 8, text: `${PART_WORDS[matrix.part]}, ${matrix.group.name}`, size: 11, fill: 'var(--ml-ink-dim)' });
      put(drawPairs(matrix, document.models, layout, limits, colours), at, y + 12);
    });
    right += Math.ceil(matrices.length / Math.max(1, columns)) * (layout.height + 32);
  }
  return { width: WIDTH, height: Math.max(left, right) + MARGIN, marks };
}
