import { prepareOutput } from '../../checkpoint/atomicFile';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { SafetensorsStreamWriter } from '../../checkpoint/safetensorsWriter';
import { attachModules, remarksOf } from '../../module/attach';
import { openModule } from '../../module/openModule';
import { ForwardPass } from '../../probe/forward';
import { cutNotice, sequencesOf } from '../../probe/sequences';
import { runTaps, tapNames, tapWidth } from '../../probe/tapRun';
import { parseTaps } from '../../probe/taps';
import { readTexts, readTokenRows } from '../../probe/texts';
import { openTokenizer } from '../../probe/tokenizer';
import { type DeviceChoice, type Notice, type ProbeDocument, SCHEMA_VERSION } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import { VERSION } from '../../protocol/version';
import type { OperationContext } from '../context';
import { describeModel, requireModel } from '../modelFacts';
import { runtimeHost } from '../runtimeHost';

export interface ModuleChoice {
  readonly path: string;
  readonly strength: number;
}

export interface ProbeParams {
  readonly path: string;
  /** One of `text` and `tokens`. */
  readonly text?: string;
  readonly tokens?: string;
  readonly tap: string;
  readonly out: string;
  readonly modules: readonly ModuleChoice[];
  readonly device?: DeviceChoice;
  readonly overwrite?: boolean;
}

/** Runs text or token ids through a checkpoint and streams the chosen taps to a safetensors file. */
export async function run(params: ProbeParams, context: OperationContext): Promise<ProbeDocument> {
  const start = performance.now();
  await prepareOutput(params.out, params.overwrite === true);
  const described = await describeModel(await openCheckpoint(params.path));
  const model = requireModel(described), stack = model.spec.stacks[0];
  const selection = parseTaps(params.tap, stack, model.spec.head !== undefined);
  const warnings: Notice[] = [...described.checkpoint.warnings];
  let rows: readonly Int32Array[];
  if (params.tokens !== undefined) rows = await readTokenRows(params.tokens);
  else {
    const tokenizer = await openTokenizer(described.checkpoint.folder);
    if (!tokenizer) throw failure('probe/no-tokenizer', { path: described.checkpoint.folder });
    const file = await readTexts(params.text ?? '');
    const sequences = sequencesOf(file.texts.map((t) => t.text), tokenizer, stack.context);
    warnings.push(...cutNotice(sequences.cut, stack.context));
    rows = sequences.ids;
  }
  const modules = await Promise.all(params.modules.map(async ({ path, strength }) => ({ module: await openModule(path), strength })));
  const attached = modules.length > 0 ? await attachModules(model, modules) : null;
  warnings.push(...remarksOf(attached));
  const { use, forward } = await runtimeHost.environment(params.device, context);
  const pass = new ForwardPass(model, rows, forward, attached);
  const taps = tapNames(selection).map((name) => ({ name, shape: [pass.tokens, tapWidth(pass, name)] }));
  const writer = await SafetensorsStreamWriter.create(params.out, taps.map((t) => ({ ...t, dtype: 'F32' as const })), new Map([['schemaVersion', String(SCHEMA_VERSION)], ['checkpoint', described.facts.fingerprint], ['tokensPerText', JSON.stringify(rows.map((r) => r.length))]]));
  try {
    const began = performance.now();
    await runTaps(pass, selection, (name, offset, data) => writer.write(name, offset * tapWidth(pass, name), data), (done, total, stage) => {
      context.progress({ stage, done, total, etaSeconds: done > 0 ? ((performance.now() - began) / 1000 / done) * (total - done) : null });
    });
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return {
    schemaVersion: SCHEMA_VERSION, kind: 'probe', program: { name: 'modulens', version: VERSION }, warnings, timings: { total: (performance.now() - start) / 1000 },
    model: described.facts, device: use, out: params.out, taps, texts: rows.length, tokens: pass.tokens,
  };
}
