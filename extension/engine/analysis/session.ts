import path from 'node:path';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { ProbeTexts } from './records';
import { planProbe, type ProbePlan } from '../../probe/plan';
import { TokenRouting } from '../../probe/layerProbe';
import { readTexts } from '../../probe/texts';
import { openTokenizer, type Tokenizer } from '../../probe/tokenizer';
import type { AnalysisHead, DeviceUse, Notice } from '../../protocol/documents';
import type { AnalyzeOptions } from '../../protocol/engineRpc';
import { failure, ModulensError } from '../../protocol/errors';
import { ResultStore } from '../../store/resultStore';
import type { OperationContext } from '../context';
import { describeModel, type DescribedModel } from '../modelFacts';
import { runtimeHost } from '../runtimeHost';
import type { ForwardEnvironment } from '../../probe/forward';
import { ANALYSIS_VERSION, resolveOptions, type ResolvedOptions } from './options';
import { AnalysisStore } from './records';
import { CETT_TARGET } from '../../probe/statistics';

/** Tokens of a probe at most: both halves together. */
const PROBE_TOKENS = 8192;
/** Bytes that the activations of one layer may take. */
const ACTIVATION_BYTES = 768 << 20;

/** An analysis that has been opened: what runs, on what, under which key. */
export interface AnalysisSession {
  readonly described: DescribedModel;
  readonly options: ResolvedOptions;
  readonly plan: ProbePlan | null;
  readonly tokenizer: Tokenizer | null;
  readonly head: AnalysisHead;
  readonly weightsKey: string;
  readonly environment: ForwardEnvironment | null;
  readonly store: AnalysisStore;
  readonly warnings: readonly Notice[];
}

export function analysisStore(context: OperationContext): AnalysisStore {
  return new AnalysisStore(new ResultStore(path.join(context.settings.cacheDir, 'results'), context.settings.cacheBytes));
}

/** The probe set that ships with the program. */
export function defaultProbeFile(): string {
  return process.env['MODULENS_MEDIA'] ? path.join(process.env['MODULENS_MEDIA'], 'probe', 'default.jsonl') : path.join(__dirname, '..', 'media', 'probe', 'default.jsonl');
}

/** Opens a checkpoint for analysis: family, options, probe and device. Where text cannot be run the analysis is of the weights alone and says why. */
export async function openSession(target: string, options: AnalyzeOptions, context: OperationContext): Promise<AnalysisSession> {
  const described = await describeModel(await openCheckpoint(target));
  const { mixture } = described.facts;
  if (described.model && mixture && described.ffn.length === 0) throw failure('analysis/only-experts', { path: target, layers: mixture.layers, experts: mixture.experts });
  const resolved = resolveOptions(options, described.ffn, target);
  const warnings: Notice[] = [...described.checkpoint.warnings];
  let plan: ProbePlan | null = null, tokenizer: Tokenizer | null = null, probeMissing: string | undefined, environment: ForwardEnvironment | null = null;
  let device: DeviceUse = { requested: options.device ?? context.settings.device, used: null, reason: 'nothing was run: weights only' };
  if (options.weightsOnly) probeMissing = 'You asked for the weights alone.';
  else if (!described.model) probeMissing = described.cannotRun?.message ?? 'The family is not known.';
  else {
    try {
      tokenizer = await openTokenizer(described.checkpoint.folder);
      if (!tokenizer) probeMissing = 'There is no tokenizer in the folder. Put tokenizer.json beside the weights.';
      else {
        const stack = described.model.spec.stacks[0];
        const limit = Math.min(PROBE_TOKENS, Math.floor(ACTIVATION_BYTES / (4 * ((described.facts.dFf ?? 1) + stack.dModel))));
        const file = await readTexts(options.probe ?? defaultProbeFile());
        plan = planProbe(options.probe === undefined ? { ...file, name: 'default' } : file, tokenizer, stack.context, limit);
        const ran = await runtimeHost.environment(options.device, context);
        device = ran.use;
        environment = ran.forward;
        warnings.push(...plan.warnings);
      }
    } catch (error) {
      // A broken probe file or a device asked for by name is the user's to mend; a missing runtime only takes the text away.
      if (!(error instanceof ModulensError) || error.code !== 'runtime/unavailable') throw error;
      plan = null;
      probeMissing = error.message;
    }
  }
  const store = analysisStore(context), weightsKey = store.key([ANALYSIS_VERSION, described.facts.fingerprint, resolved.experts, resolved.seed]);
  const key = store.key([ANALYSIS_VERSION, described.facts.fingerprint, resolved.experts, resolved.topK, resolved.method, resolved.seed, plan?.facts.sha256 ?? null, device.used === null ? null : device.used]);
  return {
    described, options: resolved, plan, tokenizer, environment, store, weightsKey, warnings,
    head: {
      key, model: described.facts, device, seed: resolved.seed, method: resolved.method, experts: resolved.experts, topK: resolved.topK, probe: plan?.facts ?? null, ...(probeMissing === undefined ? {} : { probeMissing }), layerIndices: resolved.layers,
      nullNote: plan ? `Partitions are made on one half of the texts and scored on the other. A neuron counts as active above the output norm whose neglect costs ${CETT_TARGET * 100} % of the FFN output.` : 'Keys are compared with keys whose columns were permuted independently and that were clustered in the same way.',
    },
  };
}

/** What is kept of a probe's texts, so that contexts can be shown later. */
export function probeTexts(plan: ProbePlan): ProbeTexts {
  const routing = new TokenRouting(plan);
  return { sequences: plan.sequences, labels: plan.labels, half: plan.half, labelNames: plan.labelNames, sequence: routing.sequences[1], position: routing.positions[1] };
}
