import type { MergeDocument, MergePlanDocument } from '../protocol/merge';
import { formatNumber, formatScore } from '../protocol/score';
import { table } from './cliText';
import type { MergeInspectOutput } from './operations/mergeInspectCommand';

/** What a merge would do, for a terminal. */
export function formatMergePlan(d: MergePlanDocument): string {
  return [
    `${d.method}: ${d.formula}`,
    table([['input', 'role', 'size'], ...d.inputs.map(({ reference, role, files }) => [reference, role, `${formatNumber(files.reduce((sum, f) => sum + f.bytes, 0))} bytes`])]),
    `${d.tensors} tensors in ${d.layers} layers: ${d.merged} merged, ${d.copied} copied; ${formatNumber(d.bytesRead)} bytes to read, ${formatNumber(d.bytes)} to write in ${d.dtype}`,
    table([['output', 'size', 'tensors'], ...d.outputs.map(({ file, bytes, tensors }) => [file, `${formatNumber(bytes)} bytes`, String(tensors)])]), 'nothing was written', ...notes(d),
  ].join('\n');
}

/** What a merge did, for a terminal. */
export function formatMerge(d: MergeDocument): string {
  const lines = [
    `${d.method}: ${d.formula}`,
    `${d.merged} tensors merged, ${d.copied} copied${d.resumed > 0 ? `, ${d.resumed} of them by an earlier run` : ''}; ${formatNumber(d.timings['total'] ?? null)} seconds on ${d.threads} ${d.threads === 1 ? 'thread' : 'threads'}`,
    table([['output', 'bytes', 'SHA-256'], ...d.outputs.map(({ file, bytes, sha256 }) => [file, formatNumber(bytes), sha256])]), `written to ${d.out}`,
  ];
  const { evaluation } = d;
  if (evaluation) {
    const against = new Map(evaluation.against.map((a) => [a.control, a]));
    const rows = [...evaluation.runs, ...evaluation.controls].map((r) => { const a = against.get(r.name); return [r.name, formatNumber(r.lossPerToken, 5), formatNumber(r.bitsPerByte, 5), formatNumber(r.tokens), r.accuracy === undefined ? '' : formatNumber(r.accuracy), a ? `${formatNumber(a.change)} [${formatNumber(a.interval[0])}, ${formatNumber(a.interval[1])}]` : '']; });
    lines.push('', table([['run', 'nats per token', 'bits per byte', 'scored tokens', 'accuracy', 'merge minus this'], ...rows]), `${evaluation.data.documents} documents of ${evaluation.data.file}; interval 95 % over documents`);
  } else lines.push('Not evaluated: pass --data FILE to measure it beside its base, its parents and their plain average.');
  return [...lines, ...notes(d)].join('\n');
}

/** How models lie to each other, for a terminal: per part, summed over the layers. */
export function formatMergeInspect(d: MergeInspectOutput): string {
  const lines: string[] = [`${d.alignment.aligned} of ${d.alignment.tensors} tensors are in all${d.base ? `; differences from ${d.base.name}` : ''}`];
  const percent = (share: number | null): string => (share === null ? '' : `${formatNumber(100 * share)} %`);
  for (const { part, deltas, pairs } of d.summary) {
    const figures = pairs.flatMap(({ models, cosine, conflict }) => ([['cosine', cosine], ['opposite signs', conflict]] as const).map(([name, score]) => { const text = formatScore(score); return [models.join(', '), name, text.value, text.null, `n = ${formatNumber(score.n)} ${score.nOf}`, text.verdict]; }));
    lines.push('', part, table([['model', 'relative delta', `lost in ${d.dtype}`], ...deltas.map(({ model, relative, lost }) => [model, percent(relative), percent(lost)])]), ...(figures.length > 0 ? [table([['pair', 'figure', 'value', 'null', 'sample', 'verdict'], ...figures])] : []));
  }
  return [...lines, ...notes(d)].join('\n');
}

function notes(document: { readonly warnings: readonly { readonly message: string }[] }): string[] {
  return document.warnings.map((w) => `note: ${w.message}`);
}
