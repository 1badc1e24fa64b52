import { type AnalysisDocument, type EvaluateDocument, type InspectDocument, LAYER_SCORES, type LayerScoreName, METHOD_WORDS, type ProbeDocument } from '../protocol/documents';
import { type RouteDocument, whatIfTitle } from '../protocol/routing';
import { formatInterval, formatNumber, formatScore, type Score } from '../protocol/score';
import type { TransferDocument, TransferPlan } from '../protocol/transfer';

/** Columns padded to the widest cell; numbers are already text. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => [...(row[c] ?? '')].length)));
  return rows.map((row) => row.map((cell, c) => cell + ' '.repeat(Math.max(0, widths[c] - [...cell].length))).join('  ').trimEnd()).join('\n');
}

function notes(document: { readonly warnings: readonly { readonly message: string }[] }): string[] {
  return document.warnings.map((w) => `note: ${w.message}`);
}

export function formatInspect(d: InspectDocument): string {
  const facts = [['family', d.family ?? 'unknown'], ['architecture', d.architecture ?? 'none of ours'], ['parameters', formatNumber(d.parameters)], ['size', `${formatNumber(d.bytes)} bytes, mostly ${d.dtype}`], ['layers', d.layers === null ? 'unknown' : String(d.layers)], ['d_model, d_ff', `${d.dModel ?? 'unknown'}, ${d.dFf ?? 'unknown'}`], ...(d.mixture ? [['experts', mixtureText(d.mixture)]] : []), ['runs', d.runnable ? 'yes' : `no: ${d.cannotRun ?? ''}`]];
  const shown = d.tensors.slice(0, 40).map((t) => [t.name, t.dtype, `[${t.shape.join(', ')}]`, t.file]);
  return [d.name, table(facts), '', table([['tensor', 'dtype', 'shape', 'file'], ...shown]), ...(d.tensors.length > shown.length ? [`... and ${d.tensors.length - shown.length} more (--json lists all)`] : []), ...(d.leftOver.length > 0 ? [`not used by the family: ${d.leftOver.slice(0, 8).join(', ')}`] : []), ...notes(d)].join('\n');
}

function mixtureText({ layers, experts, perToken, width, shared }: NonNullable<InspectDocument['mixture']>): string {
  return `${experts}${width === null ? '' : ` of ${width} neurons`} in ${layers === 1 ? '1 layer' : `each of ${layers} layers`}${perToken === null ? '' : `, ${perToken} used by a token`}${shared === null ? '' : `, beside a shared one of ${shared}`}`;
}

export function formatProbe(d: ProbeDocument): string {
  return [`${d.texts} texts, ${formatNumber(d.tokens)} tokens on ${d.device.used ?? 'nothing'}`, table([['tap', 'shape'], ...d.taps.map((t) => [t.name, `[${t.shape.join(', ')}]`])]), `written to ${d.out}`, ...notes(d)].join('\n');
}

export function formatEvaluation(d: EvaluateDocument): string {
  const rows = [...d.runs, ...d.controls].map((r) => [r.name, formatNumber(r.lossPerToken, 5), formatNumber(r.bitsPerByte, 5), formatNumber(r.tokens), r.accuracy === undefined ? '' : formatNumber(r.accuracy), r.modules.join(' ')]);
  return [d.model.name, table([['run', 'nats per token', 'bits per byte', 'scored tokens', 'accuracy', 'modules'], ...rows]), `${d.data.documents} documents, ${d.data.skipped} skipped; on ${d.device.used ?? 'nothing'}`, ...notes(d)].join('\n');
}

export function formatAnalysis(d: AnalysisDocument): string {
  const probe = d.probe ? `${d.probe.name}: ${formatNumber(d.probe.splitTokens)} tokens to split, ${formatNumber(d.probe.scoreTokens)} to score, ${d.probe.labels.length} labels` : `none. ${d.probeMissing ?? ''}`;
  const names = (Object.keys(LAYER_SCORES) as LayerScoreName[]).filter((name) => d.layers.some((l) => l.scores[name]));
  const lines = names.flatMap((name) => [
    '', `${LAYER_SCORES[name].title} (${d.layers.find((l) => l.scores[name])?.scores[name]?.unit ?? ''}; null: ${d.layers.find((l) => l.scores[name])?.scores[name]?.nullKind ?? ''})`,
    table(d.layers.flatMap((l) => { const score: Score | undefined = l.scores[name]; if (!score) return []; const t = formatScore(score); return [[`  layer ${l.index}`, t.value, t.null, t.verdict, t.n]]; })),
  ]);
  return [
    d.finding, '',
    table([['checkpoint', `${d.model.name}, ${d.model.family ?? 'unknown family'}, ${formatNumber(d.model.parameters)} parameters, ${d.model.dtype}`], ['experts', `${d.experts} a layer ${METHOD_WORDS[d.method]}, top ${d.topK}`], ['device', d.device.used === null ? 'none: weights only' : `${d.device.used} (${d.device.reason ?? ''})`], ['probe', probe], ['seed', String(d.seed)], ['time', `${formatNumber(d.timings['total'] ?? null)} s`]]),
    ...lines, ...(d.warnings.length > 0 ? ['', ...notes(d)] : []),
  ].join('\n');
}

const PROVENANCE: Readonly<Record<RouteDocument['provenance'], string>> = { exact: 'as the model runs with this router', 'base-activation': 'approximate: on activations of the base alone', 'router-only': 'router only: this family\u2019s attention is not built', imported: 'imported: made by another program' };

export function formatRouting(d: RouteDocument): string {
  const sites = d.sites.map((site, s) => {
    const { load, entropy, switchRate, divergence } = d.summary.sites[s], first = load.indexOf(Math.max(...load)), changes = formatScore(switchRate), apart = divergence ? formatScore(divergence) : null;
    return [site.id, `${site.k} of ${site.E}`, `${site.labels[first]} ${formatNumber(100 * load[first])} % (even: ${formatNumber(100 / site.E)} %)`, `${formatNumber(entropy)} (even: ${formatNumber(Math.log(site.E))})`, `${changes.value}, ${changes.null}, ${changes.verdict}`, ...(apart ? [`${apart.value}, ${apart.null}, ${apart.verdict}`] : [])];
  });
  const labelled = d.summary.labels.length > 0;
  return [
    table([['checkpoint', `${d.model.name}, ${d.model.kind}`], ...(d.whatIf ? [['what if', `${whatIfTitle(d.whatIf)}. ${d.whatIf.says}`]] : []), ['router', `${d.router}; ${PROVENANCE[d.provenance]}; ${d.composition === 'none' ? 'nothing is run with it' : `${d.composition} are mixed`}`], ['text', `${formatNumber(d.summary.tokens)} tokens in ${formatNumber(d.records.length)} texts${labelled ? `, labels ${d.summary.labels.join(', ')}` : ''}`], ['device', d.device.used ?? 'none'], ['time', `${formatNumber(d.timings['total'] ?? null)} s`]]),
    '', table([['site', 'experts', 'most frequent first', 'entropy, nats', 'switches between neighbours', ...(labelled ? ['labels apart, nats'] : [])], ...sites]),
    ...(d.summary.matching ? ['', `experts of neighbouring layers, matched by shared tokens: ${formatScore(d.summary.matching).value}, ${formatScore(d.summary.matching).null}`] : []),
    ...(d.comparison ? ['', `${d.comparison.names[0]} beside ${d.comparison.names[1]}, on ${formatNumber(d.comparison.tokens)} tokens`, table([['site', 'same first expert, share', 'weights apart, nats'], ...d.comparison.sites.map(({ id, agreement, divergence }) => [id, ...[agreement, divergence].map((score) => { const t = formatScore(score); return `${t.value}, ${t.null}, ${t.verdict}`; })])])] : []),
    ...(d.trained ? ['', 'the trained router beside avg-k over the experts\u2019 mean keys', table([['site', 'cosine of its rows with their experts\u2019 keys', 'same choices'], ...d.trained.map(({ site, cosine, agreement }) => [site, ...[cosine, agreement].map((score) => { const t = formatScore(score); return `${t.value}, ${t.null}, ${t.verdict}`; })])])] : []), ...notes(d),
  ].join('\n');
}

export function formatTransfer(d: TransferDocument): string {
  const runs = [...d.runs, ...d.controls].map((r) => [r.name, formatNumber(r.lossPerToken, 5), formatNumber(r.bitsPerByte, 5), formatNumber(r.tokens), r.accuracy === undefined ? '' : formatNumber(r.accuracy)]);
  const differences = d.proof?.differences.filter((x) => x.run === 'transferred').map((x) => [x.against, formatInterval(x.value, [x.low, x.high]), x.unit, `n = ${formatNumber(x.n)} texts`]) ?? [];
  return [
    d.sentence, '',
    table([['module', `${d.module.name}, ${d.module.kind}, ${d.module.sites} sites`], ['method', `${d.method}, layers ${d.layerRule}`], ['device', d.device.used ?? 'none'], ['probe', d.probe ? `${d.probe.name}: ${formatNumber(d.probe.pairedTokens)} paired tokens, ${formatNumber(100 * d.probe.keptShare)} % of the target\u2019s` : 'none'], ...(d.proof ? [['strength', `${formatNumber(d.proof.chosen)}, chosen on ${d.proof.chooseOn} texts, reported on ${d.proof.reportOn}`]] : []), ['time', `${formatNumber(d.timings['total'] ?? null)} s`]]),
    ...(runs.length > 0 ? ['', table([['run', 'nats per token', 'bits per byte', 'scored tokens', 'accuracy'], ...runs, ...d.impossible.map(({ name, why }) => [name, `not possible: ${why}`])])] : []),
    ...(differences.length > 0 ? ['', 'the transferred module against', table([['against', 'difference', 'unit', 'sample'], ...differences])] : []),
    '', table([['site', 'from', 'rank', 'kept', 'maps', 'held-out R\u00b2', 'shuffled', 'tokens'], ...d.sites.map((s) => [s.name, s.from, String(s.kept), formatNumber(s.coverage), `${s.mapIn}, ${s.mapOut}`, formatNumber(s.r2), formatNumber(s.r2Null), `${s.tokens} + ${s.heldOut}`])]),
    ...(d.dropped.length > 0 ? ['', 'dropped', table(d.dropped.map((x) => [x.name, `${formatNumber(100 * x.share)} %`, x.reason]))] : []),
    '', `written to ${d.out}`, ...notes(d),
  ].join('\n');
}

export function formatTransferPlan(p: TransferPlan): string {
  return [
    `${p.module.name} would go from ${p.from.name} to ${p.to.name}. ${p.methodSays}`, '',
    table([['relation of the bases', p.relation + (p.weightCosine === null ? '' : `, mean weight cosine ${formatNumber(p.weightCosine)}`)], ['layers', `${p.layerRule}${p.provisionalLayers ? ' (known once texts were read)' : ''}: ${p.layers.map((l) => `${l.to}\u2190${l.from ?? 'none'}`).join(' ')}`], ['probe', p.probe ? `${p.probe.name}, ${p.probe.texts} texts` : 'none'], ['data', p.data ? `${p.data.name}, ${p.data.rows} texts` : 'none: there will be no verdict'], ['takes about', `${formatNumber(p.estimate.seconds)} s, ${formatNumber(Math.round(p.estimate.bytes / 1e6))} MB`]]),
    '', table([['site', 'from', 'rank', 'source in, out', 'target in, out', 'rule', 'share'], ...p.sites.map((s) => [s.name, s.from, String(s.rank), s.source.join(', '), s.target.join(', '), s.rule, `${formatNumber(100 * s.share)} %`])]),
    ...(p.dropped.length > 0 ? ['', 'dropped', table(p.dropped.map((x) => [x.name, `${formatNumber(100 * x.share)} %`, x.reason]))] : []), ...notes(p),
  ].join('\n');
}
