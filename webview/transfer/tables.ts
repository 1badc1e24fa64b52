import type { DataTable } from '../render/table';
import { curvePicture } from '../render/transferCurve';
import { changedTable, curveTable, differencesTable, droppedTable, headsTable, layersTable, plannedSitesTable, runsTable, sitesTable, sourceLayersTable } from '../render/transferTables';
import type { PageContext } from './context';

/** The tables behind what the page shows at this moment, in the order of the page. */
export function currentTables({ model }: PageContext): readonly DataTable[] {
  const { document, plan, map, runs } = model;
  if (!document) return plan && map ? [sourceLayersTable(map), layersTable(map), plannedSitesTable(plan)] : [];
  const curve = runs && curvePicture(document, runs);
  return [
    ...(runs ? [runsTable(runs), differencesTable(document)] : []), ...(curve ? [curveTable(curve)] : []),
    ...(map ? [layersTable(map), sourceLayersTable(map)] : []), ...(document.heads.length > 0 ? [headsTable(document.heads)] : []),
    sitesTable(document), ...(document.dropped.length > 0 ? [droppedTable(document)] : []), ...(document.proof ? [changedTable(document)] : []),
  ];
}
