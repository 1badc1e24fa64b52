import { tableCsv } from '../render/table';
import { svgText } from '../render/svgText';
import type { Drawing } from '../render/drawing';
import { drawCanvas } from '../ui/drawCanvas';
import { rasterUrl } from '../ui/drawSvg';
import type { PageContext } from './context';
import { sheetOf } from './sheet';
import { currentTables } from './currentTables';

/** Pixels of a PNG per pixel of the page. */
const PNG_RATIO = 2;

/** What can be written to a file from here. */
export function exportItems(context: PageContext): readonly { readonly text: string; readonly note?: string; readonly run: () => void }[] {
  const { model, bridge } = context;
  const stem = `${fileName(model.head?.model.name ?? model.name)}-layer-${model.selection.layer ?? 0}`;
  const hasPicture = model.picture?.state === 'ready';
  const save = (suggestedName: string, content: string, encoding: 'utf8' | 'base64' = 'utf8'): void => bridge.post({ type: 'save', suggestedName, content, encoding });
  const picture = hasPicture ? [
    { text: 'Picture of the layer as PNG\u2026', run: () => save(`${stem}.png`, pngBase64(context, sheetOf(context)), 'base64') },
    { text: 'Picture of the layer as SVG\u2026', run: () => save(`${stem}.svg`, svgFile(context, sheetOf(context))) },
  ] : [];
  const document = model.document ?? { head: model.head, layers: model.results, note: 'The run is not finished; these layers are.' };
  return [
    ...picture,
    { text: 'Scores of all layers as CSV\u2026', note: 'with nulls and sample sizes', run: () => save(`${fileName(model.head?.model.name ?? model.name)}-layers.csv`, tableCsv(currentTables(context)[0] ?? { id: '', title: '', note: '', columns: [], rows: [] })) },
    { text: 'Everything as JSON\u2026', run: () => save(`${fileName(model.head?.model.name ?? model.name)}-analysis.json`, JSON.stringify(document, null, 1) + '\n') },
    ...(model.document ? [{ text: 'Report as HTML\u2026', note: 'stands alone', run: () => bridge.post({ type: 'saveReport' as const }) }] : []),
  ];
}

function pngBase64(context: PageContext, drawing: Drawing): string {
  const ground: Drawing = { ...drawing, marks: [{ kind: 'rect', x: 0, y: 0, width: drawing.width, height: drawing.height, fill: 'var(--ml-page)' }, ...drawing.marks] };
  const url = drawCanvas(ground, PNG_RATIO, context.theme.resolve).toDataURL('image/png');
  return url.slice(url.indexOf(',') + 1);
}

function svgFile(context: PageContext, drawing: Drawing): string {
  const { model } = context;
  const title = `${model.head?.model.name ?? model.name}, layer ${model.selection.layer ?? 0}`;
  return svgText(drawing, title, model.head?.nullNote ?? '', {
    resolve: context.theme.resolve, font: 'system-ui, sans-serif', mono: 'ui-monospace, monospace',
    raster: (mark) => rasterUrl(mark.rgba, mark.columns, mark.rows),
  });
}

/** A name that every file system takes. */
export function fileName(name: string): string {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 80) || 'analysis';
}
