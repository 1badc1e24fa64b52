import { safetensorsBytes } from '../checkpoint/safetensorsWriter';

/** A low-rank update of one linear map: y += scaling * (x A^T) B^T. */
export interface LoraFactors {
  /** Module path on the base as PEFT names it ("model.layers.0.self_attn.q_proj"). */
  readonly target: string;
  /** `[rank, in]` */
  readonly a: Float32Array;
  /** `[out, rank]` */
  readonly b: Float32Array;
  readonly rank: number;
  readonly scaling: number;
  readonly inWidth: number;
  readonly outWidth: number;
}

/** Everything that a PEFT LoRA folder says. */
export interface LoraFolder {
  /** `base_model_name_or_path` */
  readonly base: string;
  /** `CAUSAL_LM`, ...; null leaves the model's own class in charge. */
  readonly taskType: string | null;
  readonly sites: readonly LoraFactors[];
  /** Goes into the header of adapter_model.safetensors, beside `format`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The base keeps these maps as `[in, out]` (GPT-2's Conv1D). The factors lie the same way in both cases. */
  readonly fanInFanOut?: boolean;
}

/** The names of the files that {@link loraFolderFiles} gives. */
export const LORA_FILES = { config: 'adapter_config.json', weights: 'adapter_model.safetensors' } as const;

/**
 * The files of a PEFT LoRA folder, in memory: it loads in PEFT and in `openLora`. Every site is named by its full path, so that no other map can
 * match; ranks and scalings that differ from the most common ones stand in `rank_pattern` and `alpha_pattern`. alpha is chosen so that alpha / r
 * is the scaling to the last bit where such a number exists.
 * @throws RangeError for no sites, a repeated target, sizes that disagree, or a scaling or factor that is not finite
 */
export function loraFolderFiles(folder: LoraFolder): { readonly name: string; readonly bytes: Uint8Array }[] {
  check(folder.sites);
  const rank = mostCommon(folder.sites.map((s) => s.rank)), alphas = folder.sites.map((s) => alphaOf(s.scaling, s.rank)), alpha = mostCommon(alphas);
  const patterns = (value: (site: LoraFactors, i: number) => number, common: number): Record<string, number> =>
    Object.fromEntries(folder.sites.flatMap((site, i) => (value(site, i) === common ? [] : [[exactly(site.target), value(site, i)]])));
  const config = {
    alpha_pattern: patterns((_, i) => alphas[i], alpha), auto_mapping: null, base_model_name_or_path: folder.base, bias: 'none', fan_in_fan_out: folder.fanInFanOut === true, inference_mode: true,
    init_lora_weights: true, layers_pattern: null, layers_to_transform: null, lora_alpha: alpha, lora_bias: false, lora_dropout: 0, modules_to_save: null, peft_type: 'LORA', r: rank,
    rank_pattern: patterns((site) => site.rank, rank), revision: null, target_modules: folder.sites.map((s) => s.target), task_type: folder.taskType, use_dora: false, use_rslora: false,
  };
  const tensors = folder.sites.flatMap((s) => [
    { name: `base_model.model.${s.target}.lora_A.weight`, dtype: 'F32' as const, shape: [s.rank, s.inWidth], data: s.a },
    { name: `base_model.model.${s.target}.lora_B.weight`, dtype: 'F32' as const, shape: [s.outWidth, s.rank], data: s.b },
  ]);
  return [
    { name: LORA_FILES.config, bytes: new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`) },
    { name: LORA_FILES.weights, bytes: safetensorsBytes(tensors, new Map([['format', 'pt'], ...Object.entries(folder.metadata)])) },
  ];
}

function check(sites: readonly LoraFactors[]): void {
  if (sites.length === 0) throw new RangeError('a LoRA folder needs at least one site');
  const seen = new Set<string>();
  for (const s of sites) {
    if (seen.has(s.target)) throw new RangeError(`two sites are called "${s.target}"`);
    seen.add(s.target);
    if (s.a.length !== s.rank * s.inWidth || s.b.length !== s.outWidth * s.rank) throw new RangeError(`the factors of "${s.target}" are not [${s.rank}, ${s.inWidth}] and [${s.outWidth}, ${s.rank}]`);
    if (!Number.isFinite(s.scaling) || !s.a.every(Number.isFinite) || !s.b.every(Number.isFinite)) throw new RangeError(`the factors of "${s.target}" are not finite`);
  }
}

/** The value that occurs most often, the earliest of equals. */
function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}

/** alpha with alpha / rank === scaling, or the closest there is: products round, and a neighbour may divide back exactly. */
function alphaOf(scaling: number, rank: number): number {
  const product = scaling * rank, step = Math.abs(product) * 0.6 * Number.EPSILON;
  return [product, product - step, product + step].find((alpha) => alpha / rank === scaling) ?? product;
}

/** PEFT reads the keys of pattern tables as regular expressions. */
function exactly(target: string): string {
  return target.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
