import type { AblationDetail, AnalysisHead, ExpertDetail, LayerPicture, LayerResult, LayerScoreName } from '../../extension/protocol/documents';
import { LAYER_SCORES } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { LabelStyle } from '../render/labels';
import { dominantLabel } from '../render/labels';
import { foldCells } from '../render/matrix';
import type { Cell, DataTable } from '../render/table';
import { whyMissing } from '../render/tracks';

/** The tables behind all pictures that the page shows now, in the order of the page. */
export function tablesOf(head: AnalysisHead | null, layers: readonly LayerResult[], picture: LayerPicture | null, labels: readonly LabelStyle[], detail: ExpertDetail | null, ablation: AblationDetail | null): readonly DataTable[] {
  const tables: DataTable[] = [layersTable(head, layers)];
  if (picture) tables.push(...pictureTables(picture, labels));
  if (detail) tables.push(...detailTables(detail, ablation));
  return tables;
}

function layersTable(head: AnalysisHead | null, layers: readonly LayerResult[]): DataTable {
  const names = Object.keys(LAYER_SCORES) as LayerScoreName[];
  return {
    id: 'layers', title: 'Layers and their scores', note: head?.nullNote ?? 'Every score with its null and its sample size.',
    columns: ['Layer', ...names.map((name) => LAYER_SCORES[name].title)],
    rows: layers.map((layer) => [String(layer.index), ...names.map((name): Cell => {
      const score = layer.scores[name];
      return score && score.value !== null ? score : whyMissing(layer, name, head?.probe != null);
    })]),
  };
}

function pictureTables(picture: LayerPicture, labels: readonly LabelStyle[]): readonly DataTable[] {
  const { experts, index } = picture;
  const ids = Array.from({ length: experts }, (_, expert) => expert);
  const band = picture.massBand;
  const draws = `${formatNumber(picture.nullDraws)} draws`;
  const pairs: Cell[][] = [];
  for (let a = 0; a < experts; a++) {
    for (let b = a; b < experts; b++) {
      const excess = picture.excess[a * experts + b] ?? NaN;
      pairs.push([String(a), String(b), picture.raw[a * experts + b] ?? null, excess, picture.excessBand, a === b ? 'inside one expert' : excess > picture.excessBand ? 'above the null' : excess < -picture.excessBand ? 'below the null' : 'no evidence']);
    }
  }
  const routers: Cell[][] = [];
  for (let a = 0; a < experts; a++) {
    for (let b = a + 1; b < experts; b++) {
      const value = picture.router[a * experts + b] ?? NaN;
      routers.push([String(a), String(b), value, picture.routerBand, Math.abs(value) > picture.routerBand ? 'outside the null' : 'no evidence']);
    }
  }
  const name = picture.kind === 'coactivation' ? 'Co-activation' : 'Key similarity';
  const tables: DataTable[] = [{
    id: 'experts', title: `Layer ${index}: experts`, note: band ? `Null of the share: experts of the same size drawn at random, ${draws}; equal share ${formatNumber(1 / experts)}.` : 'Sizes are known from the weights; mass and labels need text.',
    columns: ['Expert', 'Neurons', ...(picture.mass.length > 0 ? ['Activation mass', 'Null, low', 'Null, high'] : []), ...(labels.length > 0 ? ['Label'] : [])],
    rows: ids.map((expert) => [String(expert), picture.sizes[expert] ?? null, ...(picture.mass.length > 0 ? [picture.mass[expert] ?? null, band?.[0] ?? null, band?.[1] ?? null] : []), ...(labels.length > 0 ? [dominantLabel(labels, picture.dominant, expert)?.name ?? 'none above the null'] : [])]),
  }, {
    id: 'pairs', title: `Layer ${index}: ${name.toLocaleLowerCase('en')} of experts`, note: `Means over pairs of neurons; the null's 95 % band is \u00b1${formatNumber(picture.excessBand)} around 0 after subtracting it, ${draws}.`,
    columns: ['Expert', 'Expert', name, 'Minus null', 'Null, half width', 'Verdict'], rows: pairs,
  }];
  if (labels.length > 0 && picture.fold.length > 0) {
    tables.push({
      id: 'labels', title: `Layer ${index}: labels of experts`, note: 'log2 of the label\u2019s share among the tokens of the expert over its share in the probe; null 0 by permuted labels; q by Benjamini\u2013Hochberg.',
      columns: ['Expert', 'Label', 'log2 fold', 'Null', 'q', 'Verdict'],
      rows: foldCells(picture, labels.length).map((cell) => [String(cell.expert), labels[cell.label]?.name ?? '', cell.fold, 0, cell.q, cell.told ? (cell.fold > 0 ? 'more than chance' : 'less than chance') : 'no evidence']),
    });
  }
  tables.push({ id: 'router', title: `Layer ${index}: router rows`, note: `Cosine of router rows minus its null; 95 % band \u00b1${formatNumber(picture.routerBand)}, ${draws}.`, columns: ['Expert', 'Expert', 'Cosine minus null', 'Null, half width', 'Verdict'], rows: routers });
  return tables;
}

function detailTables(detail: ExpertDetail, ablation: AblationDetail | null): readonly DataTable[] {
  const name = `Layer ${detail.layer}, expert ${detail.expert}`;
  const { neurons, routerRow, logitEffect } = detail;
  const effects = new Map(ablation?.byLabel.map((entry) => [entry.label, entry.effect] as const) ?? []);
  const tables: DataTable[] = [];
  if (detail.byLabel.length > 0 || ablation) {
    tables.push({
      id: 'label', title: `${name}: by label`, note: 'Enrichment against permuted labels; change of loss when silenced against random groups of the same layer and norm.',
      columns: ['Label', 'Enrichment', 'q', ...(ablation ? ['Ablation'] : [])],
      rows: [...detail.byLabel.map((entry): Cell[] => [entry.label, entry.enrichment, entry.q, ...(ablation ? [effects.get(entry.label) ?? null] : [])]), ...(ablation ? [['all tokens', null, null, ablation.overall] as Cell[]] : [])],
    });
  }
  if (detail.topTokens.length > 0) tables.push({ id: 'tokens', title: `${name}: top tokens`, note: 'Tokens of the probe that activate the expert most.', columns: ['Before', 'Token', 'After', 'Activation', 'Label'], rows: detail.topTokens.map((token) => [token.before, token.token, token.after, token.activation, token.label ?? '']) });
  if (logitEffect) tables.push({ id: 'logits', title: `${name}: writes towards`, note: `Effect on the logits; 95 % of matched random groups stay within \u00b1${formatNumber(logitEffect.nullBand)}, ${formatNumber(logitEffect.nullDraws)} draws, n = ${formatNumber(logitEffect.n)}.`, columns: ['Token', 'Effect', 'Null, half width'], rows: [...logitEffect.up, ...logitEffect.down].map((word) => [word.token, word.value, logitEffect.nullBand]) });
  tables.push({ id: 'neurons', title: `${name}: neurons`, note: `By falling ${neurons.normOf} norm; band: random groups of the same size at the same rank, 95 %, ${formatNumber(neurons.nullDraws)} draws.`, columns: ['Rank', 'Neuron', 'Norm', 'Null, low', 'Null, high'], rows: Array.from(neurons.ids, (id, i) => [String(i + 1), String(id), neurons.norms[i] ?? null, neurons.nullLow[i] ?? null, neurons.nullHigh[i] ?? null]) });
  tables.push({ id: 'routerRow', title: `${name}: router row`, note: `Cosine with the router rows of the other experts; null [${formatNumber(routerRow.nullLow)}, ${formatNumber(routerRow.nullHigh)}], ${formatNumber(routerRow.nullDraws)} draws.`, columns: ['Expert', 'Cosine', 'Verdict'], rows: Array.from(routerRow.cosine, (value, i) => [String(i), value, i === detail.expert ? 'itself' : value < routerRow.nullLow || value > routerRow.nullHigh ? 'outside the null' : 'no evidence']) });
  return tables;
}
