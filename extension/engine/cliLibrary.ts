import { directionTrust, type LibraryDocument, SIMILARITY_SAYS } from '../protocol/routingLibrary';
import { formatNumber, formatScore } from '../protocol/score';
import { table } from './cliText';

/** `modulens route --library-facts` for people: adapters, similarities, groups, and what subtraction does. */
export function formatLibrary(d: LibraryDocument): string {
  const names = d.adapters.map(({ name }) => name), n = names.length;
  const matrices = d.similarity.flatMap(({ kind, matrix, why, sites, unrelated }) => [
    '', `similarity by ${kind}. ${SIMILARITY_SAYS[kind]}`, ...(matrix ? [`over ${sites} linear maps; unrelated adapters give ${formatNumber(unrelated)}`, table([['', ...names], ...names.map((name, i) => [name, ...names.map((_, j) => formatNumber(matrix.data[i * n + j]))])])] : [`not possible: ${why ?? ''}`]),
  ]);
  const groups = d.groupings.map(({ clusters, labels, silhouette }) => {
    const members = Array.from({ length: clusters }, (_, c) => names.filter((__, i) => labels[i] === c).join(' ')).join(' | '), text = silhouette && formatScore(silhouette);
    return [String(clusters), text ? `${text.value}, ${text.null}, ${text.verdict}` : 'too few adapters for a score', text ? text.n : '', members];
  });
  return [
    table([['checkpoint', `${d.model.name}, ${d.model.kind}`], ['library', d.library], ['general knowledge', SUBTRACTED[d.genKnowSub]], ['time', `${formatNumber(d.timings['total'] ?? null)} s`]]), '',
    table([['adapter', 'rank', 'parameters', 'linear maps', 'direction determined at'], ...d.adapters.map((a, i) => [a.name, String(a.rank), formatNumber(a.parameters), String(a.sites), `${d.sites.filter((_, s) => trustAt(d, s, i) === 'determined').length} of ${a.sites}`])]),
    ...matrices, ...(groups.length > 0 ? ['', `groups by ${d.by}. ${d.says}`, table([['groups', 'silhouette', 'sample', 'members'], ...groups])] : []),
    ...(d.subtraction ? ['', d.subtraction.says, table([['adapter', 'norm as it is', 'as PEFT subtracts', 'updates subtracted', 'cosine between the two'], ...d.subtraction.adapters.map((a) => [a.name, formatNumber(a.none), formatNumber(a.peft), formatNumber(a.update), formatNumber(a.cosine)])]), ...(d.subtraction.peftWhy ? [`PEFT's way: ${d.subtraction.peftWhy}`] : [])] : []),
    ...d.skipped.map(({ name, reason }) => `left out: ${name}: ${reason}`), ...d.warnings.map(({ message }) => `note: ${message}`),
  ].join('\n');
}

const SUBTRACTED: Readonly<Record<LibraryDocument['genKnowSub'], string>> = { none: 'not subtracted', peft: 'subtracted factor by factor, as PEFT does', update: 'subtracted from the updates' };

function trustAt({ facts, adapters }: LibraryDocument, site: number, adapter: number): ReturnType<typeof directionTrust> {
  const at = site * adapters.length + adapter;
  return directionTrust(facts.ratio.data[at] ?? NaN, facts.frobenius.data[at] ?? NaN);
}
