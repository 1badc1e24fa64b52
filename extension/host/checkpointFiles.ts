import { nameOf, pathOf } from './paths';

/** Files that alone or together are the weights of the folder's checkpoint, as Hugging Face names them. */
const STANDARD_WEIGHTS = /^(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)$/;
const INDEX = /\.(safetensors|bin)\.index\.json$/;
const WEIGHTS = /\.(safetensors|bin|pt|pth|onnx)$/i;
const ADAPTER_WEIGHTS = /^adapter_model\.(safetensors|bin)$/;
/** Files of a training run that end like weights and are none. */
const NOT_WEIGHTS = /^(training_args|optimizer|scheduler|rng_state|scaler|random_states)/;

/** Pattern for a workspace search that finds everything `classifyFiles` looks at. */
export const SEARCH_PATTERN = '**/{config.json,adapter_config.json,*.safetensors,*.safetensors.index.json,*.bin.index.json,pytorch_model*.bin,adapter_model.bin,*.pt,*.pth,*.onnx}';
/** More files than this are not looked at: a view of thousands of checkpoints helps nobody, and the search blocks others. */
export const SEARCH_LIMIT = 20_000;

export interface Findings {
  /** Folders with config.json and weights. */
  readonly checkpoints: readonly string[];
  /** Weights that belong to no such folder. */
  readonly files: readonly string[];
  /** Folders with a PEFT module. */
  readonly modules: readonly string[];
}

/** Sorts paths of a search into checkpoints, loose weights and PEFT modules, by their names alone. */
export function classifyFiles(paths: readonly string[]): Findings {
  const folders = new Map<string, string[]>();
  for (const file of paths) {
    const folder = pathOf(file).dirname(file);
    const names = folders.get(folder);
    if (names) names.push(nameOf(file));
    else folders.set(folder, [nameOf(file)]);
  }
  const checkpoints: string[] = [];
  const files: string[] = [];
  const modules: string[] = [];
  for (const [folder, names] of folders) {
    const weights = names.filter((name) => isWeights(name) || INDEX.test(name));
    const whole = names.includes('config.json') && weights.length > 0;
    if (whole) checkpoints.push(folder);
    if (names.includes('adapter_config.json') && names.some((name) => ADAPTER_WEIGHTS.test(name))) modules.push(folder);
    // Beside a standard set of weights any other file is a checkpoint of its own; without one, all belong to the folder.
    const standard = weights.some((name) => STANDARD_WEIGHTS.test(name) || INDEX.test(name));
    const loose = whole ? (standard ? weights.filter((name) => !belongsToFolder(name)) : []) : weights.filter((name) => !INDEX.test(name));
    files.push(...loose.filter((name) => !isShardOf(name, names)).map((name) => pathOf(folder).join(folder, name)));
  }
  return { checkpoints: checkpoints.sort(compare), files: files.sort(compare), modules: modules.sort(compare) };
}

/** Weights that the analysis can open by themselves. */
function isWeights(name: string): boolean {
  return WEIGHTS.test(name) && !NOT_WEIGHTS.test(name) && !ADAPTER_WEIGHTS.test(name);
}

function belongsToFolder(name: string): boolean {
  return name === 'config.json' || STANDARD_WEIGHTS.test(name) || INDEX.test(name);
}

/** The second and later shards of a set: the first one stands for it. */
function isShardOf(name: string, names: readonly string[]): boolean {
  const shard = /^(.*)-(\d+)-of-(\d+)(\.\w+)$/.exec(name);
  if (!shard || Number(shard[2]) === 1) return false;
  return names.some((other) => other.startsWith(`${shard[1]}-`) && other.endsWith(`-of-${shard[3]}${shard[4]}`) && other < name);
}

/**
 * The place that a right-click means: config.json, the index, a shard or the standard file stand for their folder when
 * that is a checkpoint; everything else stands for itself.
 */
export function checkpointOf(path: string, isFile: (path: string) => boolean): string {
  if (!belongsToFolder(nameOf(path)) || !isFile(path)) return path;
  const folder = pathOf(path).dirname(path);
  return isFile(pathOf(path).join(folder, 'config.json')) ? folder : path;
}

/** The file of a folder that stands for all its weights, for an editor that needs a file; null when there is none. */
export function representativeFile(names: readonly string[]): string | null {
  const byRank = [/^model\.safetensors$/, /^adapter_model\.safetensors$/, /^model-0*1-of-\d+\.safetensors$/, /\.safetensors$/, /^pytorch_model\.bin$/, /^adapter_model\.bin$/, /^pytorch_model-0*1-of-\d+\.bin$/, /\.onnx$/i, WEIGHTS];
  for (const pattern of byRank) {
    const found = names.filter((name) => pattern.test(name) && !NOT_WEIGHTS.test(name)).sort(compare)[0];
    if (found) return found;
  }
  return null;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
