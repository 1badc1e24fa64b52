import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { openTokenizer } from '../../probe/tokenizer';
import { readTexts } from '../../probe/texts';
import { failure } from '../../protocol/errors';
import type { RouteDocument, RoutingHead, RoutingToken } from '../../protocol/routing';
import { readImported, type ImportedRouting } from '../../routing/imported';
import { placeTokens } from '../../routing/placeTokens';
import { slotsOf, TraceArrays } from '../../routing/trace';
import type { OperationContext } from '../context';
import { describeModel } from '../modelFacts';
import { isCausal } from '../routing/openRouting';
import { documentOf } from './route';

/** A trace that another program made, as one of ours: with the text that it was made on, its tokens find their place in it. */
export async function run(params: { readonly path: string; readonly trace: string; readonly text?: string; readonly seed: number }, context: OperationContext): Promise<RouteDocument> {
  const began = performance.now(), imported = await readImported(params.trace), { tokens: count, sites, k, ids, weights } = imported;
  const described = await describeModel(await openCheckpoint(params.path)), tokenizer = await openTokenizer(described.checkpoint.folder);
  const texts = params.text === undefined ? null : (await readTexts(params.text)).texts;
  let records: RoutingHead['records'] = [{ from: 0, to: count, label: null, cut: 0 }], tokens: RoutingHead['tokens'] = namedTokens(imported);
  if (texts) {
    if (!tokenizer) throw failure('probe/no-tokenizer', { path: described.checkpoint.folder });
    const placed = placeTokens(texts, tokenizer, Infinity);
    if (placed.tokens.length !== count) throw failure('routing/import', { file: params.trace, reason: `it routes ${count} tokens and the text has ${placed.tokens.length} with this checkpoint\u2019s tokenizer` });
    ({ tokens, records } = placed);
  }
  const arrays = new TraceArrays(count, sites), E = sites[0].E;
  for (let site = 0; site < sites.length; site++) {
    const dense = new Float32Array(count * E);
    for (let t = 0; t < count; t++) for (let i = 0; i < k; i++) { const at = (t * sites.length + site) * k + i; dense[t * E + ids[at]] = weights ? weights[at] : 1; }
    arrays.put(0, count, { site, weights: dense, logits: null });
  }
  const head: RoutingHead = {
    schema: 'modulens-routing-1', model: { hash: described.facts.fingerprint, kind: described.facts.family ?? 'unknown', name: described.facts.name }, tokenizer: tokenizer && { hash: tokenizer.hash },
    router: 'imported', composition: 'outputs', granularity: 'token', provenance: 'imported', causal: described.model !== null && isCausal(described.model), records, tokens, sites, slots: slotsOf(sites),
  };
  return documentOf({ trace: arrays.finish(head), device: { requested: context.settings.device, used: null, reason: 'nothing was run: the trace was imported' }, warnings: [], seconds: (performance.now() - began) / 1000 }, params.seed, context);
}

/** Tokens of a trace without its text: those that the file names, one after the other. */
function namedTokens({ tokens, texts }: ImportedRouting): RoutingToken[] {
  let at = 0;
  return Array.from({ length: tokens }, (_, t) => {
    const text = texts?.[t] ?? `#${t}`, start = at;
    at += Math.max(1, text.length);
    return { id: t, text, record: 0, start, end: at, special: false };
  });
}
