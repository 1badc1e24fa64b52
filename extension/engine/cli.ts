import os from 'node:os';
import path from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { prepareOutput, removeTemporaryFiles } from '../checkpoint/atomicFile';
import { DEVICES, type DeviceChoice, PARTITION_METHODS, type PartitionMethod } from '../protocol/documents';
import { type ErrorRecord, failure, toErrorRecord } from '../protocol/errors';
import type { Progress } from '../protocol/progress';
import { type RouterName, ROUTERS } from '../protocol/routing';
import { GEN_KNOW_SUBS, type GenKnowSub, LIBRARY_SIMILARITIES, type LibrarySimilarityKind } from '../protocol/routingLibrary';
import { LAYER_RULES, type LayerRule, TRANSFER_METHODS, type TransferMethodName, type TransferRequest } from '../protocol/transfer';
import { VERSION } from '../protocol/version';
import type { OperationContext } from './context';
import { formatAnalysis, formatEvaluation, formatInspect, formatProbe, formatRouting, formatTransfer, formatTransferPlan } from './cliText';
import { formatMerge, formatMergeInspect, formatMergePlan } from './mergeText';
import type { MergeParams } from './operations/merge';
import { formatLibrary } from './cliLibrary';
import type { ModuleChoice } from './operations/probe';

interface CommonOptions {
  readonly json?: boolean;
  readonly device: DeviceChoice;
  readonly seed: number;
  readonly threads: number;
  readonly cacheDir: string;
  readonly progress?: string;
  readonly quiet?: boolean;
}

interface TransferOptions {
  readonly module: string;
  readonly from: string;
  readonly to: string;
  readonly out: string;
  readonly method: TransferMethodName;
  readonly layers?: LayerRule;
  readonly probe?: string;
  readonly tokens?: number;
  readonly data?: string;
  readonly html?: string;
  readonly plan?: boolean;
  readonly overwrite?: boolean;
}

interface MergeCommand {
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly data?: string;
  readonly plan?: boolean;
  readonly shardSize?: number;
  readonly asMergekit?: boolean;
  readonly models: readonly string[];
  readonly inspect?: boolean;
  readonly base?: string;
  readonly weight?: number;
}

/** Bytes that the result store may take: 2 GB. */
const CACHE_BYTES = 2 * 1024 ** 3;
const INTERRUPTED: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143 };

/** The platform's folder for caches. */
function defaultCacheDir(): string {
  if (process.env['MODULENS_CACHE_DIR']) return process.env['MODULENS_CACHE_DIR'];
  if (process.platform === 'win32') return path.join(process.env['LOCALAPPDATA'] ?? path.join(os.homedir(), 'AppData', 'Local'), 'modulens', 'cache');
  if (process.platform === 'darwin') return path.join(os.homedir(), 'Library', 'Caches', 'modulens');
  return path.join(process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache'), 'modulens');
}

const whole = (least: number) => (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new InvalidArgumentError(`a whole number from ${least} on is expected.`);
  return value;
};

const byteSize = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text), value = match ? Number(match[1]) * 1000 ** ' kmgt'.indexOf(match[2].toLowerCase() || ' ') : NaN;
  if (!(value >= 1)) throw new InvalidArgumentError('a size is expected, such as 5GB or 500MB.');
  return Math.floor(value);
};

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('a number above 0 is expected.');
  return value;
};

function moduleChoice(text: string, previous: readonly ModuleChoice[]): readonly ModuleChoice[] {
  const match = /^(.*)=(-?\d*\.?\d+(?:e[+-]?\d+)?)$/i.exec(text);
  return [...previous, match ? { path: match[1], strength: Number(match[2]) } : { path: text, strength: 1 }];
}

function withCommon(command: Command): Command {
  return command
    .option('--json', 'print one JSON document to stdout')
    .addOption(new Option('--device <name>', 'where to compute').choices([...DEVICES]).default('auto'))
    .option('--seed <n>', 'seed of everything random', whole(0), 0)
    .option('--threads <n>', 'threads of ONNX Runtime (0: its own choice)', whole(0), 0)
    .option('--cache-dir <folder>', 'where results are kept', defaultCacheDir())
    .addOption(new Option('--progress <format>', 'print progress records to stderr').choices(['json']))
    .option('--quiet', 'no progress on stderr');
}

/** Runs an operation with the command line's context and prints what it gives. */
async function perform<T>(options: CommonOptions, work: (context: OperationContext) => Promise<T>, text: (result: T) => string): Promise<void> {
  const controller = new AbortController();
  let signalled: NodeJS.Signals | null = null;
  const interrupt = (signal: NodeJS.Signals): void => {
    if (signalled) { removeTemporaryFiles(); process.exit(INTERRUPTED[signal] ?? 130); }
    signalled = signal;
    controller.abort(failure('cancelled', { what: 'The command' }));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  let lastStage = '';
  const context: OperationContext = {
    signal: controller.signal, interactive: false,
    settings: { cacheDir: options.cacheDir, cacheBytes: CACHE_BYTES, threads: options.threads, device: options.device },
    log: (level, message) => { if (!options.quiet && (level !== 'info' || options.progress === undefined)) process.stderr.write(`${message}\n`); },
    progress: (progress: Progress) => {
      if (options.progress === 'json') process.stderr.write(`${JSON.stringify(progress)}\n`);
      else if (!options.quiet && process.stderr.isTTY && progress.stage !== lastStage) process.stderr.write(`${(lastStage = progress.stage)} (${progress.done} of ${progress.total})\n`);
    },
  };
  try {
    const result = await work(context);
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${text(result)}\n`);
  } catch (error) {
    report(error, options.json === true);
    if (signalled) process.exitCode = INTERRUPTED[signalled] ?? 130;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function report(error: unknown, json: boolean): void {
  const record: ErrorRecord = toErrorRecord(error);
  if (json) process.stdout.write(`${JSON.stringify({ error: { code: record.code, args: record.args, message: record.message } })}\n`);
  process.stderr.write(`modulens: ${record.message}\n`);
  if (record.code === 'internal' && error instanceof Error && process.env['MODULENS_DEBUG']) process.stderr.write(`${error.stack ?? ''}\n`);
  process.exitCode = record.exit;
}

function program(): Command {
  const root = new Command('modulens').description('Explore the modules that live inside transformer checkpoints. Every figure comes with what chance would give.').version(VERSION).exitOverride().showSuggestionAfterError();
  const command = (spec: string, description: string): Command => withCommon(root.command(spec).description(description)).exitOverride();

  command('inspect <checkpoint>', 'family, sizes and tensors of a checkpoint, from its headers')
    .option('--hash', 'add the SHA-256 of the weight files')
    .action(async (checkpoint: string, options: CommonOptions & { hash?: boolean }) => perform(options, async (context) => (await import('./operations/inspect')).run({ path: checkpoint, ...(options.hash ? { hash: true } : {}) }, context), formatInspect));

  command('probe <checkpoint>', 'run text through a checkpoint and write inner tensors')
    .option('--text <file>', '.txt or .jsonl').option('--tokens <file>', '{"input_ids": [[...], ...]}')
    .requiredOption('--tap <names>', 'blocks.*.ffn.hidden,logits').requiredOption('--out <file>', '.safetensors').option('--overwrite', 'replace an existing file')
    .option('--module <folder[=weight]>', 'a plugged-in module to attach, with its strength (may be repeated)', moduleChoice, [] as readonly ModuleChoice[])
    .action(async (checkpoint: string, options: CommonOptions & { text?: string; tokens?: string; tap: string; out: string; overwrite?: boolean; module: readonly ModuleChoice[] }) => perform(options, async (context) => {
      if ((options.text === undefined) === (options.tokens === undefined)) throw failure('usage', { message: 'Pass either --text FILE or --tokens FILE.json.' });
      const { text, tokens, tap, out, overwrite } = options;
      return (await import('./operations/probe')).run({ path: checkpoint, tap, out, modules: options.module, device: options.device, ...(text === undefined ? {} : { text }), ...(tokens === undefined ? {} : { tokens }), ...(overwrite ? { overwrite } : {}) }, context);
    }, formatProbe));

  command('analyze <checkpoint>', 'split FFN layers into experts and score them against chance')
    .option('--probe <file>', 'labelled texts (.jsonl) or texts (.txt); the built-in probe otherwise').option('--weights-only', 'run no text')
    .addOption(new Option('--method <name>', 'how neurons are grouped; random and contiguous are controls').choices(PARTITION_METHODS).default('keys'))
    .option('--experts <n>', 'experts per layer', whole(2)).option('--top-k <k>', 'experts that a token may use', whole(1)).option('--layers <list>', '0-5,11')
    .option('--ablation', 'measure the loss without each layer\'s experts (slow on large models)').option('--html <file>', 'write a report').option('--overwrite', 'replace an existing report')
    .action(async (checkpoint: string, options: CommonOptions & { probe?: string; weightsOnly?: boolean; method: PartitionMethod; experts?: number; topK?: number; layers?: string; html?: string; overwrite?: boolean; ablation?: boolean }) => perform(options, async (context) => {
      const { probe, weightsOnly, method, experts, topK, layers, html, overwrite, ablation } = options;
      return (await import('./operations/analyzeCommand')).run({ path: checkpoint, options: { method, seed: options.seed, device: options.device, ...(probe === undefined ? {} : { probe }), ...(weightsOnly ? { weightsOnly } : {}), ...(experts === undefined ? {} : { experts }), ...(topK === undefined ? {} : { topK }), ...(layers === undefined ? {} : { layers }), ...(ablation ? { ablation } : {}) }, ...(html === undefined ? {} : { html }), overwrite: overwrite === true }, context);
    }, formatAnalysis));

  command('route <checkpoint>', 'which expert each token of a text goes to, layer by layer')
    .option('--text <file>', '.txt or .jsonl')
    .addOption(new Option('--router <name>', 'what decides').choices(ROUTERS).default('avg-k'))
    .option('--modules <folder>', 'folder of LoRAs on this base (arrow)').option('--trace <file>', 'a trace made elsewhere (imported): .json, or .npy of expert ids')
    .option('--hidden <file>', 'what the routers read, recorded elsewhere (families of which only the routers are built): .safetensors')
    .option('--experts <n>', 'experts per layer of a partition by keys', whole(2)).option('--top-k <k>', 'experts that a token may use', whole(1)).option('--layers <list>', '0-5,11')
    .option('--temperature <t>', 'of a library\'s softmax', positive).option('--base-activations', 'route a library on the base alone: cheap and approximate').option('--compare-keys', 'whether a model\'s own router looks like avg-k (native)')
    .option('--mute <experts>', 'what if no token could go to these: B,3@blocks.2.ffn').option('--force <experts>', 'what if tokens could go to these alone').option('--what-if-temperature <t>', 'what if scores were divided by this', positive)
    .option('--compare-with <router>', 'another router on the same text: similarity, or arrow,k=1,temperature=2')
    .option('--library-facts', 'what the weights of --modules say, without text: trust, similarity, groups').addOption(new Option('--general-knowledge <way>', 'how a library\'s general adapters are subtracted (default: as its settings say)').choices(GEN_KNOW_SUBS)).addOption(new Option('--group-by <what>', 'what --library-facts groups by').choices(LIBRARY_SIMILARITIES))
    .action(async (checkpoint: string, options: CommonOptions & { text?: string; router: RouterName; modules?: string; trace?: string; hidden?: string; experts?: number; topK?: number; layers?: string; temperature?: number; baseActivations?: boolean; compareKeys?: boolean; compareWith?: string; mute?: string; force?: string; whatIfTemperature?: number; libraryFacts?: boolean; generalKnowledge?: GenKnowSub; groupBy?: LibrarySimilarityKind }) => {
      const command = { ...options, path: checkpoint };
      if (options.libraryFacts) return perform(options, async (context) => (await import('./operations/routeCommand')).libraryFacts(command, context), formatLibrary);
      return perform(options, async (context) => (await import('./operations/routeCommand')).run(command, context), formatRouting);
    });

  command('evaluate <checkpoint>', 'loss of a checkpoint on texts, with and without modules')
    .requiredOption('--data <file>', '.jsonl with text, or text/text2/label').option('--pseudo', 'pseudo-likelihood for masked language models')
    .option('--module <folder[=weight]>', 'a plugged-in module to attach, with its strength (may be repeated)', moduleChoice, [] as readonly ModuleChoice[])
    .action(async (checkpoint: string, options: CommonOptions & { data: string; pseudo?: boolean; module: readonly ModuleChoice[] }) => perform(options, async (context) =>
      (await import('./operations/evaluate')).run({ path: checkpoint, data: options.data, modules: options.module, device: options.device, seed: options.seed, ...(options.pseudo ? { pseudo: true } : {}) }, context), formatEvaluation));

  command('transfer', 'carry a module to another base and prove what arrived')
    .requiredOption('--module <folder>', 'the module').requiredOption('--from <checkpoint>', 'the base that it was trained on').requiredOption('--to <checkpoint>', 'the base that it goes to').requiredOption('--out <folder>', 'where the new module is written').option('--overwrite', 'replace what is there')
    .addOption(new Option('--method <name>', 'how it is carried').choices(TRANSFER_METHODS).default('activation-transport')).addOption(new Option('--layers <rule>', 'which layer goes where (default: the method\u2019s own)').choices(LAYER_RULES))
    .option('--probe <file>', 'texts that both bases read; the built-in probe otherwise').option('--tokens <n>', 'most paired tokens to fit on', whole(64)).option('--data <file>', 'texts of the task; without them there is no verdict').option('--html <file>', 'write a report').option('--plan', 'say what would be done and run nothing')
    .action(async (options: CommonOptions & TransferOptions) => {
      const { module, from, to, out, method, layers, probe, tokens, data, html, overwrite, seed, device } = options;
      const request: TransferRequest = { module, from, to, method, seed, device, ...(layers === undefined ? {} : { layers }), ...(probe === undefined ? {} : { probe }), ...(tokens === undefined ? {} : { tokens }), ...(data === undefined ? {} : { data }) };
      const operation = await import('./operations/transfer');
      if (options.plan) { await perform(options, async () => operation.plan({ request }), formatTransferPlan); return; }
      await perform(options, async (context) => {
        if (html !== undefined) await prepareOutput(html, overwrite === true);
        const document = await operation.run({ request, out, ...(overwrite ? { overwrite } : {}) }, context);
        if (html !== undefined) await operation.html({ document, out: html });
        return document;
      }, formatTransfer);
    });

  command('merge [paths...]', 'merge checkpoints by a recipe (mergekit\u2019s YAML) into a new folder; with --inspect, compare models first')
    .option('--out <folder>', 'where the result is written').option('--overwrite', 'replace what is there')
    .option('--data <file>', 'evaluate the result on these texts, beside base, parents and plain average').option('--plan', 'say what would be done and write nothing')
    .option('--shard-size <bytes>', 'most bytes of one output file (5GB)', byteSize).option('--as-mergekit', 'mergekit\u2019s numbers where they differ on purpose')
    .option('--models <folder>', 'another folder in which models are looked for (may be repeated)', (text: string, before: readonly string[]) => [...before, text], [] as readonly string[])
    .option('--inspect', 'compare two or more checkpoints, or LoRAs, and write nothing').option('--base <checkpoint>', 'what --inspect takes differences from').option('--weight <w>', 'weight of each model for what rounding would undo', positive)
    .action(async (paths: readonly string[], options: CommonOptions & MergeCommand) => {
      if (options.inspect) {
        const { base, weight } = options;
        return perform(options, async (context) => (await import('./operations/mergeInspectCommand')).run({ models: paths, base: base ?? null, ...(weight === undefined ? {} : { weight }) }, context), formatMergeInspect);
      }
      const { out, overwrite, data, plan, shardSize, asMergekit, models, seed, threads, device } = options;
      const params = (): Omit<MergeParams, 'out'> => {
        if (paths.length !== 1) throw failure('usage', { message: `Name one recipe file; ${paths.length} were given. To compare models, pass --inspect.` });
        return { recipe: paths[0], seed, threads, device, folders: models, ...(overwrite ? { overwrite } : {}), ...(data === undefined ? {} : { data }), ...(shardSize === undefined ? {} : { shardBytes: shardSize }), ...(asMergekit ? { asMergekit } : {}) };
      };
      if (plan) return perform(options, async (context) => (await import('./operations/merge')).plan({ ...params(), ...(out === undefined ? {} : { out }) }, context), formatMergePlan);
      return perform(options, async (context) => {
        if (out === undefined) throw failure('usage', { message: 'Name the folder to write with --out FOLDER, or pass --plan to see what would be done.' });
        return (await import('./operations/merge')).run({ ...params(), out }, context);
      }, formatMerge);
    });
  return root;
}

async function main(): Promise<void> {
  const json = process.argv.includes('--json');
  try {
    await program().parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) { report(error, json); return; }
    if (error.exitCode === 0) return;
    process.exitCode = 2;
    if (json) process.stdout.write(`${JSON.stringify({ error: { code: 'usage', args: { message: error.message }, message: error.message } })}\n`);
  }
}

void main();
