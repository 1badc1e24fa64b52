import type { RoutableKind } from '../../protocol/routing';
import type { Unit } from './units';

/** A kind of routed module that is told by the names on disk. */
interface Detector {
  readonly test: (unit: Unit) => boolean;
  readonly describe: (unit: Unit) => RoutableKind;
}

const NOT_YET = 'Its routing is not drawn yet; tensors and sizes can be looked at.';

/**
 * Kinds in the order in which they are tried: later patterns are looser. Names are those on disk, which stay when a
 * library renames its modules in memory.
 */
export const KINDS: readonly Detector[] = [
  byTensors(/poly_router\..*module_logits|\.poly_lora_[AB]/, (unit) => {
    const config = unit.configs.get('adapter_config.json') ?? {}, splits = whole(config['n_splits']) ?? 1, skills = whole(config['n_skills']), tasks = whole(config['n_tasks']);
    const name = splits > 1 ? 'MHR (Poly with several heads)' : 'Poly';
    return { kind: 'poly', title: name, granularity: 'task', composition: 'parameters', experts: numbers(skills, 'skill'), says: `This is ${name}: every linear map mixes the parameters of ${skills ?? 'several'} skills with weights that depend on the task (${tasks ?? 'unknown number of'} tasks), not on the text. ${NOT_YET} A task can be folded into one LoRA exactly.` };
  }),
  byTensors(/adapter_fusion_layer\./, (unit) => {
    const experts = [...new Set([...unit.tensors.keys()].flatMap((n) => /adapter_fusion_layer\.(.+?)\.(?:query|key|value)\./.exec(n)?.[1].split(',') ?? []))];
    return { kind: 'adapter-fusion', title: 'AdapterFusion', granularity: 'token', composition: 'outputs', experts, says: `This is AdapterFusion over ${experts.length} adapters (${shortList(experts)}): in every layer each token attends to the adapters' outputs. ${NOT_YET}` };
  }),
  byTensors(/lora_gate|prefix_gate|prefix_central_gate|adapters\..*\.gate\./, () => ({ kind: 'unipelt', title: 'UniPELT', granularity: 'example', composition: 'outputs', experts: ['adapter', 'LoRA', 'prefix'], says: `This is UniPELT: gates between 0 and 1, one per text and sub-module, say how much adapter, LoRA and prefix count; gates are independent and need not sum to 1. ${NOT_YET}` })),
  byTensors(/adapter_gating_(?:large|middle|small)/, (unit) => {
    const [size, granularity, words] = gating(unit);
    return { kind: 'vl-pet', title: `VL-PET ${size}`, granularity, composition: 'outputs', experts: [], says: `This is VL-PET with ${size} gates: ${words}. ${NOT_YET}` };
  }),
  { test: (unit) => has(unit, /gate\.fc[12]\./) && has(unit, /expert_parms\./), describe: complete((unit) => {
    const [E] = [...unit.tensors].find(([n]) => /expert_parms\.\d+$/.test(n))?.[1] ?? [];
    return { kind: 'wemoe', title: 'Weight-ensembling MoE', granularity: 'example', composition: 'parameters', experts: numbers(E ?? null, 'task vector'), says: `This is a weight-ensembling mixture: for each text a small gate gives ${E ?? 'several'} task vectors signed weights without a softmax, and the parameters are added with them. ${NOT_YET}` };
  }) },
  { test: isMixture, describe: complete((unit) => {
    const E = mixtureExperts(unit);
    return { kind: 'moe', title: 'Mixture of experts', router: 'native', granularity: 'token', composition: 'outputs', experts: E === null ? [] : Array.from({ length: E }, (_, e) => String(e)), says: `This is a mixture of experts${E === null ? '' : ` with ${E} experts a layer`}: each layer's gate sends every token to a few of them. Its own gates can be followed where its family is built.` };
  }) },
  { test: (unit) => has(unit, /previous_prompts_keys|prompts_keys_till_now|trans_input/) || [...unit.fileNames].some((f) => /^(previous_prompts_keys|prompts_keys_till_now|trans_input)/.test(f)), describe: complete(() => ({ kind: 'sapt', title: 'SAPT', granularity: 'example', composition: 'outputs', experts: [], says: `This is SAPT: one attention over learned task keys, from the text's embeddings alone, gives all layers the same weights of the LoRAs. ${NOT_YET} Its .pkl files are never opened, because a pickle can run code.` })) },
  { test: (unit) => has(unit, /adapter_task_embedding/) && has(unit, /param_gen/), describe: complete((unit) => {
    const [tasks] = [...unit.tensors].find(([n]) => n.includes('adapter_task_embedding'))?.[1] ?? [];
    return { kind: 'pha', title: 'PHA (prototype-based hyper-adapter)', granularity: 'task', composition: 'none', experts: numbers(tasks ?? null, 'task'), says: `This is PHA: a hyper-network makes an adapter per task and layer from ${tasks ?? 'several'} task prototypes; the task is given, so that there is no routing by token. ${NOT_YET}` };
  }) },
  { test: (unit) => has(unit, /hx_proj/) && has(unit, /q_router\.temp/), describe: complete(() => ({ kind: 'seqboat', title: 'SeqBoat', granularity: 'token', composition: 'none', experts: ['off', 'on'], says: `This is SeqBoat: in every layer a token's attention module is switched on or off. ${NOT_YET}` })) },
  byTensors(/\.prompt_params$/, () => ({ kind: 'warp', title: 'WARP', granularity: 'static', composition: 'none', experts: [], says: 'This is WARP: trained prompt and class vectors that are the same for every text; nothing is routed. Tensors and sizes can be looked at.' })),
  byTensors(/(?:^|\.)connector\.\d+\.weight$/, (unit) => {
    const connectors = [...unit.tensors.keys()].filter((n) => /(?:^|\.)connector\.\d+\.weight$/.test(n)).length;
    return { kind: 'ep-alm', title: 'eP-ALM', granularity: 'static', composition: 'none', experts: numbers(connectors, 'connector'), says: `This is eP-ALM: ${connectors} connectors bring layers of an image model into fixed layers of a language model; the wiring is the same for every text. ${NOT_YET}` };
  }),
  byTensors(/loranew_A/, () => ({ kind: 'o-lora', title: 'O-LoRA', granularity: 'static', composition: 'outputs', experts: [], says: `This is O-LoRA: tasks learned one after the other in orthogonal ranks of one LoRA, all active at once; where one task's ranks end is not written in the file. ${NOT_YET}` })),
];

type Facts = Omit<RoutableKind, 'router' | 'complete'> & { readonly router?: RoutableKind['router'] };

function complete(describe: (unit: Unit) => Facts): (unit: Unit) => RoutableKind {
  return (unit) => {
    const facts = describe(unit), damaged = unit.unreadable.length > 0;
    const remark = damaged ? ` ${unit.unreadable.length === 1 ? 'One file' : `${unit.unreadable.length} files`} beside it could not be read (${shortList(unit.unreadable.map((u) => u.file))}).` : '';
    return { router: null, ...facts, says: facts.says + remark, complete: !damaged };
  };
}
function byTensors(pattern: RegExp, describe: (unit: Unit) => Facts): Detector {
  return { test: (unit) => has(unit, pattern), describe: complete(describe) };
}
function has(unit: Unit, pattern: RegExp): boolean {
  for (const name of unit.tensors.keys()) if (pattern.test(name)) return true;
  return false;
}

/** `mlp.gate.weight` without experts is no router, and `gate_proj` never is. */
function isMixture(unit: Unit): boolean {
  if (has(unit, /block_sparse_moe\.(?:gate|router)\.|\.e_score_correction_bias$|\.mlp\.router\.(?:weight|classifier\.weight)$/)) return true;
  return has(unit, /\.mlp\.gate\.weight$/) && has(unit, /\.experts\./);
}
function mixtureExperts(unit: Unit): number | null {
  for (const [name, shape] of unit.tensors) if (/(?:block_sparse_moe\.gate|block_sparse_moe\.router\.layer|\.mlp\.gate|\.mlp\.router|\.router\.classifier)\.weight$/.test(name) && shape.length === 2) return shape[0];
  return null;
}

function gating(unit: Unit): readonly [string, RoutableKind['granularity'], string] {
  if (has(unit, /adapter_gating_large/)) return ['large', 'token', 'one gate per token and channel'];
  if (has(unit, /adapter_gating_middle_xy/)) return ['middleX', 'token', 'one gate per token'];
  if (has(unit, /adapter_gating_middle/)) return ['middleY', 'static', 'one gate per channel, the same for every text'];
  return ['small', 'example', 'one gate per text'];
}

/** Experts that are named by numbers; settings and shapes may claim anything. */
const MAX_NAMED = 1024;
function numbers(count: number | null, what: string): readonly string[] {
  return count === null || count > MAX_NAMED ? [] : Array.from({ length: count }, (_, i) => `${what} ${i}`);
}
function whole(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : null;
}
function shortList(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}
