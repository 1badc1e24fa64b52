import type { EvaluationRun } from '../protocol/documents';
import { formatNumber, formatScore, type Score } from '../protocol/score';
import type { PairedDifference, TransferDocument, TransferredSite } from '../protocol/transfer';
import { escapeHtml } from './html';
import { factList, reportPage, reportTable } from './page';

const WIDTH = 640, LABEL = 170, ROW = 22;

/**
 * A standalone report of a transfer, in a fixed order: the answer in one sentence, the runs, the strength curve, layers, heads, sites,
 * texts that changed, warnings, and what is needed to do it again.
 */
export function transferReport(d: TransferDocument): string {
  return reportPage(`${d.module.name}: from ${d.from.name} to ${d.to.name}`, [
    `<h1>${escapeHtml(d.sentence)}</h1>`,
    factList([['Module', `${d.module.name}, ${d.module.kind}${d.module.rank === null ? '' : ` of rank ${d.module.rank}`}, ${d.module.sites} sites`], ['From', `${d.from.name}, ${formatNumber(d.from.parameters)} parameters`], ['To', `${d.to.name}, ${formatNumber(d.to.parameters)} parameters`], ['Method', d.method], ['Layers', d.layerRule], ['Device', d.device.used ?? 'none'], ['Seed', String(d.seed)]]),
    runs(d), curve(d), layers(d), heads(d), sites(d), dropped(d), changed(d),
    d.warnings.length > 0 ? `<h2>Remarks</h2><ul>${d.warnings.map((w) => `<li>${escapeHtml(w.message)}</li>`).join('')}</ul>` : '',
    reproducibility(d),
  ].filter((part) => part !== '').join('\n'));
}

function runs(d: TransferDocument): string {
  const head = '<h2>What it does on the texts</h2>';
  if (!d.proof) return `${head}<p>No verdict: no texts were given to measure on. Give texts of the task with <code>--data</code> to learn whether the module helps.</p>`;
  const all = [...d.runs, ...d.controls];
  const differences = d.proof.differences.filter((x) => x.run === 'transferred'), rows = all.map((run) => ({ cells: runCells(run), dim: run.name !== 'transferred' }));
  return [
    head, `<p class="note">Measured on ${d.proof.reportOn} texts that strength was not chosen on. Lower is better. The controls act with the same strength.</p>`,
    bars(all), reportTable(['Run', 'Nats per token', 'Bits per byte', 'Scored tokens', 'Accuracy'], [...rows, ...d.impossible.map(({ name, why }) => ({ cells: [name, `not possible: ${why}`, '', '', ''], dim: true }))]),
    '<h3>The transferred module against</h3>', '<p class="note">Paired by text; 95 % intervals from resampled texts. Below zero: the transferred module is better.</p>', intervals(differences.filter((x) => x.unit === 'nats per token')),
    reportTable(['Against', 'Difference', '95 % interval', 'Unit', 'Texts'], differences.map((x) => ({ cells: [x.against, formatNumber(x.value), `${formatNumber(x.low)} to ${formatNumber(x.high)}`, x.unit, formatNumber(x.n)], dim: x.low <= 0 && x.high >= 0 }))),
    `<p>${escapeHtml(liftText(d))}</p>`, d.proof.damage ? `<p>On texts of other kinds (${escapeHtml(d.proof.damage.name)}, ${formatNumber(d.proof.damage.tokens)} tokens): ${formatNumber(d.proof.damage.before, 4)} nats per token without, ${formatNumber(d.proof.damage.after, 4)} with the module.</p>` : '',
  ].join('\n');
}

function runCells(run: EvaluationRun): string[] {
  return [run.name, formatNumber(run.lossPerToken, 4), formatNumber(run.bitsPerByte, 4), formatNumber(run.tokens), run.accuracy === undefined ? '\u2013' : `${formatNumber(run.accuracy)} (always the most frequent: ${formatNumber(run.majorityShare ?? null)})`];
}

function liftText(d: TransferDocument): string {
  const lift = d.proof?.lift;
  if (!lift) return '';
  if (lift.value === null) return `Recovered lift: not defined. ${lift.why ?? ''}`;
  return `Recovered lift: ${formatNumber(100 * lift.value)} % [${formatNumber(100 * (lift.low ?? NaN))}, ${formatNumber(100 * (lift.high ?? NaN))}] of what the module saves on its own base, in bits per byte.`;
}

/** Bars of bits per byte, the one unit that both tokenizers share; the transferred run is filled, the others grey. */
function bars(all: readonly EvaluationRun[]): string {
  const most = Math.max(...all.map((r) => r.bitsPerByte)), height = all.length * ROW + 20;
  const rows = all.map((run, i) => {
    const length = ((WIDTH - LABEL - 70) * run.bitsPerByte) / most, y = i * ROW + 4;
    return `<text x="${LABEL - 8}" y="${y + 12}" text-anchor="end">${escapeHtml(run.name)}</text><rect class="${run.name === 'transferred' ? 'asked' : 'other'}" x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="14"/><text class="end" x="${(LABEL + length + 6).toFixed(1)}" y="${y + 12}">${formatNumber(run.bitsPerByte, 4)}</text>`;
  });
  return svg(height, 'Bits per byte of every run', `${rows.join('')}<text class="end" x="${LABEL}" y="${height - 4}">bits per byte, from 0</text>`);
}

/** Intervals of differences on one scale with zero in it; an interval that holds zero is hollow. */
function intervals(list: readonly PairedDifference[]): string {
  const low = Math.min(0, ...list.map((d) => d.low)), high = Math.max(0, ...list.map((d) => d.high)), x = (v: number): number => LABEL + ((WIDTH - LABEL - 20) * (v - low)) / Math.max(1e-12, high - low), height = list.length * ROW + 22;
  const rows = list.map((d, i) => {
    const y = i * ROW + 12, inside = d.low <= 0 && d.high >= 0;
    return `<text x="${LABEL - 8}" y="${y + 4}" text-anchor="end">${escapeHtml(d.against)}</text><line class="bar" x1="${x(d.low).toFixed(1)}" x2="${x(d.high).toFixed(1)}" y1="${y}" y2="${y}"/><rect class="${inside ? 'inside' : 'tick'}" x="${(x(d.value) - 2).toFixed(1)}" y="${y - 5}" width="4" height="10"/>`;
  });
  return svg(height, 'Differences with their intervals', `<line class="axis" x1="${x(0).toFixed(1)}" x2="${x(0).toFixed(1)}" y1="0" y2="${height - 18}"/>${rows.join('')}<text class="end" x="${x(low).toFixed(1)}" y="${height - 4}">${formatNumber(low)} helps</text><text class="end" text-anchor="end" x="${x(high).toFixed(1)}" y="${height - 4}">hurts ${formatNumber(high)}</text>`);
}

function curve(d: TransferDocument): string {
  if (!d.proof || d.proof.curve.length === 0) return '';
  const points = d.proof.curve, strengths = points.map((p) => p.alpha), losses = points.map((p) => p.lossPerToken), low = Math.min(...losses), high = Math.max(...losses), height = 150;
  const x = (a: number): number => 40 + ((WIDTH - 60) * a) / Math.max(...strengths), y = (l: number): number => 12 + (100 * (high - l)) / Math.max(1e-12, high - low);
  const marks = points.map((p) => `<circle class="${p.alpha === d.proof?.chosen ? 'asked' : 'other'}" cx="${x(p.alpha).toFixed(1)}" cy="${y(p.lossPerToken).toFixed(1)}" r="4"/><text class="end" text-anchor="middle" x="${x(p.alpha).toFixed(1)}" y="${height - 16}">${formatNumber(p.alpha)}</text>`);
  return [`<h2>Strength</h2><p class="note">Nats per token on the ${d.proof.chooseOn} texts that strength was chosen on; 0 is the target alone. Chosen: ${formatNumber(d.proof.chosen)}.</p>`, svg(height, 'Loss by strength', `<polyline class="curve" points="${points.map((p) => `${x(p.alpha).toFixed(1)},${y(p.lossPerToken).toFixed(1)}`).join(' ')}"/>${marks.join('')}<text class="end" x="0" y="16">${formatNumber(high, 4)}</text><text class="end" x="0" y="116">${formatNumber(low, 4)}</text><text class="end" text-anchor="middle" x="${WIDTH / 2}" y="${height - 2}">strength</text>`)].join('');
}

function layers(d: TransferDocument): string {
  const of = (layer: number): readonly TransferredSite[] => d.sites.filter((s) => layerOf(s.name) === layer);
  const rows = d.layers.map((pair) => {
    const fits = of(pair.to).flatMap((s) => (s.r2 === null ? [] : [s])), mean = (pick: (s: TransferredSite) => number | null): number | null => (fits.length === 0 ? null : fits.reduce((sum, s) => sum + (pick(s) ?? 0), 0) / fits.length);
    return { cells: [String(pair.to), pair.from === null ? 'none' : String(pair.from), `${formatNumber(100 * pair.share)} %`, formatNumber(mean((s) => s.r2)), formatNumber(mean((s) => s.r2Null)), pair.cka ? ckaText(pair.cka) : '\u2013'], dim: pair.from === null };
  });
  return `<h2>Layers</h2><p class="note">R\u00b2 is the mean over a layer\u2019s sites on held-out tokens; its null is the same with token pairs shuffled before fitting. A good fit alone says nothing about whether the module works.</p>${reportTable(['Target layer', 'Source layer', 'Share of the update', 'Held-out R\u00b2', 'Null R\u00b2', 'CKA of the inputs'], rows)}`;
}

function heads(d: TransferDocument): string {
  if (d.heads.length === 0) return '';
  return `<h2>Heads</h2><p class="note">Source head of each target head, with the fit of the pair; the null is the best assignment on shuffled tokens.</p>${reportTable(['Layer', 'Part', 'Source heads, in the order of the target\u2019s', 'Mean fit', 'Null'], d.heads.map((h) => ({ cells: [String(h.layer), h.part === 'q' ? 'query' : 'key and value', h.from.map((f) => (f === null ? '\u2013' : String(f))).join(' '), formatNumber(h.score.reduce((a, b) => a + b, 0) / Math.max(1, h.score.length)), formatNumber(h.nullScore)] })))}`;
}

function sites(d: TransferDocument): string {
  return `<h2>Sites</h2>${reportTable(['Site', 'From', 'Rank', 'Kept in \u00d7 out', 'Maps in, out', 'Held-out R\u00b2', 'Null R\u00b2', 'Tokens fitted, held out', 'Relative size before, after'], d.sites.map((s) => ({ cells: [s.name, s.from, String(s.kept), `${formatNumber(s.coverageIn)} \u00d7 ${formatNumber(s.coverageOut)}`, `${s.mapIn}, ${s.mapOut}`, formatNumber(s.r2), formatNumber(s.r2Null), `${formatNumber(s.tokens)}, ${formatNumber(s.heldOut)}`, `${formatNumber(s.relativeNormFrom)}, ${formatNumber(s.relativeNormTo)}`], dim: s.r2 !== null && s.r2Null !== null && s.r2 <= s.r2Null })))}`;
}

function dropped(d: TransferDocument): string {
  return d.dropped.length === 0 ? '' : `<h2>Dropped</h2>${reportTable(['Part', 'Why', 'Share of the update'], d.dropped.map((x) => ({ cells: [x.name, x.reason, `${formatNumber(100 * x.share)} %`] })))}`;
}

function changed(d: TransferDocument): string {
  const list = d.proof?.changed ?? [];
  return list.length === 0 ? '' : `<h2>Texts that changed most</h2>${reportTable(['Line', 'Text', 'Label', 'Nats per token before', 'after'], list.map((c) => ({ cells: [String(c.row + 1), c.text, c.label ?? '\u2013', formatNumber(c.before), `${formatNumber(c.after)} (${c.direction})`] })))}`;
}

function reproducibility(d: TransferDocument): string {
  const facts: [string, string][] = [
    ['Program', `Modulens ${d.program.version}`], ['Seed', String(d.seed)], ['Source', d.from.fingerprint], ['Target', d.to.fingerprint],
    ...(d.probe ? [['Probe', `${d.probe.name}, ${formatNumber(d.probe.pairedTokens)} paired tokens, ${formatNumber(100 * d.probe.keptShare)} % of the target\u2019s, ${d.probe.sha256}`] as [string, string]] : []),
    ...(d.data ? [['Data', `${d.data.file}, ${formatNumber(d.data.documents)} texts, ${d.data.sha256}`] as [string, string]] : []),
    ...d.files.map((f): [string, string] => [f.file, `${formatNumber(f.bytes)} bytes, SHA-256 ${f.sha256}`]),
  ];
  return `<h2>To do it again</h2>${reportTable(['', ''], facts.map(([a, b]) => ({ cells: [a, b] })))}`;
}

function ckaText(score: Score): string {
  const t = formatScore(score);
  return `${t.value}; ${t.null}; ${t.n}; ${t.verdict}`;
}

/** Block of a site: `blocks.3.attention.q` is of layer 3; -1 for sites outside blocks. */
function layerOf(site: string): number {
  const match = /^blocks\.(\d+)\./.exec(site);
  return match ? Number(match[1]) : -1;
}

function svg(height: number, label: string, content: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeHtml(label)}; the table holds the numbers">${content}</svg>`;
}
