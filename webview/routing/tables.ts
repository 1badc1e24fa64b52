import type { TrainedVersusKeys } from '../../extension/protocol/routing';
import type { CoverageCurve } from '../render/routingCoverage';
import { compareTables } from '../render/routingCompare';
import { libraryTables } from '../render/routingLibraryTables';
import { coverageTable, flowTable, labelsTable, overviewTable, pairsTable, rasterTable, sliceTable } from '../render/routingTables';
import { GROUP_FROM } from '../render/routingTrace';
import type { DataTable } from '../render/table';
import type { ShownComparison } from './compareView';
import type { PageContext } from './context';
import { currentFlow } from './flowView';
import { currentLabelCells } from './labelsView';
import type { ShownLibrary } from './libraryView';
import { figuresTable } from './metricsView';
import { overviewInput } from './overviewInput';
import type { ShownPairs } from './pairsView';
import { trainedTable } from './trainedView';

/** What the pictures show now and only they know. */
export interface PageTables {
  readonly tokens: () => readonly number[];
  readonly pairs: () => ShownPairs | null;
  readonly curve: () => CoverageCurve | null;
  readonly compare: () => ShownComparison | null;
  readonly library: () => ShownLibrary | null;
  readonly trained: () => readonly TrainedVersusKeys[] | null;
}

/** The tables behind what the page shows at this moment, in the order of the page. */
export function currentTables(context: PageContext, page: PageTables): readonly DataTable[] {
  const { model } = context;
  const { head, summary, rows, axis, site, token } = model;
  if (!head || !summary) return [];
  const input = overviewInput(model);
  const row = rows[site];
  const layer = row?.layer;
  const sites = rows.map((_, s) => s).filter((s) => rows.length <= GROUP_FROM || rows[s]?.layer === layer);
  const tables: DataTable[] = [];
  if (input) tables.push(overviewTable(input, head));
  tables.push(rasterTable(head, page.tokens(), rows, sites, (s) => model.numbers(s), axis));
  if (token !== null) {
    tables.push(sliceTable(head, token, rows, (s) => model.numbers(s), axis));
    for (const pin of model.selection.pinned) if (pin !== token && pin < head.tokens.length) tables.push({ ...sliceTable(head, pin, rows, (s) => model.numbers(s), axis), id: `pin-${pin}` });
  }
  const cells = currentLabelCells(context);
  if (row && cells.length > 0) tables.push(labelsTable(cells, summary, axis, row));
  const flow = currentFlow(context);
  if (flow) tables.push(flowTable(flow, rows, axis));
  const pairs = page.pairs();
  if (row && pairs) tables.push(pairsTable(pairs.cells, axis, row, pairs.draws));
  const curve = page.curve();
  if (curve) tables.push(coverageTable(curve, rows, axis, model.counted.tokens.length));
  tables.push(figuresTable(context));
  const trained = page.trained();
  if (trained) tables.push(trainedTable(trained));
  const compared = page.compare();
  if (compared) tables.push(...compareTables(compared.result, head));
  const library = page.library();
  if (library) tables.push(...libraryTables(library.facts, library.overlaps, library.rows));
  return tables;
}
