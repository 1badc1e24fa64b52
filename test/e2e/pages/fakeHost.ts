import type { RoutingVariant, WeightSemantics } from '../../../extension/protocol/routing';
import type { HostMessage, PageMessage } from '../../../extension/protocol/pageMessages';
import { EIGHT_LABELS, inventedAblation, inventedDocument, inventedExpert, inventedHead, inventedLayer, inventedPicture, inventedTile } from './inventedAnalysis';
import type { InventedOptions } from './inventedAnalysis';
import type { InventedTrace } from './inventedRouting';
import { inventedLibrary, inventedOverlaps } from './inventedLibrary';
import { inventedComparison, inventedEdit, inventedTrained, inventedTrace, inventedWhatIf } from './inventedRouting';
import { inventedInspectDocument, inventedMergePlan, type MergeCase } from './inventedMerge';
import { inventedInspect, inventedStatistics, inventedTensorTile } from './inventedTensors';
import { inventedPlan, inventedRequest, inventedTransfer, type TransferCase } from './inventedTransfer';

/**
 * Stands where VS Code would: `acquireVsCodeApi`, the theme on `html` and `body`, answers to the page's calls from
 * INVENTED data. Loaded before a page's bundle; the address says which state, theme and sizes.
 */
const query = new URLSearchParams(location.search);
const number = (name: string, usual: number): number => Number(query.get(name) ?? usual);
const state = query.get('state') ?? 'normal';
const labelCount = number('labels', 8);
const options: InventedOptions = {
  layers: number('layers', 12), experts: number('experts', 16), dFf: number('dff', 3072), probe: state !== 'weights',
  labels: labelCount <= 8 ? EIGHT_LABELS.slice(0, labelCount) : Array.from({ length: labelCount }, (_, i) => `${EIGHT_LABELS[i % 8]} ${i}`),
};
const sent: PageMessage[] = [];
let kept: unknown = query.has('layer') ? { layer: number('layer', 7), expert: query.has('expert') ? number('expert', 4) : null, map: query.get('map') ?? 'excess' } : undefined;
const delay = number('delay', 0);

let trace: InventedTrace | null = null;
let sliceDelay = 0;

const post = (message: HostMessage): void => {
  setTimeout(() => window.postMessage(message, '*'), delay);
};

/** The routing page's beginning: cases normal, sites, large, running, error, stale, nolabels. */
function greetRouting(): void {
  const empty = state === 'running' || state === 'error' || state === 'starting';
  const kind = query.get('kind') === 'sites' ? 'sites' : query.get('kind') === 'large' ? 'large' : 'layers';
  trace = empty ? null : inventedTrace({ kind, labels: state !== 'nolabels', native: query.has('native'), semantics: (query.get('semantics') ?? undefined) as WeightSemantics | undefined });
  post({
    type: 'routing/state', source: 'five-kinds.jsonl', model: kind === 'sites' ? 'invented-numbers + 6 LoRA adapters' : 'invented-numbers', result: trace?.result ?? null, summary: trace?.summary ?? null, texts: trace?.texts ?? [], modules: kind === 'sites' ? '/invented/loras' : null, stale: state === 'stale',
    state: state === 'running' ? 'running' : state === 'starting' ? 'starting' : state === 'error' ? 'failed' : 'done',
    error: state === 'error' ? { code: 'routing/library', args: {}, exit: 3, message: 'invented/loras cannot be routed: adapter “chat” was trained on a base of width 1 024 and this one has 768. Choose the base that the adapters name in adapter_config.json, or leave the adapter out.' } : null,
  });
  if (state === 'running') post({ type: 'analysis/progress', progress: { stage: 'layer 5: routing 228 tokens', done: 5, total: 12, etaSeconds: 3 } });
  const split = trace?.result.head.tokens.findIndex((token) => token.text === 'split') ?? -1;
  if (trace && query.get('locked') !== 'no') post({ type: 'routing/selection', selection: { token: split >= 0 ? split : 57, site: kind === 'sites' ? 18 : kind === 'large' ? 100 : 7, expert: null, locked: true, pinned: query.has('pins') ? [12, 90] : [] } });
}

/** As when somebody types in the editor: what is shown is stale first, then a new trace takes its place; its numbers come after `wait`. */
function editText(step: 'typed' | 'routed', wait: number): void {
  if (!trace) return;
  const before = trace.result.head;
  const at = before.tokens.findIndex((token) => token.text === ' value');
  sliceDelay = wait;
  if (step === 'routed') trace = inventedEdit(trace);
  post({ type: 'routing/state', source: 'five-kinds.jsonl', model: 'invented-numbers', result: trace.result, summary: trace.summary, texts: trace.texts, stale: step === 'typed', staleTokens: step === 'typed' ? [[at, before.records[1].to]] : [], state: 'done', error: null });
}

/** The transfer page's beginning: states plan, planning, running, cancelled, failed, noplan, report; `case` says of what kind. */
function greetTransfer(): void {
  const which = (query.get('case') ?? 'helps') as TransferCase;
  const step = state === 'report' ? 'done' : state === 'noplan' ? 'failed' : state === 'normal' ? 'plan' : (state as 'plan' | 'planning' | 'running' | 'cancelled' | 'failed');
  const document = step === 'done' ? inventedTransfer(which) : null;
  const message = state === 'noplan' ? 'manual-lora cannot be carried with the method copy: invented-12l and invented-8l have different widths (320 and 256). Choose activation transport, or a target of equal shape.' : 'The engine stopped while fitting the maps of blocks.3.ffn. It was killed from outside (SIGKILL), usually because memory ran out. Close what uses memory and run it again.';
  post({ type: 'transfer/state', state: {
    step, request: inventedRequest(which), out: document?.out ?? null, suggestedOut: '/invented/modules/manual-lora-on-invented-8l', plan: document || state === 'planning' || state === 'noplan' ? null : inventedPlan(which), document,
    error: step === 'failed' ? { code: state === 'noplan' ? 'transfer/unsupported' : 'engine/stopped', args: {}, exit: 1, message } : null,
  } });
  if (step === 'running') post({ type: 'analysis/progress', progress: { stage: 'layer 3 of 8: fitting maps', done: 3, total: 8, etaSeconds: 22 } });
}

/** The merge page's beginning: states reading, cancelled, failed, plan, recipe, normal; `case` says of what kind. */
function greetMerge(): void {
  const which = (query.get('case') ?? 'usual') as MergeCase, isRecipe = state === 'plan' || state === 'recipe';
  const document = ['reading', 'cancelled', 'failed', 'plan'].includes(state) ? null : inventedInspectDocument(which);
  post({ type: 'merge/state', state: {
    step: state === 'reading' || state === 'cancelled' || state === 'failed' ? state : 'done', recipe: isRecipe ? 'merge-ties.yml' : null, plan: isRecipe ? inventedMergePlan() : null,
    models: document?.models.map(({ path }) => path) ?? ['/invented/code', '/invented/manual'], base: document?.base?.path ?? null, document, note: state === 'plan' ? 'This recipe has a single model, so there is nothing to compare.' : null,
    error: state === 'failed' ? { code: 'merge/not-finite', args: {}, exit: 3, message: 'Tensor "model.layers.3.mlp.up_proj.weight" in /invented/manual/model.safetensors holds NaN. Nothing was written. Repair or leave out that model.' } : null,
  } });
  if (state === 'reading') post({ type: 'analysis/progress', progress: { stage: 'comparing layer 3', done: 12_000_000, total: 48_160_000, etaSeconds: 4 } });
}

function greet(): void {
  if (document.body.dataset['page'] === 'merge') {
    greetMerge();
    return;
  }
  if (document.body.dataset['page'] === 'transfer') {
    greetTransfer();
    return;
  }
  if (document.body.dataset['page'] === 'routing') {
    greetRouting();
    return;
  }
  if (document.body.dataset['page'] === 'tensors') {
    const count = number('tensors', 197187);
    post({ type: 'tensors/state', document: state === 'error' ? null : inventedInspect(count), error: state === 'error' ? { code: 'checkpoint/truncated', args: {}, exit: 3, message: 'model.safetensors is cut off: its header describes 106 GB and the file has 68.8 GB. The first tensor past the end is model.layers.17.mlp.experts.1.gate_proj.weight. Download the file again.' } : null });
    return;
  }
  const whole = inventedDocument(options);
  const done = state === 'running' ? Math.min(5, options.layers - 1) : state === 'error' ? Math.min(3, options.layers - 1) : options.layers;
  const layers = Array.from({ length: done }, (_, i) => inventedLayer(options, i));
  const finished = done === options.layers;
  post({
    type: 'analysis/state', name: 'invented-numbers', head: state === 'starting' ? null : inventedHead(options), layers: state === 'starting' ? [] : layers, document: finished && state !== 'starting' ? whole : null, selection: null,
    state: state === 'running' ? 'running' : state === 'starting' ? 'starting' : state === 'error' ? 'failed' : state === 'cancelled' ? 'cancelled' : 'done',
    error: state === 'error' ? { code: 'runtime/out-of-memory', args: {}, exit: 1, message: 'The engine stopped while loading the weights of layer 3 of invented-numbers. The graphics driver had 212 MB left and the layer needs 340 MB (d_ff 3 072, F32, with co-activation counts). Go on from layer 3 on the CPU, or close what uses the graphics memory and try again.' } : null,
  });
  if (state === 'running') post({ type: 'analysis/progress', progress: { stage: `layer ${done}: shuffling tokens, 120 of 200`, done: done + 0.6, total: options.layers, etaSeconds: 7 } });
}

function answer(method: string, raw: unknown): unknown {
  const p = raw as { from: number; to: number; firstToken?: number; site: string; with: RoutingVariant; layer: number; expert: number; kind: 'excess' | 'raw'; rows: [number, number]; columns: [number, number]; width: number; height: number; names: string[]; name: string };
  switch (method) {
    case 'analysis/picture':
      return inventedPicture(options, p.layer);
    case 'analysis/tile':
      return inventedTile(options, p.layer, p.kind, p.rows, p.columns, p.width, p.height);
    case 'analysis/expert':
      return inventedExpert(options, p.layer, p.expert);
    case 'analysis/ablation':
      return inventedAblation(options, p.layer, p.expert);
    case 'routing/slice':
      return trace?.slice(p.from, p.to, p.firstToken);
    case 'routing/library':
      return trace && inventedLibrary(trace.result.head);
    case 'routing/libraryOverlaps':
      return trace && inventedOverlaps(inventedLibrary(trace.result.head), p.site);
    case 'routing/compare':
      return trace && inventedComparison(trace, p.with.router);
    case 'routing/trained':
      return { sites: inventedTrained(12) };
    case 'tensors/statistics':
      return p.names.map((name) => inventedStatistics(name));
    default:
      return inventedTensorTile(p.name, p.width, p.height);
  }
}

Object.assign(window, {
  /** What the page posted, for checks. */
  sentMessages: sent,
  editText,
  acquireVsCodeApi: () => ({
    postMessage: (message: PageMessage) => {
      sent.push(message);
      if (message.type === 'ready') greet();
      if (message.type === 'routing/whatIf' && trace) {
        trace = inventedWhatIf(trace, message.whatIf);
        post({ type: 'routing/state', source: 'five-kinds.jsonl', model: 'invented-numbers', result: trace.result, summary: trace.summary, texts: trace.texts, stale: false, staleTokens: [], state: 'done', error: null });
      }
      if (message.type !== 'call') return;
      const fails = query.get('fail') === message.method;
      const wait = message.method === 'routing/slice' ? sliceDelay : message.method === 'analysis/ablation' ? number('ablation', 0) : 0;
      setTimeout(() => post(fails ? { type: 'reply', id: message.id, error: { code: 'engine/stopped', args: {}, exit: 1, message: 'The engine stopped while reading the expert. Try again; finished layers are kept.' } } : { type: 'reply', id: message.id, result: structuredClone(answer(message.method, message.params)) }), wait);
    },
    getState: () => kept,
    setState: (next: unknown) => (kept = next),
  }),
});
