import { type AnalysisDocument, LAYER_SCORES, type LayerResult, type LayerScoreName, METHOD_WORDS } from '../protocol/documents';
import { formatNumber, formatScore, isEvidence, type Score } from '../protocol/score';
import { escapeHtml } from './html';
import { factList, reportPage } from './page';

/** Scores that get a track in the picture; the table has all of them. */
const TRACKS: readonly LayerScoreName[] = ['stability', 'modularity', 'captured', 'specialised'];
const ROW = 22, TRACK = 150, GAP = 18;

/** A standalone report of an analysis: no script, no outside request; every figure with its null and sample size. */
export function analysisReport(document: AnalysisDocument): string {
  const names = (Object.keys(LAYER_SCORES) as LayerScoreName[]).filter((name) => document.layers.some((l) => l.scores[name]));
  return reportPage(`${document.model.name}: experts and what chance would give`, `<h1>${escapeHtml(document.finding)}</h1>
${facts(document)}
<h2>Layers, input at the top</h2>
<p class="note">Grey band: 95 % of the null. Solid tick: the value, told from chance (p &lt; 0.05). Hollow tick: inside the null, no evidence.</p>
${strip(document.layers, names.filter((n) => TRACKS.includes(n)))}
<h2>All scores</h2>
${names.map((name) => scoreTable(name, document.layers)).join('\n')}
<h2>How to read the numbers</h2>
<p>${escapeHtml(document.nullNote)}</p>
<p>z is the distance from the mean of the null in its standard deviations; p is one-sided: the share of null draws at least as extreme, with one added on both sides, or a Student-t prediction where there are fewer than 19 draws.</p>
${document.warnings.length > 0 ? `<h2>Remarks</h2><ul>${document.warnings.map((w) => `<li>${escapeHtml(w.message)}</li>`).join('')}</ul>` : ''}
<footer>Modulens ${escapeHtml(document.program.version)}, seed ${document.seed}, fingerprint <code>${escapeHtml(document.model.fingerprint)}</code>${document.probe ? `, probe <code>${escapeHtml(document.probe.sha256)}</code>` : ''}</footer>`);
}

function facts(d: AnalysisDocument): string {
  const rows: [string, string][] = [
    ['Checkpoint', d.model.name], ['Family', d.model.family ?? 'unknown'], ['Size', `${formatNumber(d.model.parameters)} parameters, ${d.model.dtype}`], ['FFN', `${d.layers.length} layers \u00d7 ${formatNumber(d.model.dFf)} neurons`],
    ['Experts', `${d.experts} a layer, ${METHOD_WORDS[d.method]}, top ${d.topK}`], ['Device', d.device.used === null ? 'none (weights only)' : `${d.device.used}, ${d.device.reason ?? ''}`],
    ['Probe', d.probe ? `${d.probe.name}, ${d.probe.texts} texts, ${d.probe.labels.length} labels` : `none. ${d.probeMissing ?? ''}`], ...(d.probe ? [['Tokens', `${formatNumber(d.probe.splitTokens)} to split + ${formatNumber(d.probe.scoreTokens)} to score`] as [string, string]] : []), ['Time', `${formatNumber(d.timings['total'] ?? null)} s`],
  ];
  return factList(rows);
}

/** Rows are layers; every track has one scale, so that the null bands join into a corridor. */
function strip(layers: readonly LayerResult[], names: readonly LayerScoreName[]): string {
  const left = 36, top = 34, width = left + names.length * (TRACK + GAP), height = top + layers.length * ROW + 4;
  const parts: string[] = [];
  names.forEach((name, n) => {
    const x0 = left + n * (TRACK + GAP), scores = layers.map((l) => l.scores[name]);
    const values = scores.flatMap((s) => (s ? [s.value ?? NaN, ...(s.nullInterval ?? []), ...(s.interval ?? []), s.null ?? NaN] : [])).filter(Number.isFinite);
    const low = Math.min(0, ...values), high = Math.max(...values, low + 1e-9), pad = (high - low) * 0.05;
    const x = (v: number): number => x0 + ((v - low + pad) / (high - low + 2 * pad)) * TRACK;
    parts.push(`<text x="${x0}" y="12" class="name">${LAYER_SCORES[name].title}</text><text x="${x0}" y="26" class="end">${formatNumber(low, 2)}</text><text x="${x0 + TRACK}" y="26" class="end" text-anchor="end">${formatNumber(high, 2)}</text>`);
    layers.forEach((layer, i) => { const s = layer.scores[name]; if (s) parts.push(mark(s, x, top + i * ROW, `Layer ${layer.index}`)); });
  });
  const indices = layers.map((l, i) => `<text x="26" y="${top + i * ROW + ROW / 2 + 4}" class="index" text-anchor="end">${l.index}</text>`).join('');
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Scores of every layer beside their nulls; the tables below hold the numbers">${indices}${parts.join('')}</svg>`;
}

function mark(s: Score, x: (v: number) => number, y: number, layer: string): string {
  const t = formatScore(s), title = `<title>${escapeHtml(`${layer}: ${t.value}; ${t.null}; ${t.n}; ${t.verdict}`)}</title>`;
  const band = s.nullInterval ? `<rect class="band" x="${x(s.nullInterval[0]).toFixed(1)}" y="${y}" width="${Math.max(1, x(s.nullInterval[1]) - x(s.nullInterval[0])).toFixed(1)}" height="${ROW}"/>` : '';
  if (s.value === null) return `<g>${title}${band}</g>`;
  const middle = y + ROW / 2, at = x(s.value);
  if (!isEvidence(s)) return `<g>${title}${band}<rect class="inside" x="${(at - 2).toFixed(1)}" y="${middle - 5}" width="4" height="10"/></g>`;
  return `<g>${title}${band}<line class="bar" x1="${x(s.null ?? 0).toFixed(1)}" x2="${at.toFixed(1)}" y1="${middle}" y2="${middle}"/><rect class="tick" x="${(at - 1.5).toFixed(1)}" y="${middle - 6}" width="3" height="12"/></g>`;
}

function scoreTable(name: LayerScoreName, layers: readonly LayerResult[]): string {
  const rows = layers.flatMap((l) => { const s = l.scores[name]; if (!s) return []; const t = formatScore(s); return [`<tr class="${isEvidence(s) ? 'out' : 'in'}"><th scope="row">${l.index}</th><td>${t.value}</td><td>${escapeHtml(t.null)}</td><td>${s.z === null ? '\u2013' : formatNumber(s.z)}</td><td>${escapeHtml(t.verdict)}</td><td>${escapeHtml(t.n)}</td></tr>`]; });
  const first = layers.find((l) => l.scores[name])?.scores[name];
  return `<section><h3>${LAYER_SCORES[name].title}</h3><p class="note">${escapeHtml(first?.unit ?? '')}; null: ${escapeHtml(first?.nullKind ?? '')}</p><table><thead><tr><th scope="col">Layer</th><th scope="col">Value</th><th scope="col">Null</th><th scope="col">z</th><th scope="col">Verdict</th><th scope="col">Sample</th></tr></thead><tbody>${rows.join('')}</tbody></table></section>`;
}
