import path from 'node:path';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { type EvaluationPlan, evaluateRows } from '../../evaluation/evaluateRows';
import { maskTokenOf } from '../../evaluation/maskToken';
import { headOf } from '../../evaluation/scoring';
import { type ActiveModule, attachModules, remarksOf } from '../../module/attach';
import { openModule } from '../../module/openModule';
import { readData } from '../../probe/texts';
import { openTokenizer } from '../../probe/tokenizer';
import { type DeviceChoice, type EvaluateDocument, type EvaluationRun, type Notice, SCHEMA_VERSION } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import { VERSION } from '../../protocol/version';
import type { OperationContext } from '../context';
import { describeModel, requireModel } from '../modelFacts';
import { runtimeHost } from '../runtimeHost';

export interface EvaluateParams {
  readonly path: string;
  /** .jsonl with `text`, or `text` / `text2` / `label`; .txt is one document a line. */
  readonly data: string;
  readonly modules: readonly { readonly path: string; readonly strength: number }[];
  /** Masked models: pseudo-likelihood. */
  readonly pseudo?: boolean;
  readonly device?: DeviceChoice;
  readonly seed?: number;
}

/** Draws of the random module: one would not show how far chance moves. */
const CONTROL_DRAWS = 3;

/** Loss (and accuracy, with labels) of a checkpoint, of the checkpoint with modules, and of it with random modules of the same size. */
export async function run(params: EvaluateParams, context: OperationContext): Promise<EvaluateDocument> {
  const start = performance.now(), seed = params.seed ?? 0;
  const described = await describeModel(await openCheckpoint(params.path));
  const model = requireModel(described), head = headOf(model), { checkpoint } = described;
  const warnings: Notice[] = [...checkpoint.warnings];
  if (head.kind === 'masked' && params.pseudo !== true) throw failure('evaluate/masked', { path: checkpoint.path });
  if (head.kind === 'causal' && params.pseudo === true) warnings.push({ code: 'pseudo-ignored', message: `${checkpoint.name} is a causal model: its own next-token loss was measured, not a pseudo-likelihood.` });
  const tokenizer = await openTokenizer(checkpoint.folder);
  if (!tokenizer) throw failure('probe/no-tokenizer', { path: checkpoint.folder });
  const { rows, sha256 } = await readData(params.data);
  const plan: EvaluationPlan = { rows, tokenizer, mask: head.kind === 'masked' ? await maskTokenOf(checkpoint.folder, tokenizer) : null };
  const active = await Promise.all(params.modules.map(async (m): Promise<ActiveModule> => ({ module: await openModule(m.path), strength: m.strength })));
  const names = active.map(({ module, strength }) => (strength === 1 ? module.name : `${module.name}=${strength}`));
  const { use, forward } = await runtimeHost.environment(params.device, context);

  const timings: Record<string, number> = { open: (performance.now() - start) / 1000 };
  let skipped = 0;
  const measure = async (name: string, modules: readonly ActiveModule[]): Promise<EvaluationRun> => {
    const began = performance.now();
    const attached = modules.length > 0 ? await attachModules(model, modules) : null;
    if (name === 'modules') warnings.push(...remarksOf(attached));
    const { run: result, loss } = await evaluateRows(name, modules.length > 0 ? names : [], { model, environment: forward, modules: attached }, plan, (stage, done, total) => {
      context.progress({ stage, done, total, etaSeconds: done > 0 ? ((performance.now() - began) / 1000 / done) * (total - done) : null });
    });
    if (loss.tokens === 0) throw failure('evaluate/no-tokens', { file: params.data });
    skipped = loss.skipped;
    timings[name] = (performance.now() - began) / 1000;
    return result;
  };
  const runs = [await measure('base', [])], controls: EvaluationRun[] = [];
  if (active.length > 0) {
    runs.push(await measure('modules', active));
    for (let draw = 0; draw < CONTROL_DRAWS; draw++) {
      controls.push(await measure(draw === 0 ? 'random module' : `random module ${draw + 1}`, active.map((m, i) => ({ ...m, control: { kind: 'moment-matched' as const, seed: controlSeed(seed, draw, i) } }))));
    }
  }
  if (plan.mask !== null && rows.some((row) => row.label !== null)) warnings.push({ code: 'labels-ignored', message: 'Accuracy over labels was not measured: a masked model does not continue a text.' });
  if (skipped > 0) warnings.push({ code: 'documents-skipped', message: `${skipped} of ${rows.length} documents hold fewer than two ids and were skipped.` });
  return {
    schemaVersion: SCHEMA_VERSION, kind: 'evaluate', program: { name: 'modulens', version: VERSION }, warnings, timings: { ...timings, total: (performance.now() - start) / 1000 },
    model: described.facts, device: use, seed, data: { file: path.basename(params.data), documents: rows.length, skipped, sha256 }, runs, controls, ...(plan.mask === null ? {} : { pseudo: true }),
  };
}

/** Different for every seed, draw and module; streams are hashed from it, so closeness does not matter. */
function controlSeed(seed: number, draw: number, module: number): number {
  return (seed * CONTROL_DRAWS + draw) * 1024 + module;
}
