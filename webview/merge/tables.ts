import { alignmentTable, deltaTable, inputsTable, lostTable, pairsTable, partsTable, planTable } from '../render/mergeTables';
import type { DataTable } from '../render/table';
import type { PageContext } from './context';

/** The tables behind what the page shows at this moment, in the order of the page. */
export function currentTables({ model }: PageContext): readonly DataTable[] {
  const { document, plan, matrices, rows, map } = model;
  return [
    ...(document && model.hasPairs ? [pairsTable(matrices, document)] : []), ...(document && rows.length > 0 ? [deltaTable(rows, document)] : []), ...(map ? [partsTable(map)] : []),
    ...(document?.base && document.what === 'checkpoints' ? [lostTable(document)] : []), ...(document ? [alignmentTable(document)] : []), ...(plan ? [planTable(plan), inputsTable(plan)] : []),
  ];
}
