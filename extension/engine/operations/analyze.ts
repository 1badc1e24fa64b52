import { ForwardPass } from '../../probe/forward';
import { ProbeArrays } from '../../probe/arrays';
import { probeLayer, TokenRouting } from '../../probe/layerProbe';
import { type AnalysisDocument, type AnalysisHead, type LayerResult, type Notice, SCHEMA_VERSION } from '../../protocol/documents';
import type { AnalyzeOptions } from '../../protocol/engineRpc';
import { failure } from '../../protocol/errors';
import { findingOf } from '../../protocol/finding';
import { VERSION } from '../../protocol/version';
import { ablate, layerAblation } from '../analysis/ablation';
import { probeStage } from '../analysis/probeStage';
import type { AnalysisRecord, ProbeRecord, WeightsRecord } from '../analysis/records';
import { type AnalysisSession, openSession, probeTexts } from '../analysis/session';
import { weightsResult, weightsStage } from '../analysis/weightsStage';
import type { OperationContext } from '../context';
import { requireModel } from '../modelFacts';

export interface AnalyzeParams {
  readonly path: string;
  readonly options: AnalyzeOptions;
}

/** Who is told what while an analysis runs. */
export interface AnalysisListener {
  started(head: AnalysisHead): void;
  /** A layer's result so far: first from its weights, then from text. */
  layer(result: LayerResult): void;
}

/** Splits a checkpoint's FFN layers into experts and scores them against chance; finished layers come from the store. */
export async function run(params: AnalyzeParams, context: OperationContext, listener?: AnalysisListener): Promise<AnalysisDocument> {
  const start = performance.now();
  const session = await openSession(params.path, params.options, context);
  const warnings: Notice[] = [...session.warnings];
  const timings: Record<string, number> = { open: (performance.now() - start) / 1000 };
  listener?.started(session.head);
  const keep = (done: boolean): AnalysisRecord => ({ head: session.head, weightsKey: session.weightsKey, path: session.described.checkpoint.path, done, warnings, seconds: (performance.now() - start) / 1000, probe: session.plan ? probeTexts(session.plan) : null });
  noteUnkept(await session.store.putAnalysis(session.head.key, keep(false)), warnings);
  const results = new Map<number, LayerResult>();
  const publish = (result: LayerResult): void => { results.set(result.index, result); listener?.layer(result); };
  const progress = steps(session, context);

  const weightsStart = performance.now();
  const weights = await splitLayers(session, params.options.firstLayer, context, publish, progress);
  timings['weights'] = (performance.now() - weightsStart) / 1000;
  if (session.plan) {
    const probeStart = performance.now();
    const probed = await probeLayers(session, weights, context, publish, progress);
    timings['probe'] = (performance.now() - probeStart) / 1000;
    if (session.options.ablation) {
      const ablationStart = performance.now();
      await ablateLayers(session, weights, probed, context, results, publish, progress);
      timings['ablation'] = (performance.now() - ablationStart) / 1000;
    }
  }
  timings['total'] = (performance.now() - start) / 1000;
  const layers = session.options.layers.map((i) => results.get(i)).filter((r): r is LayerResult => r !== undefined);
  noteUnkept(await session.store.putAnalysis(session.head.key, keep(true)), warnings);
  return { schemaVersion: SCHEMA_VERSION, kind: 'analyze', program: { name: 'modulens', version: VERSION }, warnings, timings, ...session.head, layers, finding: findingOf(layers, session.plan !== null) };
}

type Step = (stage: string, share?: number) => void;

/** Progress over both stages; a probed layer weighs more than a split one. */
function steps(session: AnalysisSession, context: OperationContext): { readonly say: Step; readonly advance: () => void } {
  const began = performance.now(), total = session.options.layers.length * (1 + (session.plan ? 1 : 0) + (session.options.ablation && session.plan ? 1 : 0));
  let done = 0;
  const say: Step = (stage) => { context.progress({ stage, done, total, etaSeconds: done > 0 ? ((performance.now() - began) / 1000 / done) * (total - done) : null }); };
  return { say, advance: () => { done++; } };
}
type Steps = ReturnType<typeof steps>;

async function splitLayers(session: AnalysisSession, first: number | undefined, context: OperationContext, publish: (result: LayerResult) => void, progress: Steps): Promise<ReadonlyMap<number, WeightsRecord>> {
  const out = new Map<number, WeightsRecord>();
  const order = [...session.options.layers].sort((a, b) => Number(b === first) - Number(a === first) || a - b);
  for (const index of order) {
    throwIfAborted(context.signal);
    progress.say(`layer ${index}: splitting neurons by their keys`);
    const ffn = session.described.ffn.find((l) => l.index === index);
    if (!ffn) continue;
    let record = await session.store.weights(session.weightsKey, index);
    if (!record) {
      record = await weightsStage(ffn, session.options, context.signal);
      await session.store.putWeights(session.weightsKey, record);
    }
    out.set(index, record);
    publish(weightsResult(record, session.options));
    progress.advance();
  }
  return out;
}

async function probeLayers(session: AnalysisSession, weights: ReadonlyMap<number, WeightsRecord>, context: OperationContext, publish: (result: LayerResult) => void, progress: Steps): Promise<ReadonlyMap<number, ProbeRecord>> {
  const { plan, environment, options, described, store, head } = session, out = new Map<number, ProbeRecord>();
  if (!plan || !environment) return out;
  const model = requireModel(described), missing: number[] = [];
  for (const index of options.layers) {
    const record = await store.probe(head.key, index);
    if (record) { out.set(index, record); publish(record.result); progress.advance(); } else missing.push(index);
  }
  if (missing.length === 0) return out;
  const pass = new ForwardPass(model, plan.sequences, environment), routing = new TokenRouting(plan), hidden = await pass.embed(), last = missing[missing.length - 1];
  const arrays = new ProbeArrays();
  for (const block of pass.stack.blocks.slice(0, last + 1)) {
    const index = block.index, record = weights.get(index), ffn = described.ffn.find((l) => l.index === index);
    progress.say(`layer ${index}: running ${plan.facts.tokens} tokens`);
    if (!missing.includes(index) || !record || !ffn) { await pass.block(block, hidden, {}); continue; }
    const halves = await probeLayer(pass, block, hidden, routing, index === last, arrays);
    const probed = await probeStage({ model, block, ffn, weights: record, halves, arrays, plan, options, environment, signal: context.signal, say: (what) => { progress.say(`layer ${index}: ${what}`); } });
    await store.putProbe(head.key, probed);
    out.set(index, probed);
    publish(probed.result);
    progress.advance();
  }
  return out;
}

async function ablateLayers(session: AnalysisSession, weights: ReadonlyMap<number, WeightsRecord>, probed: ReadonlyMap<number, ProbeRecord>, context: OperationContext, results: ReadonlyMap<number, LayerResult>, publish: (result: LayerResult) => void, progress: Steps): Promise<void> {
  const { plan, environment, options, described, store, head } = session, model = requireModel(described);
  if (!plan || !environment || model.spec.head?.kind !== 'causal') return;
  const texts = probeTexts(plan);
  for (const [index, probe] of probed) {
    const record = weights.get(index), result = results.get(index);
    if (!record || !result) continue;
    throwIfAborted(context.signal);
    const measured = await ablate({ model, environment, weights: record, probe, texts, experts: Array.from({ length: options.experts }, (_, e) => e), seed: options.seed, progress: (done, total) => { progress.say(`layer ${index}: silencing experts and random groups, ${done} of ${total}`); } });
    for (const { detail } of measured) await store.putAblation(head.key, detail);
    const score = layerAblation(measured);
    if (score) publish({ ...result, scores: { ...result.scores, ablation: score } });
    progress.advance();
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw failure('cancelled', { what: 'The analysis' });
}
function noteUnkept(reason: string | null, warnings: Notice[]): void {
  if (reason !== null && !warnings.some((w) => w.code === 'not-kept')) warnings.push({ code: 'not-kept', message: `Results could not be kept for next time: ${reason}.` });
}
