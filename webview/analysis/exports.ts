import { tableCsv } from '../render/table';
import { fileName as safeName, pngBase64, svgFile } from '../ui/fileContent';
import type { PageContext } from './context';
import { sheetOf } from './sheet';
import { currentTables } from './currentTables';

/** What can be written to a file from here. */
export function exportItems(context: PageContext): readonly { readonly text: string; readonly note?: string; readonly run: () => void }[] {
  const { model, bridge } = context;
  const stem = `${fileName(model.head?.model.name ?? model.name)}-layer-${model.selection.layer ?? 0}`;
  const hasPicture = model.picture?.state === 'ready';
  const save = (suggestedName: string, content: string, encoding: 'utf8' | 'base64' = 'utf8'): void => bridge.post({ type: 'save', suggestedName, content, encoding });
  const picture = hasPicture ? [
    { text: 'Picture of the layer as PNG\u2026', run: () => save(`${stem}.png`, pngBase64(sheetOf(context), context.theme), 'base64') },
    { text: 'Picture of the layer as SVG\u2026', run: () => save(`${stem}.svg`, svgFile(sheetOf(context), `${model.head?.model.name ?? model.name}, layer ${model.selection.layer ?? 0}`, model.head?.nullNote ?? '', context.theme)) },
  ] : [];
  const document = model.document ?? { head: model.head, layers: model.results, note: 'The run is not finished; these layers are.' };
  return [
    ...picture,
    { text: 'Scores of all layers as CSV\u2026', note: 'with nulls and sample sizes', run: () => save(`${fileName(model.head?.model.name ?? model.name)}-layers.csv`, tableCsv(currentTables(context)[0] ?? { id: '', title: '', note: '', columns: [], rows: [] })) },
    { text: 'Everything as JSON\u2026', run: () => save(`${fileName(model.head?.model.name ?? model.name)}-analysis.json`, JSON.stringify(document, null, 1) + '\n') },
    ...(model.document ? [{ text: 'Report as HTML\u2026', note: 'stands alone', run: () => bridge.post({ type: 'saveReport' as const }) }] : []),
  ];
}

/** A name that every file system takes. */
const fileName = (name: string): string => safeName(name, 'analysis');
