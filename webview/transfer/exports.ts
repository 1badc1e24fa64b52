import { type Drawing, type Mark, moved } from '../render/drawing';
import { tableCsv } from '../render/table';
import { curvePicture, drawCurve } from '../render/transferCurve';
import { reportFacts } from '../render/transferFinding';
import { drawHeads, headLayout } from '../render/transferHeads';
import { drawLayerMap, layerMapLayout } from '../render/transferLayers';
import { drawRuns } from '../render/transferRuns';
import { fileName, pngBase64, svgFile } from '../ui/fileContent';
import type { PageContext } from './context';
import { currentHeads } from './headMapView';
import { currentTables } from './tables';

const MARGIN = 24;
const WIDTH = 1240;
const GAP = 32;
const HEAD = 84;

/** What can be written to a file from here. */
export function exportItems(context: PageContext): readonly { readonly text: string; readonly note?: string; readonly run: () => void }[] {
  const { model, bridge } = context;
  const { document } = model;
  if (!document) return [];
  const stem = fileName(`${document.module.name}-on-${document.to.name}`, 'transfer');
  const save = (suggestedName: string, content: string, encoding: 'utf8' | 'base64' = 'utf8'): void => bridge.post({ type: 'save', suggestedName, content, encoding });
  return [
    { text: 'Report as HTML\u2026', note: 'stands alone', run: () => bridge.post({ type: 'saveReport' }) },
    { text: 'Pictures as PNG\u2026', run: () => save(`${stem}.png`, pngBase64(sheet(context), context.theme), 'base64') },
    { text: 'Pictures as SVG\u2026', run: () => save(`${stem}.svg`, svgFile(sheet(context), `${document.module.name} on ${document.to.name}`, document.sentence, context.theme)) },
    ...currentTables(context).filter(({ id }) => ['runs', 'sites', 'layers', 'changed'].includes(id)).map((table) => ({ text: `${table.title} as CSV\u2026`, run: () => save(`${stem}-${table.id}.csv`, tableCsv(table)) })),
    { text: 'Everything as JSON\u2026', run: () => save(`${stem}.json`, JSON.stringify(document, null, 1) + '\n') },
  ];
}

/** The pictures of the report on one sheet, with the sentence and the facts. */
export function sheet(context: PageContext): Drawing {
  const { model } = context;
  const { document, runs, map } = model;
  if (!document || !map) return { width: 1, height: 1, marks: [] };
  const marks: Mark[] = [
    { kind: 'text', x: MARGIN, y: 32, text: document.sentence, size: 14, bold: true, fill: 'var(--ml-ink-strong)' },
    { kind: 'text', x: MARGIN, y: 52, text: reportFacts(document).map(({ name, value }) => `${name} ${value}`).join('  \u00b7  '), size: 11, fill: 'var(--ml-ink-dim)' },
  ];
  const title = (x: number, y: number, text: string): void => {
    marks.push({ kind: 'text', x, y, text, size: 12, bold: true, fill: 'var(--ml-ink)' });
  };
  const put = (drawing: Drawing, x: number, y: number): number => {
    marks.push(...moved(drawing.marks.filter((mark) => !['hit', 'source-hit', 'row-hit'].includes(mark.name ?? '')), x, y));
    return drawing.height;
  };
  let y = HEAD;
  if (runs) {
    title(MARGIN, y, runs.unit === 'accuracy' ? 'Change of accuracy against the target alone' : 'Change of loss against the target alone');
    const tall = put(drawRuns(runs, 700, false), MARGIN, y + 12);
    const curve = curvePicture(document, runs);
    if (curve) {
      title(MARGIN + 700 + GAP, y, 'Strength: chosen on one half, reported on the other');
      put(drawCurve(curve, WIDTH - 2 * MARGIN - 700 - GAP), MARGIN + 700 + GAP, y + 12);
    }
    y += Math.max(tall, curve ? 232 : 0) + 40;
  }
  title(MARGIN, y, 'Layer map (left bar: share of norm; band: shuffled pairs)');
  const mapTall = put(drawLayerMap(map, layerMapLayout(map, 560), context.theme.sequential), MARGIN, y + 12);
  const heads = currentHeads(context);
  let headTall = 0;
  if (heads) {
    title(MARGIN + 560 + GAP, y, 'Head map (number: source head; grey: inside shuffled tokens)');
    headTall = put(drawHeads(heads, headLayout(heads, WIDTH - 2 * MARGIN - 560 - GAP), context.theme.sequential, context.palette()), MARGIN + 560 + GAP, y + 12);
  }
  return { width: WIDTH, height: y + 12 + Math.max(mapTall, headTall) + MARGIN, marks };
}
