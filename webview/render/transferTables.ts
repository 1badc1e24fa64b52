import type { HeadPairs, TransferDocument, TransferPlan } from '../../extension/protocol/transfer';
import type { DataTable } from './table';
import type { CurvePicture } from './transferCurve';
import { isLost, type LayerMap } from './transferData';
import { HEAD_WORDS } from './transferHeads';
import type { RunsPicture } from './transferRuns';

const R2_NOTE = 'R\u00b2: share of variance on held-out tokens that the maps explain, the worse of both sides. Null: the same maps fitted on shuffled token pairs.';

export function runsTable(picture: RunsPicture): DataTable {
  const unit = picture.unit === 'accuracy' ? 'share of right labels' : 'nats per token';
  return {
    id: 'runs', title: 'Runs', note: `Change in ${unit} of each run against its own base, on the half of the texts that did not choose the strength. Intervals: 95 %, paired bootstrap of texts. Null: the random modules.`,
    columns: ['Run', 'Against', picture.unit === 'accuracy' ? 'Accuracy' : 'Loss', 'Change', 'Low', 'High', 'Texts', 'Draws', 'Remark'],
    rows: picture.rows.map((row) => [row.name, row.against, row.level, row.role === 'reference' ? null : row.change?.value ?? null, row.change?.low ?? null, row.change?.high ?? null, row.documents, row.draws, row.note ?? '']),
  };
}

/** All paired differences of the proof as they were computed. */
export function differencesTable(document: TransferDocument): DataTable {
  return {
    id: 'differences', title: 'Paired differences', note: 'Run minus against, on the same texts. Null: what random modules do against the target alone.',
    columns: ['Run', 'Against', 'Unit', 'Difference', 'Low', 'High', 'Texts', 'Resamples'],
    rows: (document.proof?.differences ?? []).map((one) => [one.run, one.against, one.unit, one.value, one.low, one.high, one.n, one.resamples]),
  };
}

export function curveTable(picture: CurvePicture): DataTable {
  const unit = picture.accuracy ? 'share of right labels' : 'nats per token';
  return {
    id: 'curve', title: 'Strength', note: `${picture.relative ? 'Change against strength 0' : 'Level'} in ${unit} on the ${picture.chooseOn} texts that chose the strength; the chosen one is reported on ${picture.reportOn} others.`,
    columns: ['Strength', picture.relative ? 'Change, choosing half' : 'Level, choosing half', 'Reported on the other half', 'Low', 'High'],
    rows: picture.points.map(({ alpha, value }) => {
      const reported = alpha === picture.chosen ? picture.reported : null;
      return [alpha, value, reported?.value ?? null, reported?.low ?? null, reported?.high ?? null];
    }),
  };
}

export function sourceLayersTable(map: LayerMap): DataTable {
  return {
    id: 'source', title: 'Source layers', note: 'Share of the module\u2019s squared update norm, and where it goes.',
    columns: ['Source layer', 'Share of norm', 'Sites', 'Dropped sites', 'Goes to', 'Remark'],
    rows: map.source.map((layer) => [`L${layer.index}`, layer.share, layer.sites, layer.dropped, layer.to.map((to) => `L${to}`).join(', ') || (isLost(layer) && layer.sites > 0 ? 'dropped' : ''), layer.reason ?? '']),
  };
}

export function layersTable(map: LayerMap): DataTable {
  return {
    id: 'layers', title: 'Layer map', note: map.measured ? `${R2_NOTE} Mean of the sites of a layer.` : 'Nothing has been computed yet.',
    columns: ['Target layer', 'Takes source layer', 'Sites', ...(map.measured ? ['R\u00b2', 'R\u00b2, shuffled pairs', 'Held-out tokens'] : []), 'CKA'],
    rows: map.target.map((layer) => [`L${layer.index}`, layer.from === null ? 'none' : `L${layer.from}`, layer.sites, ...(map.measured ? [layer.r2, layer.r2Null, layer.heldOut] : []), layer.cka]),
  };
}

export function headsTable(heads: readonly HeadPairs[]): DataTable {
  return {
    id: 'heads', title: 'Head map', note: 'Fit of each pair of heads in 0 to 1. Null: what the best assignment reaches on shuffled tokens.',
    columns: ['Target layer', 'Heads', 'Target head', 'Takes source head', 'Fit', 'Fit, shuffled tokens'],
    rows: heads.flatMap((one) => one.from.map((from, head) => [`L${one.layer}`, HEAD_WORDS[one.part], head, from, one.score[head] ?? null, one.nullScore])),
  };
}

export function plannedSitesTable(plan: TransferPlan): DataTable {
  return {
    id: 'sites', title: 'Sites', note: 'What will be carried and how; dropped parts first. Nothing has been computed yet.',
    columns: ['Target site', 'Source site', 'Rank', 'Source in', 'Source out', 'Target in', 'Target out', 'How', 'Share of norm'],
    rows: [
      ...plan.dropped.map(({ name, reason, share }) => ['dropped', name, null, null, null, null, null, reason, share]),
      ...plan.sites.map((site) => [site.name, site.from, site.rank, site.source[0], site.source[1], site.target[0], site.target[1], site.rule, site.share]),
    ],
  };
}

export function sitesTable(document: TransferDocument): DataTable {
  return {
    id: 'sites', title: 'Sites', note: `${R2_NOTE} Kept: share of the factors\u2019 norm that the maps could carry. Norms: of the update relative to the weight that it changes.`,
    columns: ['Target site', 'Source site', 'Rank', 'Kept', 'Kept, input', 'Kept, output', 'Map in', 'Map out', 'R\u00b2', 'R\u00b2, shuffled pairs', 'Tokens', 'Held-out tokens', 'Scale in', 'Scale out', 'Norm before', 'Norm after'],
    rows: document.sites.map((site) => [site.name, site.from, site.kept, site.coverage, site.coverageIn, site.coverageOut, mapWords(site.mapIn, site.rhoIn), mapWords(site.mapOut, site.rhoOut), site.r2, site.r2Null, site.tokens, site.heldOut, site.scaleIn, site.scaleOut, site.relativeNormFrom, site.relativeNormTo]),
  };
}

/** "ridge 0.01". */
export function mapWords(kind: string, rho: number | null): string {
  return rho === null ? kind : `${kind} ${rho}`;
}

export function droppedTable(document: TransferDocument): DataTable {
  return { id: 'dropped', title: 'Dropped parts', note: 'What did not arrive, with the share of the module\u2019s squared update norm.', columns: ['Part', 'Reason', 'Share of norm'], rows: document.dropped.map(({ name, reason, share }) => [name, reason, share]) };
}

export function changedTable(document: TransferDocument): DataTable {
  return {
    id: 'changed', title: 'Changed texts', note: 'Loss in nats per token without and with the module, most changed first, both directions. These texts were picked because they changed most: they show what changes, not whether it helps.',
    columns: ['Row', 'Text', 'Label', 'Before', 'After', 'Change', 'Direction'],
    rows: (document.proof?.changed ?? []).map((one) => [one.row, one.text, one.label ?? '', one.before, one.after, one.after - one.before, one.direction]),
  };
}
