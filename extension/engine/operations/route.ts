import { finishInTurns } from '../../numerics/steps';
import { Decoder } from '../../probe/decode';
import { blockParameters, ForwardPass } from '../../probe/forward';
import { tokensPerRun } from '../../probe/pack';
import { sequencesOf } from '../../probe/sequences';
import { type DeviceChoice, type DeviceUse, type JsonArray, type Notice, SCHEMA_VERSION } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { RouteDocument, RouteRequest, RoutingResult, RoutingSlice, RoutingSummary, RoutingTrace, TrainedVersusKeys } from '../../protocol/routing';
import { VERSION } from '../../protocol/version';
import { compareSteps } from '../../routing/compareTraces';
import { LiveRouting, routePass } from '../../routing/runRouter';
import { summarySteps } from '../../routing/summary';
import { sliceOf } from '../../routing/trace';
import { trainedVersusKeys } from '../../routing/trainedRouter';
import type { OperationContext } from '../context';
import { keepTrace, keptRequest, keptTrace } from '../routing/keptTraces';
import { headOf, isCausal, type OpenRouting, openRouting } from '../routing/openRouting';
import { runtimeHost } from '../runtimeHost';

/** A trace and how it came about. */
export interface Routed {
  readonly trace: RoutingTrace;
  readonly device: DeviceUse;
  readonly warnings: readonly Notice[];
  readonly seconds: number;
}

/** Routes the texts of a request, all of them anew. */
export async function route(request: RouteRequest, context: OperationContext, device?: DeviceChoice): Promise<Routed> {
  const began = performance.now();
  context.progress({ stage: 'opening', done: 0, total: 1, etaSeconds: null });
  const open = await openRouting(request, context), { head, ids, warnings } = headOf(open, request);
  const { use, forward } = await runtimeHost.environment(device, context);
  const pass = new ForwardPass(open.model, ids.filter((row) => row.length > 0), forward, open.router.attached);
  const arrays = await routePass(pass, open.router, (done, total) => { context.progress({ stage: `routing ${head.tokens.length} tokens`, done, total, etaSeconds: null }); });
  return { trace: arrays.finish(head), device: use, warnings: [...open.described.checkpoint.warnings, ...warnings], seconds: (performance.now() - began) / 1000 };
}

/** For pages and editors: the trace stays here, its numbers are asked for in slices. */
export async function run({ request }: { readonly request: RouteRequest }, context: OperationContext): Promise<RoutingResult> {
  const { trace, ...rest } = await route(request, context);
  return { ...rest, key: keepTrace(trace, request), head: headAlone(trace), reused: 0 };
}

/** A text that is being written. */
interface LiveText {
  readonly open: OpenRouting;
  readonly live: LiveRouting;
  key: string | undefined;
  /** Calls on one text follow each other. */
  turn: Promise<unknown>;
}

const live = new Map<string, LiveText>();
/** Texts whose keys and values are kept, and their bytes; the least recent ones are computed anew. */
const LIVE_TEXTS = 24;
const LIVE_BYTES = 256 << 20;

/** Routes one text again after an edit; an unchanged beginning is not computed again where the model is causal. */
export async function update({ session, request }: { readonly session: string; readonly request: RouteRequest }, context: OperationContext): Promise<RoutingResult> {
  if (request.texts.length !== 1) throw new RangeError(`${request.texts.length} texts in an update of one`);
  const began = performance.now(), open = await openRouting(request, context);
  if (!isCausal(open.model)) return run({ request }, context);
  const { head, ids, warnings } = headOf(open, request), { use, forward } = await runtimeHost.environment(undefined, context);
  let text = live.get(session);
  if (text?.open.router !== open.router) text = { open, key: undefined, turn: Promise.resolve(), live: new LiveRouting(new Decoder(open.model, forward, open.router.attached), open.router, tokensPerRun(blockParameters(open.model.spec.stacks[0].blocks[0]))) };
  live.delete(session);
  live.set(session, text);
  const turn = text.turn.then(() => { context.signal.throwIfAborted(); return text.live.update(ids[0], forward); });
  text.turn = turn.catch(() => undefined);
  const { arrays, reused } = await turn;
  const trace = arrays.finish(head);
  text.key = keepTrace(trace, request, text.key);
  forgetOld();
  return { key: text.key, head: headAlone(trace), device: use, warnings, seconds: (performance.now() - began) / 1000, reused };
}

function forgetOld(): void {
  let bytes = [...live.values()].reduce((sum, text) => sum + text.live.bytes, 0);
  for (const [session, text] of live) {
    if (live.size <= LIVE_TEXTS && bytes <= LIVE_BYTES) return;
    live.delete(session);
    bytes -= text.live.bytes;
  }
}

export function slice({ key, from, to, firstToken }: { readonly key: string; readonly from: number; readonly to: number; readonly firstToken?: number }): RoutingSlice {
  return sliceOf(keptTrace(key), from, to, firstToken);
}

export function summary({ key }: { readonly key: string }, context: OperationContext): Promise<RoutingSummary> {
  return finishInTurns(summarySteps(keptTrace(key), 0), context.signal);
}

/** Compares the own router of a kept trace's model with avg-k over its experts' keys. */
export async function trained({ key }: { readonly key: string }, context: OperationContext): Promise<{ readonly sites: readonly TrainedVersusKeys[] }> {
  return { sites: await compareKeys(keptRequest(key), context) };
}

async function compareKeys(request: RouteRequest, context: OperationContext, device?: DeviceChoice): Promise<readonly TrainedVersusKeys[]> {
  const open = await openRouting({ path: request.path, texts: request.texts, router: 'native', ...(request.layers === undefined ? {} : { layers: request.layers }), ...(request.seed === undefined ? {} : { seed: request.seed }) }, context), { ids } = sequencesOf(request.texts.map(({ text }) => text), open.tokenizer, open.model.spec.stacks[0].context), { forward } = await runtimeHost.environment(device, context);
  return trainedVersusKeys(open.model, new ForwardPass(open.model, ids, forward), open.router.sites.map((site) => site.layer), request.seed ?? 0);
}

/** `modulens route`: the trace and its summary as one document. */
export async function routeDocument(request: RouteRequest, context: OperationContext, device?: DeviceChoice, more: { readonly withKeys?: boolean; readonly against?: RouteRequest } = {}): Promise<RouteDocument> {
  const routed = await route(request, context, device), document = await documentOf(routed, request.seed ?? 0, context);
  return {
    ...document, ...(more.withKeys ? { trained: await compareKeys(request, context, device) } : {}),
    ...(more.against ? { comparison: await comparisonOf(routed, await route(more.against, context, device), request.seed ?? 0, context) } : {}),
  };
}

async function comparisonOf({ trace }: Routed, second: Routed, seed: number, context: OperationContext): Promise<RouteDocument['comparison']> {
  const { divergences, firsts: _, ...rest } = await finishInTurns(compareSteps(trace, second.trace, seed), context.signal);
  return { ...rest, divergences: jsonArray(divergences, 'float32', [trace.tokens.length, rest.sites.length]) };
}

/** A trace as a document, with its summary. */
export async function documentOf({ trace, device: use, warnings, seconds }: Routed, seed: number, context: OperationContext): Promise<RouteDocument> {
  const { tokens, sites, slots } = trace, cells = [tokens.length, sites.length];
  const found = await finishInTurns(summarySteps(trace, seed), context.signal);
  return {
    schemaVersion: SCHEMA_VERSION, kind: 'route', program: { name: 'modulens', version: VERSION }, warnings, timings: { total: seconds }, device: use, seed, ...headAlone(trace),
    ids: jsonArray(trace.ids, 'uint16', [...cells, slots]), weights: jsonArray(trace.weights, 'float32', [...cells, slots]), logits: trace.logits && jsonArray(trace.logits, 'float32', [...cells, slots]),
    margins: jsonArray(trace.margins, 'float32', cells), choiceMargins: jsonArray(trace.choiceMargins, 'float32', cells), entropies: jsonArray(trace.entropies, 'float32', cells), norms: trace.norms && jsonArray(trace.norms, 'float32', cells),
    meanWeights: jsonArray(trace.meanWeights, 'float32', [trace.meanWeights.length]), summary: found,
  };
}

function headAlone(trace: RoutingTrace): RoutingResult['head'] {
  const { schema, model, tokenizer, router, composition, granularity, provenance, causal, whatIf, records, tokens, sites, slots } = trace;
  return { schema, model, tokenizer, router, composition, granularity, provenance, causal, ...(whatIf ? { whatIf } : {}), records, tokens, sites, slots };
}

/** Single precision keeps no more than nine digits. */
function jsonArray(values: Float32Array | Uint16Array, dtype: string, shape: readonly number[]): JsonArray {
  let lost = false;
  const data = Array.from(values, (x) => { if (Number.isFinite(x)) return dtype === 'float32' ? Number(x.toPrecision(9)) : x; lost = true; return null; });
  return { dtype, shape, data, ...(lost ? { why: 'null: all experts are chosen, or the router gives no score or no weight there' } : {}) };
}

/** Reads `--text` into a request's texts. */
export function textsOf(texts: readonly { readonly text: string; readonly label: string | null }[]): RouteRequest['texts'] {
  if (texts.every(({ text }) => text.trim() === '')) throw failure('routing/empty', {});
  return texts.map(({ text, label }) => ({ text, ...(label === null ? {} : { label }) }));
}
