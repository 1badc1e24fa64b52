import type { RoutingHead, RoutingSummary } from '../../extension/protocol/routing';
import { NEAR_TIE } from '../../extension/protocol/routing';
import { formatNumber } from '../../extension/protocol/score';
import type { CoverageCurve } from './routingCoverage';
import type { ExpertAxis } from './routingExperts';
import type { FlowPicture } from './routingFlow';
import type { LabelCell } from './routingLabels';
import type { OverviewInput } from './routingOverview';
import { isInside } from './routingOverview';
import type { PairCell } from './routingPairs';
import { shownToken } from './routingRaster';
import type { SiteNumbers, SiteRow } from './routingTrace';
import { ranked } from './routingTrace';
import { slotValue } from './routingValues';
import type { Cell, DataTable } from './table';

/** Rows of sites with their cells as drawn. */
export function overviewTable(input: OverviewInput, head: RoutingHead): DataTable {
  const margin = (values: OverviewInput['first'], i: number): Cell => {
    const entry = values.values[i];
    return entry?.kind === 'score' ? entry.score : entry?.kind === 'plain' ? entry.value : null;
  };
  return {
    id: 'overview', title: `Sites by experts: ${input.measureWords}`,
    note: `n = ${formatNumber(input.n)} tokens. No preference: ${input.chanceWords}. A value is grey in the picture when the 95 % interval from blocks of 16 tokens holds that line. Last columns: mean ${input.first.title} in nats, ${input.second.title} with the null.`,
    columns: ['Site', ...input.axis.columns.flatMap((style) => [style.mark === style.name.replace('expert ', '') ? style.mark : `${style.mark} ${style.name}`]), 'Told from even', input.first.title, input.second.title],
    rows: input.rows.map((row, s): Cell[] => {
      const cells = input.cells[s] ?? [];
      const told = cells.flatMap((cell, c) => (cell && cell.half !== null && !isInside(cell) ? [input.axis.columns[c]?.mark ?? ''] : []));
      return [head.sites[s]?.id ?? row.full, ...cells.map((cell) => cell?.value ?? null), told.join(' ') || 'none', margin(input.first, s), margin(input.second, s)];
    }),
  };
}

/** Tokens by sites: first expert and margin as the raster draws them. */
export function rasterTable(head: RoutingHead, tokens: readonly number[], rows: readonly SiteRow[], shown: readonly number[], numbers: (site: number) => SiteNumbers | null, axis: ExpertAxis): DataTable {
  return {
    id: 'tokens', title: 'Tokens by site', note: `First expert and its margin (weight over the second expert) per token; \u2248 marks near ties, margin under ${NEAR_TIE}. Even weights have margin 0.`,
    columns: ['Token', 'Text', 'Label', ...shown.map((s) => rows[s]?.full ?? '')],
    rows: tokens.map((t): Cell[] => {
      const token = head.tokens[t];
      return [String(t), token ? shownToken(token) : '', head.records[token?.record ?? 0]?.label ?? '', ...shown.map((s): Cell => {
        const site = numbers(s);
        if (!site) return 'not here yet';
        const margin = site.margins[t] ?? 0;
        return `${axis.columns[axis.columnOf(s, site.tops[t] ?? 0)]?.mark ?? ''} ${margin < NEAR_TIE ? '\u2248 ' : ''}${formatNumber(margin)}`;
      })];
    }),
  };
}

/** One token at all sites: every kept expert. */
export function sliceTable(head: RoutingHead, token: number, rows: readonly SiteRow[], numbers: (site: number) => SiteNumbers | null, axis: ExpertAxis): DataTable {
  const out: Cell[][] = [];
  const cosines = rows.some((_, s) => numbers(s)?.norms);
  rows.forEach((row, s) => {
    const site = numbers(s);
    if (!site) return;
    ranked(site, token).forEach((entry, j) => {
      const style = axis.columns[axis.columnOf(s, entry.expert)];
      out.push([head.sites[s]?.id ?? row.full, String(j + 1), style?.mark ?? '', style?.name ?? '', entry.weight, entry.logit, ...(site.norms ? [slotValue(site, token, j, 'cosine')] : []), entry.chosen ? 'chosen' : 'next in line', 1 / site.E, site.margins[token] ?? null, site.entropies[token] ?? null]);
    });
  });
  const text = head.tokens[token];
  return { id: 'slice', title: `Token ${token} \u201c${text ? shownToken(text) : ''}\u201d at all sites`, note: `Weights of the kept experts, best first. Even weights are 1/E; entropy in nats.${cosines ? ' Cosine: logit over the length of what the router read.' : ''}`, columns: ['Site', 'Rank', 'Expert', 'Name', 'Weight', 'Logit', ...(cosines ? ['Cosine'] : []), 'Use', 'Even', 'Margin', 'Entropy'], rows: out };
}

export function labelsTable(cells: readonly LabelCell[], summary: RoutingSummary, axis: ExpertAxis, row: SiteRow): DataTable {
  return {
    id: 'labels', title: `Experts by kind of text at ${row.words}`, note: 'Share of routing weight with 95 % interval from resampled blocks of tokens; null: labels shuffled in blocks of 16 tokens.',
    columns: ['Kind', 'Tokens', 'Expert', 'Mean weight', 'Low', 'High', 'Null, low', 'Null, high', 'Verdict'],
    rows: cells.map((cell): Cell[] => [summary.labels[cell.label] ?? '', summary.tokensPerLabel[cell.label] ?? null, axis.columns[cell.column]?.name ?? '', cell.value, cell.low, cell.high, cell.nullLow, cell.nullHigh, cell.told ? (cell.low > cell.nullHigh ? 'more than chance' : 'less than chance') : 'no evidence']),
  };
}

export function flowTable(picture: FlowPicture, rows: readonly SiteRow[], axis: ExpertAxis): DataTable {
  const name = (lane: number): string => axis.columns[picture.lanes[lane] ?? -1]?.mark ?? 'other';
  return {
    id: 'flow', title: 'Flow between neighbouring sites', note: `Tokens by first expert, n = ${formatNumber(picture.n)}. Null: independent choices with the same loads; coloured: the largest flows more than 2.6 standard deviations above it.`,
    columns: ['From', 'Expert', 'To', 'Expert', 'Tokens', 'Independent', 'z', 'Drawn'],
    rows: picture.steps.flatMap((step, j) => step.all.map((flow): Cell[] => [rows[picture.sites[j] ?? 0]?.full ?? '', name(flow.from), rows[picture.sites[j + 1] ?? 0]?.full ?? '', name(flow.to), flow.count, flow.expected, flow.z, step.strong.has(flow) ? 'coloured' : 'grey'])),
  };
}

export function pairsTable(cells: readonly PairCell[], axis: ExpertAxis, row: SiteRow, draws: number): DataTable {
  return {
    id: 'pairs', title: `Experts used together at ${row.words}`, note: `Share of the tokens of the first expert that also use the second; null: each token draws its experts by load alone, ${formatNumber(draws)} draws, 95 % band.`,
    columns: ['Expert', 'Also', 'Share', 'Null', 'Null, low', 'Null, high', 'Tokens', 'Verdict'],
    rows: cells.map((cell): Cell[] => [axis.columns[cell.row]?.name ?? '', axis.columns[cell.column]?.name ?? '', cell.value, cell.mean, cell.low, cell.high, cell.n, cell.inside ? 'no evidence' : (cell.value ?? 0) > cell.high ? 'more than by load' : 'less than by load']),
  };
}

export function coverageTable(curve: CoverageCurve, rows: readonly SiteRow[], axis: ExpertAxis, n: number): DataTable {
  const count = curve.order.length;
  return {
    id: 'keep', title: 'Coverage of kept experts', note: `Experts are kept in the order of their weight over all sites. Even use covers kept/E. n = ${formatNumber(n)} tokens.`,
    columns: ['Kept', 'Expert added', 'Routing weight covered', 'Even', 'Least', 'Least at', 'First experts kept'],
    rows: curve.mean.map((value, m): Cell[] => [m, m === 0 ? '' : axis.columns[curve.order[m - 1] ?? 0]?.name ?? '', value, m / count, Number.isFinite(curve.least[m]?.value ?? NaN) ? curve.least[m]?.value ?? null : null, rows[curve.least[m]?.site ?? 0]?.full ?? '', curve.firsts[m] ?? null]),
  };
}
