import path from 'node:path';
import { routerOnly, type RouterOnlySite } from '../../architecture/routerOnly';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { readTensor } from '../../checkpoint/readTensor';
import type { Checkpoint, TensorInfo } from '../../checkpoint/types';
import { readTexts } from '../../probe/texts';
import { openTokenizer } from '../../probe/tokenizer';
import type { Notice } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { RouteDocument, RoutingHead, RoutingRecord, RoutingToken } from '../../protocol/routing';
import { placeTokens } from '../../routing/placeTokens';
import { describeAlone, ROUTER_ONLY, routeAlone } from '../../routing/routerOnly';
import { slotsOf, TraceArrays } from '../../routing/trace';
import { parseLayers } from '../analysis/options';
import type { OperationContext } from '../context';
import { describeModel } from '../modelFacts';
import { documentOf } from './route';

export interface RouteHidden {
  readonly path: string;
  /** .safetensors: for each site that is routed, under its id, what its router reads `[tokens, width]`. */
  readonly hidden: string;
  readonly text?: string;
  readonly layers?: string;
  readonly seed: number;
}

/** The routers of a model whose attention is not built, on hidden states that other software recorded. @throws routing/hidden, routing/no-router */
export async function run({ path: target, hidden, text, layers, seed }: RouteHidden, context: OperationContext): Promise<RouteDocument> {
  const began = performance.now(), described = await describeModel(await openCheckpoint(target)), { checkpoint, facts } = described;
  const found = routerOnly(checkpoint);
  if (!found) throw failure('routing/no-router', { path: target, router: 'native', reason: described.model ? 'its whole forward pass is built, so that no hidden states are needed. Leave out --hidden' : `it is no family whose routers alone are built (${facts.family ?? 'unknown'})` });
  const states = await openCheckpoint(path.resolve(hidden)), chosen = chosenSites(found.sites, states, hidden, layers), tokens = states.tensors.get(chosen[0].id)?.shape[0] ?? 0;
  const placed = await placesOf(tokens, states, hidden, text, checkpoint);
  const sites = chosen.map(describeAlone), arrays = new TraceArrays(tokens, sites), starts = new Set(placed.records.map(({ from }) => from));
  const warnings: Notice[] = [{ code: 'routing/router-only', message: `Computed on hidden states from ${path.basename(hidden)}; ${ROUTER_ONLY}.` }, ...placed.warnings];
  for (const [site, one] of chosen.entries()) {
    context.signal.throwIfAborted();
    context.progress({ stage: 'routing hidden states', done: site, total: chosen.length, etaSeconds: null });
    const { logits, weights, overflown } = await routeAlone(checkpoint, one, await readTensor(states.tensors.get(one.id) as TensorInfo), starts);
    arrays.put(0, tokens, { site, weights, logits });
    if (overflown > 0) warnings.push({ code: 'routing/capacity', message: `${one.id}: ${overflown} of ${tokens} tokens came after their expert was full (${one.capacity} tokens of a text) and got none.` });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const head: RoutingHead = {
    schema: 'modulens-routing-1', model: { hash: facts.fingerprint, kind: facts.family ?? 'unknown', name: facts.name }, tokenizer: placed.tokenizer,
    router: 'native', composition: 'none', granularity: 'token', provenance: 'router-only', causal: sites.every(({ module }) => !module.startsWith('encoder.')), records: placed.records, tokens: placed.tokens, sites, slots: slotsOf(sites),
  };
  return documentOf({ trace: arrays.finish(head), device: { requested: context.settings.device, used: null, reason: 'routers alone were computed, without a runtime' }, warnings, seconds: (performance.now() - began) / 1000 }, seed, context);
}

/** Sites that the file holds states for. */
function chosenSites(sites: readonly RouterOnlySite[], states: Checkpoint, file: string, layers: string | undefined): readonly RouterOnlySite[] {
  const refuse = (reason: string): never => { throw failure('routing/hidden', { file, reason }); };
  const unknown = [...states.tensors.keys()].find((name) => !sites.some(({ id }) => id === name));
  if (unknown !== undefined) refuse(`it holds "${unknown.slice(0, 80)}", which is no site of this checkpoint. Its sites are ${listed(sites)}`);
  const wanted = new Set(parseLayers(layers, [...new Set(sites.map(({ layer }) => layer))])), chosen = sites.filter(({ id, layer }) => states.tensors.has(id) && wanted.has(layer));
  if (chosen.length === 0) refuse(`it holds hidden states of none of the sites asked for. The checkpoint\u2019s sites are ${listed(sites)}`);
  let first: { readonly id: string; readonly tokens: number } | null = null;
  for (const { id, width } of chosen) {
    const { shape } = states.tensors.get(id) as TensorInfo;
    if (shape.length !== 2 || shape[1] !== width || shape[0] === 0) refuse(`${id} has the shape [${shape.join(', ')}], and its router reads [tokens, ${width}]`);
    first ??= { id, tokens: shape[0] };
    if (shape[0] !== first.tokens) refuse(`${id} has ${shape[0]} tokens and ${first.id} has ${first.tokens}. Keep sites of different texts (encoder and decoder) in files of their own`);
  }
  return chosen;
}

function listed(sites: readonly RouterOnlySite[]): string {
  return sites.length <= 8 ? sites.map(({ id }) => id).join(', ') : `${sites.slice(0, 8).map(({ id }) => id).join(', ')} and ${sites.length - 8} more`;
}

interface Places {
  readonly records: readonly RoutingRecord[];
  readonly tokens: readonly RoutingToken[];
  readonly tokenizer: RoutingHead['tokenizer'];
  readonly warnings: readonly Notice[];
}

/** Tokens of the text where one is given; else numbered ones, in texts as long as the file's `tokensPerText` says. */
async function placesOf(count: number, states: Checkpoint, file: string, text: string | undefined, { folder }: Checkpoint): Promise<Places> {
  if (text !== undefined) {
    const tokenizer = await openTokenizer(folder);
    if (!tokenizer) throw failure('probe/no-tokenizer', { path: folder });
    const placed = placeTokens((await readTexts(text)).texts, tokenizer, Infinity);
    if (placed.tokens.length !== count) throw failure('routing/hidden', { file, reason: `it holds ${count} tokens and the text has ${placed.tokens.length} with this checkpoint\u2019s tokenizer. Record the hidden states of this text` });
    return { ...placed, tokenizer: { hash: tokenizer.hash } };
  }
  const lengths = lengthsOf(states.metadata.get('tokensPerText'), count, file), records: RoutingRecord[] = [], tokens: RoutingToken[] = [];
  for (const length of lengths) {
    const from = tokens.length;
    let at = 0;
    for (let t = 0; t < length; t++) {
      const name = `#${from + t}`;
      tokens.push({ id: from + t, text: name, record: records.length, start: at, end: (at += name.length), special: false });
    }
    records.push({ from, to: from + length, label: null, cut: 0 });
  }
  return { records, tokens, tokenizer: null, warnings: [] };
}

function lengthsOf(value: string | undefined, count: number, file: string): readonly number[] {
  if (value === undefined) return [count];
  let parsed: unknown = null;
  try { parsed = JSON.parse(value); } catch { /* said below */ }
  const lengths = Array.isArray(parsed) ? parsed.map((n: unknown) => (typeof n === 'number' && Number.isInteger(n) && n > 0 ? n : NaN)) : [NaN];
  if (lengths.reduce((sum, n) => sum + n, 0) !== count) throw failure('routing/hidden', { file, reason: `its tokensPerText is ${value.slice(0, 60)}, which does not add up to its ${count} tokens. Write the number of tokens of each text as a JSON list` });
  return lengths;
}
