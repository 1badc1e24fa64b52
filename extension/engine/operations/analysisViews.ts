import { bindModel } from '../../architecture/resolve';
import { type FfnWeights, ffnWeightsOf, readKeys, recogniseFfn } from '../../architecture/ffnWeights';
import { writeFileAtomic } from '../../checkpoint/atomicFile';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { Checkpoint } from '../../checkpoint/types';
import { takeRows } from '../../numerics/rows';
import { openTokenizer } from '../../probe/tokenizer';
import { type AblationDetail, type AnalysisDocument, type ExpertDetail, type HeatmapTile, type LayerPicture, type LayerResult, SCHEMA_VERSION } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import { findingOf } from '../../protocol/finding';
import { VERSION } from '../../protocol/version';
import { analysisReport } from '../../report/analysisReport';
import { ablate } from '../analysis/ablation';
import { standardisedActivity } from '../analysis/activityBits';
import { expertDetail } from '../analysis/detail';
import { mapOrder, pictureOf, tileOf, type TileRequest } from '../analysis/pictures';
import type { AnalysisRecord, ProbeRecord, WeightsRecord } from '../analysis/records';
import { analysisStore } from '../analysis/session';
import { weightsResult } from '../analysis/weightsStage';
import type { OperationContext } from '../context';
import { runtimeHost } from '../runtimeHost';

/** Everything stored of a layer. */
interface StoredLayer {
  readonly record: AnalysisRecord;
  readonly weights: WeightsRecord;
  readonly probe: ProbeRecord | null;
}

/** Layers that were looked at last: pages ask for many tiles of one layer. */
const KEPT_LAYERS = 4;
const kept = new Map<string, Promise<StoredLayer>>();

async function layerOf(key: string, layer: number, context: OperationContext): Promise<StoredLayer> {
  const store = analysisStore(context), id = `${context.settings.cacheDir}|${key}|${layer}`;
  const known = await kept.get(id)?.catch(() => undefined);
  // A layer that was looked at before its text had run is read again.
  if (known && (known.probe || !known.record.head.probe)) return known;
  const read = (async (): Promise<StoredLayer> => {
    const record = await store.analysis(key);
    if (!record) throw failure('analysis/no-result', { key });
    const weights = await store.weights(record.weightsKey, layer);
    if (!weights) throw failure('analysis/not-computed', { layer });
    return { record, weights, probe: (await store.probe(key, layer)) ?? null };
  })();
  kept.set(id, read);
  for (const old of kept.keys()) { if (kept.size <= KEPT_LAYERS) break; kept.delete(old); }
  read.catch(() => kept.delete(id));
  return read;
}

export async function picture(params: { readonly key: string; readonly layer: number }, context: OperationContext): Promise<LayerPicture> {
  const { record, weights, probe } = await layerOf(params.key, params.layer, context);
  return pictureOf(weights, probe, record.head.experts);
}

/** Colour limits and unit keys of layers, so that all tiles of a layer agree. */
const limits = new Map<string, number>();
const keyRows = new Map<string, Promise<Float32Array>>();

export async function tile(params: TileRequest & { readonly key: string; readonly layer: number }, context: OperationContext): Promise<HeatmapTile> {
  const { record, weights, probe } = await layerOf(params.key, params.layer, context);
  const matrix = probe?.matrix ?? weights.similarity, labels = probe?.labels ?? weights.labels;
  const order = mapOrder(labels, probe?.meanOutput ?? weights.norms), centre = matrix.raw[0] - matrix.excess[0];
  let vectors: (neurons: Int32Array) => { readonly data: Float32Array; readonly width: number };
  if (probe) vectors = (neurons) => ({ data: standardisedActivity(probe.bits, probe.tokens, neurons), width: probe.tokens });
  else {
    const rows = await unitRows(record, params.layer), width = rows.length / labels.length;
    vectors = (neurons) => ({ data: takeRows(rows, width, neurons), width });
  }
  const limitKey = `${params.key}|${params.layer}|${params.kind}|${probe ? 'probe' : 'weights'}`;
  let limit = limits.get(limitKey);
  if (limit === undefined) {
    const whole = tileOf(params.layer, { kind: params.kind, rows: [0, order.length], columns: [0, order.length], width: LIMIT_CELLS, height: LIMIT_CELLS }, order, vectors, centre, null);
    limits.set(limitKey, (limit = whole.limit));
  }
  return tileOf(params.layer, params, order, vectors, centre, limit);
}

/** Cells of the overview from which a layer's colour limit is taken. */
const LIMIT_CELLS = 192;

function unitRows(record: AnalysisRecord, layer: number): Promise<Float32Array> {
  const id = `${record.head.model.fingerprint}|${layer}`;
  let rows = keyRows.get(id);
  if (!rows) {
    rows = openCheckpoint(record.path).then(async (checkpoint) => {
      const ffn = ffnOf(checkpoint).find((l) => l.index === layer);
      if (!ffn) throw failure('analysis/no-ffn', { path: record.path });
      const keys = await readKeys(ffn), unit = new Float32Array(keys.length);
      for (let i = 0; i < ffn.dFf; i++) {
        const row = keys.subarray(i * ffn.dModel, (i + 1) * ffn.dModel), norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
        if (norm > 0) for (let c = 0; c < ffn.dModel; c++) unit[i * ffn.dModel + c] = row[c] / norm;
      }
      return unit;
    });
    keyRows.clear();
    keyRows.set(id, rows);
    rows.catch(() => keyRows.delete(id));
  }
  return rows;
}

function ffnOf(checkpoint: Checkpoint): readonly FfnWeights[] {
  try {
    return ffnWeightsOf(bindModel(checkpoint));
  } catch {
    return recogniseFfn(checkpoint);
  }
}

export async function expert(params: { readonly key: string; readonly layer: number; readonly expert: number }, context: OperationContext): Promise<ExpertDetail> {
  const { record, weights, probe } = await layerOf(params.key, params.layer, context);
  const checkpoint = probe ? await openCheckpoint(record.path) : null;
  return expertDetail({ record, weights, probe, expert: params.expert, model: checkpoint ? bindModel(checkpoint) : null, tokenizer: checkpoint ? await openTokenizer(checkpoint.folder) : null });
}

export async function ablation(params: { readonly key: string; readonly layer: number; readonly expert: number }, context: OperationContext): Promise<AblationDetail> {
  const store = analysisStore(context), done = await store.ablation(params.key, params.layer, params.expert);
  if (done) return done;
  const { record, weights, probe } = await layerOf(params.key, params.layer, context);
  if (!probe || !record.probe) throw failure('analysis/needs-probe', { what: 'Ablation' });
  const model = bindModel(await openCheckpoint(record.path));
  if (model.spec.head?.kind !== 'causal') throw failure('evaluate/no-head', { path: record.path });
  const { forward } = await runtimeHost.environment(record.head.device.requested, context), began = performance.now();
  const [measured] = await ablate({
    model, environment: forward, weights, probe, texts: record.probe, experts: [params.expert], seed: record.head.seed,
    progress: (step, total) => { context.progress({ stage: `silencing expert ${params.expert} and random groups`, done: step, total, etaSeconds: ((performance.now() - began) / 1000 / step) * (total - step) }); },
  });
  await store.putAblation(params.key, measured.detail);
  return measured.detail;
}

/** The document of a stored analysis, as complete as it got. */
export async function documentOf(key: string, context: OperationContext): Promise<AnalysisDocument> {
  const store = analysisStore(context), record = await store.analysis(key);
  if (!record) throw failure('analysis/no-result', { key });
  const { head } = record, layers: LayerResult[] = [];
  for (const index of head.layerIndices) {
    const weights = await store.weights(record.weightsKey, index), probe = await store.probe(key, index);
    if (probe) layers.push(probe.result);
    else if (weights) layers.push(weightsResult(weights, { method: head.method, experts: head.experts, topK: head.topK, layers: head.layerIndices, seed: head.seed, ablation: false }));
  }
  return { schemaVersion: SCHEMA_VERSION, kind: 'analyze', program: { name: 'modulens', version: VERSION }, warnings: record.warnings, timings: { total: record.seconds }, ...head, layers, finding: findingOf(layers, head.probe !== null) };
}

export async function html(params: { readonly key: string; readonly out: string }, context: OperationContext): Promise<{ file: string }> {
  await writeFileAtomic(params.out, analysisReport(await documentOf(params.key, context)));
  return { file: params.out };
}
