import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { forgetTemporary, rememberTemporary, writeFileAtomic } from '../../checkpoint/atomicFile';
import { fingerprint } from '../../checkpoint/fingerprint';
import { checkOutputFolder, OutputFolder } from '../../checkpoint/outputFolder';
import { maskTokenOf } from '../../evaluation/maskToken';
import { type AttachAt, type ProvenBase, proveTransfer, type TransferProofResult } from '../../evaluation/proveTransfer';
import { headOf } from '../../evaluation/scoring';
import { verdictSentence } from '../../evaluation/verdict';
import { type AttachedModules, attachModules } from '../../module/attach';
import { CONTROL_KINDS, type ModuleControl } from '../../module/controls';
import { openModule } from '../../module/openModule';
import type { LoraFactors } from '../../module/writeLora';
import type { ForwardEnvironment } from '../../probe/forward';
import { type DeviceUse, type Notice, SCHEMA_VERSION } from '../../protocol/documents';
import { ModulensError } from '../../protocol/errors';
import type { TransferDocument, TransferPlan, TransferRequest } from '../../protocol/transfer';
import { VERSION } from '../../protocol/version';
import { transferReport } from '../../report/transferReport';
import { ResultStore } from '../../store/resultStore';
import { planTransfer, runTransfer } from '../../transfer';
import type { PlannedTransfer, TransferModel, TransferResult } from '../../transfer/types';
import type { OperationContext } from '../context';
import { runtimeHost } from '../runtimeHost';
import { type OpenedTransfer, openTransfer, tokenizerOf } from '../transfer/inputs';
import { moduleBytes, write, writeModule } from '../transfer/writeModule';

export interface TransferParams {
  readonly request: TransferRequest;
  readonly out: string;
  readonly overwrite?: boolean;
}

/** File of a carried module's folder that holds the document of its transfer. */
export const TRANSFER_DOCUMENT = 'modulens-transfer.json';

/** What a transfer would do; runs nothing. */
export async function plan({ request }: { readonly request: TransferRequest }): Promise<TransferPlan> {
  return (await planTransfer(request, (await openTransfer(request)).inputs)).plan;
}

/** Carries a module to another base, proves what arrived and writes it as a PEFT folder that appears whole or not at all. */
export async function run({ request, out, overwrite = false }: TransferParams, context: OperationContext): Promise<TransferDocument> {
  const start = performance.now(), inputs = [request.module, request.from, request.to], timings: Record<string, number> = {};
  await checkOutputFolder(out, { overwrite, inputs, bytes: 0 });
  const opened = await openTransfer(request), planned = await planTransfer(request, opened.inputs), { use, forward } = await runtimeHost.environment(request.device, context);
  const store = new ResultStore(path.join(context.settings.cacheDir, 'results'), context.settings.cacheBytes);
  const progress = withEstimate(context.progress);

  const carried = await runTransfer(planned, forward, { store, progress });
  Object.assign(timings, carried.timings, { carry: (performance.now() - start) / 1000 });
  const output = await OutputFolder.create(out, { overwrite, inputs, bytes: moduleBytes(carried.factors) }), scratch = await scratchFolder();
  try {
    const files = await writeModule(output.folder, carried.factors, opened.inputs.to, opened.plugged.taskType ?? null, await metadataOf(opened, planned, carried));
    const proving = performance.now(), proof = opened.inputs.data ? await prove(opened, planned, output.folder, scratch, { store, forward, progress }) : null;
    if (proof) timings['proof'] = (performance.now() - proving) / 1000;
    const document = documentOf({ opened, planned, carried, proof, files, out: output.target, use, seed: request.seed ?? 0, timings: { ...timings, total: (performance.now() - start) / 1000 } });
    await write(output.folder, TRANSFER_DOCUMENT, `${JSON.stringify(document, null, 1)}\n`);
    await write(output.folder, 'README.md', modelCard(document));
    await output.finish();
    return document;
  } catch (error) {
    await output.abort();
    throw error;
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
    forgetTemporary(scratch);
  }
}

/** Tells how long a stage will still take, from its own pace. */
function withEstimate(report: OperationContext['progress']): (stage: string, done: number, total: number) => void {
  let stage = '', began = 0, first = 0;
  return (name, done, total) => {
    if (name !== stage) [stage, began, first] = [name, performance.now(), done];
    report({ stage: name, done, total, etaSeconds: done > first ? ((performance.now() - began) / 1000 / (done - first)) * (total - done) : null });
  };
}

/** Writes the report of a finished transfer. */
export async function html({ document, out }: { readonly document: TransferDocument; readonly out: string }): Promise<{ file: string }> {
  await writeFileAtomic(out, transferReport(document));
  return { file: out };
}

interface ProvingTools {
  readonly store: ResultStore;
  readonly forward: ForwardEnvironment;
  readonly progress: (stage: string, done: number, total: number) => void;
}

interface Proved extends TransferProofResult {
  readonly impossible: TransferDocument['impossible'];
}

/** Measures target, transferred module and controls on the data; controls that cannot be made are named with the reason. */
async function prove(opened: OpenedTransfer, planned: PlannedTransfer, folder: string, scratch: string, { store, forward, progress }: ProvingTools): Promise<Proved | null> {
  const { inputs, plugged } = opened, { data } = inputs, seed = planned.request.seed ?? 0;
  if (!data) return null;
  const target = await provenBase(inputs.to), source = await provenBase(inputs.from);
  const written = await openModule(folder);
  const attach = (base: TransferModel, module: typeof written, control?: ModuleControl): AttachAt => (strength): Promise<AttachedModules> => attachModules(base.model, [{ module, strength, ...(control ? { control } : {}) }]);
  const controls: { name: string; chance: boolean; attach: AttachAt }[] = CONTROL_KINDS.flatMap((kind) => Array.from({ length: RANDOM_DRAWS }, (_, draw) => ({ name: `${kind} random${draw === 0 ? '' : ` ${draw + 1}`}`, chance: true, attach: attach(inputs.to, written, { kind, seed: seed * RANDOM_DRAWS + draw }) }))), impossible: { name: string; why: string }[] = [];
  const other = async (name: string, chance: boolean, make: () => Promise<readonly LoraFactors[]>): Promise<void> => {
    try {
      const place = path.join(scratch, name.replace(/\W+/g, '-'));
      await fs.mkdir(place);
      await writeModule(place, await make(), inputs.to, plugged.taskType ?? null, {});
      controls.push({ name, chance, attach: attach(inputs.to, await openModule(place)) });
    } catch (error) {
      if (!(error instanceof ModulensError) || !['transfer/no-sites', 'transfer/unsupported'].includes(error.code)) throw error;
      impossible.push({ name, why: typeof error.args['reason'] === 'string' ? error.args['reason'] : error.message });
    }
  };
  if (planned.method.name !== 'copy') {
    await other('naive copy', false, async () => (await runTransfer(await planTransfer({ ...planned.request, method: 'copy' }, inputs), forward, { store })).factors);
  }
  if (planned.method.needs.activations && planned.plan.relation !== 'identical') await other('shuffled pairs', true, async () => (await runTransfer(planned, forward, { store, progress, shufflePairs: true })).factors);
  const proof = await proveTransfer({
    environment: forward, module: plugged.name, target, source, transferred: attach(inputs.to, written), original: attach(inputs.from, plugged), controls, rows: data.rows, seed, progress,
    unrelated: inputs.probe ? { name: inputs.probe.name, texts: inputs.probe.texts.slice(0, UNRELATED_TEXTS).map(({ text }) => text) } : null,
  });
  return { ...proof, impossible };
}

/** Draws of each kind of random module: one would not show how far chance moves. */
const RANDOM_DRAWS = 3;
/** Probe texts on which damage is measured: some thousand tokens. */
const UNRELATED_TEXTS = 48;

async function provenBase(base: TransferModel): Promise<ProvenBase> {
  const tokenizer = tokenizerOf(base), head = headOf(base.model);
  return { name: base.facts.name, model: base.model, tokenizer, mask: head.kind === 'masked' ? await maskTokenOf(base.model.checkpoint.folder, tokenizer) : null };
}

async function scratchFolder(): Promise<string> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'modulens-transfer-'));
  rememberTemporary(folder);
  return folder;
}

interface DocumentParts {
  readonly opened: OpenedTransfer;
  readonly planned: PlannedTransfer;
  readonly carried: TransferResult;
  readonly proof: Proved | null;
  readonly files: TransferDocument['files'];
  readonly out: string;
  readonly use: DeviceUse;
  readonly seed: number;
  readonly timings: Readonly<Record<string, number>>;
}

function documentOf({ opened, planned, carried, proof, files, out, use, seed, timings }: DocumentParts): TransferDocument {
  const { plan } = planned, verdict = proof?.verdict ?? 'no-verdict';
  const skipped: Notice[] = proof && proof.skipped > 0 ? [{ code: 'documents-skipped', message: `${proof.skipped} texts hold fewer than two ids and were skipped.` }] : [];
  const few: Notice[] = proof && proof.proof.reportOn < FEW_TEXTS ? [{ code: 'few-texts', message: `The verdict rests on ${proof.proof.reportOn} texts; intervals from fewer than ${FEW_TEXTS} are rough.` }] : [];
  return {
    kind: 'transfer', schemaVersion: SCHEMA_VERSION, program: { name: 'modulens', version: VERSION }, warnings: unique([...plan.warnings, ...carried.warnings, ...skipped, ...few]), timings,
    module: plan.module, from: plan.from, to: plan.to, device: use, seed, method: plan.method, layerRule: plan.layerRule, relation: plan.relation, out, files,
    probe: carried.probe, layers: carried.layers, heads: carried.heads, sites: carried.sites, dropped: carried.dropped, verdict,
    sentence: verdictSentence({ module: plan.module.name, from: plan.from.name, to: plan.to.name, verdict, againstBase: proof?.proof.differences[0] ?? null, againstChance: proof?.againstChance ?? [], againstOthers: proof?.againstOthers ?? [], lift: proof?.proof.lift ?? null }),
    data: opened.data && opened.inputs.data ? { file: opened.data.file, documents: opened.inputs.data.rows.length, sha256: opened.data.sha256 } : null,
    runs: proof?.runs ?? [], controls: proof?.controls ?? [], impossible: proof?.impossible ?? [], proof: proof?.proof ?? null,
  };
}

/** Below this many texts a bootstrap interval of documents is rough. */
const FEW_TEXTS = 20;

function unique(notices: readonly Notice[]): Notice[] {
  return [...new Map(notices.map((notice) => [`${notice.code} ${notice.message}`, notice])).values()];
}

/** Where a module came from, in the header of its weights. */
async function metadataOf(opened: OpenedTransfer, { plan, request }: PlannedTransfer, carried: TransferResult): Promise<Record<string, string>> {
  const fits = carried.sites.flatMap((s) => (s.r2 === null ? [] : [s.r2]));
  return {
    'modulens.version': VERSION, 'modulens.method': plan.method, 'modulens.layers': plan.layerRule, 'modulens.seed': String(request.seed ?? 0), 'modulens.module': plan.module.name,
    'modulens.module_fingerprint': await fingerprint(opened.plugged.weights),
    'modulens.from': plan.from.fingerprint, 'modulens.to': plan.to.fingerprint, 'modulens.paired_tokens': String(carried.probe?.pairedTokens ?? 0),
    'modulens.mean_held_out_r2': fits.length === 0 ? 'none' : (fits.reduce((a, b) => a + b, 0) / fits.length).toPrecision(6),
  };
}

function modelCard(d: TransferDocument): string {
  return [
    '---', 'library_name: peft', `base_model: ${JSON.stringify(d.to.name)}`, 'tags: [modulens, transfer]', '---', '', `# ${d.module.name} on ${d.to.name}`, '', d.sentence, '',
    `Carried by Modulens ${d.program.version} with the method ${d.method} (layers: ${d.layerRule}, seed ${d.seed}) from ${d.from.name}.`,
    `All figures, their nulls and the inputs' fingerprints are in ${TRANSFER_DOCUMENT}.`, '',
  ].join('\n');
}
