import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { BLOCK_INPUTS } from '../graph/block';
import { floats } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import type { HubFolder, HubMethod } from './adapterHub';
import { controlEntries, controlFactors } from './controls';
import type { LinearPart, ModuleParts } from './parts';
import { expectShape, isOff, type Json, listOf, numberOr, refuseFlags, unreadable } from './peftFolder';
import { linearFinder } from './sites';
import type { BindOptions, LoweredSite } from './types';

interface HubSite {
  readonly target: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** Last release whose LoRAs were trained without the factor alpha / r, and must be read with 1 (adapters pull request 770). */
const SCALED_SINCE = [1, 1, 0];

/**
 * LoRA of the library `adapters`, and its IA3 (`composition_mode: "scale"`). With gates the mean over the text of sigmoid(x W^T + b) takes the place of
 * alpha / r. GPT-2's fused map holds factors of the parts that `attn_matrices` names, one block of rows each.
 */
export function readHubLora(folder: HubFolder, config: Json, version: unknown): HubMethod {
  const { path } = folder, scales = config['composition_mode'] === 'scale', gated = config['use_gating'] === true;
  refuseFlags({ path, config }, [{ flag: 'use_dora', harmless: isOff }, { flag: 'vera_d', harmless: isOff }, { flag: 'vera_b', harmless: isOff }]);
  if (scales && gated) throw failure('module/unsupported-flag', { path, flag: 'use_gating', value: 'true together with composition_mode "scale"' });
  const r = numberOr(config, 'r', 8), alpha = faulty(version) ? r : numberOr(config, 'alpha', 8), matrices = listOf(config['attn_matrices'] ?? ['q', 'v']), sites = sitesOf(folder, scales);
  const scaling = scales ? alpha : alpha / r;
  const lowered = async (model: BoundModel): Promise<LoweredSite[]> => {
    const find = linearFinder(model), out: LoweredSite[] = [];
    for (const site of sites) {
      const spec = find(site.target);
      if (!spec) throw failure('module/no-site', { path, target: site.target });
      const { a, b, rank } = await factorsAt(path, site, spec, r, matrices, model);
      out.push({ target: site.target, a, b, rank, scaling, inWidth: spec.inWidth, outWidth: spec.outWidth, energy: 1 });
    }
    return out;
  };
  return {
    kind: scales ? 'ia3' : 'lora', rank: scales ? null : r, sites: sites.map(({ target }) => ({ target })),
    bind: async (model: BoundModel, options: BindOptions): Promise<ModuleParts> => {
      const linears = new Map<string, LinearPart[]>(), find = linearFinder(model);
      for (const [i, site] of sites.entries()) {
        const spec = find(site.target), id = `${options.prefix}${i}.`;
        if (!spec) throw failure('module/no-site', { path, target: site.target });
        const part = scales ? await scalePart(path, site, spec, scaling, matrices, model, id, options) : await factorPart(path, site, spec, gated ? null : scaling, r, matrices, model, id, options);
        linears.set(spec.weight, [...(linears.get(spec.weight) ?? []), part]);
      }
      return { linears, ...(gated ? { averages: true } : {}) };
    },
    ...(scales || gated ? {} : { lower: async (model: BoundModel) => ({ sites: await lowered(model), left: [] }) }),
  };
}

function faulty(version: unknown): boolean {
  const match = typeof version === 'string' ? /^adapters\.(\d+)\.(\d+)\.(\d+)/.exec(version) : null;
  if (!match) return false;
  const at = SCALED_SINCE.findIndex((n, i) => Number(match[i + 1]) !== n);
  return at >= 0 && Number(match[at + 1]) < SCALED_SINCE[at];
}

function sitesOf(folder: HubFolder, scales: boolean): readonly HubSite[] {
  const sites = new Map<string, Map<string, TensorInfo>>();
  for (const { owner, slot, part, tensor } of folder.tensors) {
    if (slot !== 'loras') continue;
    if (!['lora_A', 'lora_B', 'gate.weight', 'gate.bias'].includes(part)) throw failure('module/unsupported-part', { path: folder.path, part: tensor.name, reason: 'it is no factor and no gate of a LoRA' });
    sites.set(owner, (sites.get(owner) ?? new Map<string, TensorInfo>()).set(part, tensor));
  }
  if (sites.size === 0) throw unreadable(folder.path, 'it holds no LoRA factors, though its settings describe them');
  for (const [target, tensors] of sites) for (const part of scales ? ['lora_B'] : ['lora_A', 'lora_B']) if (!tensors.has(part)) throw unreadable(folder.path, `"${target}" lacks "${part}"`);
  return [...sites].map(([target, tensors]) => ({ target, tensors }));
}

/** Which of q, k and v a fused map's factors are for; null for maps that hold one part. */
function fusedParts(spec: LinearSpec, model: BoundModel, matrices: readonly string[]): readonly number[] | null {
  const block = model.spec.stacks[0].blocks.find(({ attention: { qkv } }) => qkv.kind === 'fused' && qkv.arrangement === 'concat' && qkv.linear.weight === spec.weight);
  if (!block || block.attention.heads !== block.attention.kvHeads) return null;
  return ['q', 'k', 'v'].flatMap((name, i) => (matrices.includes(name) ? [i] : []));
}

/** Factors of the whole map: those of a fused one are put where its parts are. */
async function factorsAt(path: string, { tensors }: HubSite, spec: LinearSpec, r: number, matrices: readonly string[], model: BoundModel): Promise<{ readonly a: Float32Array; readonly b: Float32Array; readonly rank: number; readonly groups: number }> {
  const left = tensors.get('lora_A') as TensorInfo, right = tensors.get('lora_B') as TensorInfo, parts = fusedParts(spec, model, matrices);
  if (!parts) {
    expectShape(path, left, [r, spec.inWidth]);
    expectShape(path, right, [spec.outWidth, r]);
    return { a: await readTensor(left), b: await readTensor(right), rank: r, groups: 1 };
  }
  const third = spec.outWidth / 3, rank = r * parts.length, own = await readTensor(right), b = new Float32Array(spec.outWidth * rank);
  expectShape(path, left, [rank, spec.inWidth]);
  expectShape(path, right, [third * parts.length, r]);
  for (const [g, part] of parts.entries()) for (let o = 0; o < third; o++) b.set(own.subarray((g * third + o) * r, (g * third + o + 1) * r), (part * third + o) * rank + g * r);
  return { a: await readTensor(left), b, rank, groups: parts.length };
}

async function factorPart(path: string, site: HubSite, spec: LinearSpec, scaling: number | null, r: number, matrices: readonly string[], model: BoundModel, id: string, { strength, control }: BindOptions): Promise<LinearPart> {
  const { rank, groups, ...learned } = await factorsAt(path, site, spec, r, matrices, model), { a, b } = control ? controlFactors(learned, rank, control, site.target) : learned, { inWidth, outWidth } = spec;
  const inputs = { [`${id}a`]: floats([rank, inWidth], a), [`${id}b`]: floats([outWidth, rank], b), [`${id}strength`]: floats([1], Float32Array.of(strength * (scaling ?? 1))) };
  const weight = site.tensors.get('gate.weight'), bias = site.tensors.get('gate.bias');
  if (scaling === null) {
    if (!weight || !bias) throw unreadable(path, `"${site.target}" lacks its gate`);
    expectShape(path, weight, [groups, inWidth]);
    expectShape(path, bias, [groups]);
    // Row g: ones at the columns of group g.
    const spread = new Float32Array(groups * rank);
    for (let g = 0; g < groups; g++) spread.fill(1, g * rank + g * r, g * rank + (g + 1) * r);
    Object.assign(inputs, { [`${id}gate.weight`]: floats([groups, inWidth], await readTensor(weight)), [`${id}gate.bias`]: floats([groups], await readTensor(bias)), [`${id}spread`]: floats([groups, rank], spread) });
  }
  return {
    inputs,
    add: (g, _spec, x) => {
      let inner = g.gemm(x, g.input(`${id}a`, 'float32', [rank, inWidth]), { transposed: true, width: rank });
      if (scaling === null) {
        const open = g.unary('Sigmoid', g.gemm(x, g.input(`${id}gate.weight`, 'float32', [groups, inWidth]), { transposed: true, width: groups, bias: g.input(`${id}gate.bias`, 'float32', [groups]) }));
        const mean = g.matmul(g.input(BLOCK_INPUTS.sequenceMean, 'float32', ['tokens', 'tokens']), open, ['tokens', groups]);
        inner = g.mul(inner, g.gemm(mean, g.input(`${id}spread`, 'float32', [groups, rank]), { transposed: false, width: rank }));
      }
      return g.mul(g.gemm(inner, g.input(`${id}b`, 'float32', [outWidth, rank]), { transposed: true, width: outWidth }), g.input(`${id}strength`, 'float32', [1]));
    },
  };
}

async function scalePart(path: string, site: HubSite, spec: LinearSpec, scaling: number, matrices: readonly string[], model: BoundModel, id: string, { strength, control }: BindOptions): Promise<LinearPart> {
  const tensor = site.tensors.get('lora_B') as TensorInfo, parts = fusedParts(spec, model, matrices), { outWidth } = spec, third = outWidth / 3, name = `${id}scales`;
  expectShape(path, tensor, [parts ? third * parts.length : outWidth, 1]);
  const learned = await readTensor(tensor), own = control ? controlEntries(learned, control, site.target) : learned, l = new Float32Array(outWidth).fill(1);
  if (parts) for (const [g, part] of parts.entries()) l.set(own.subarray(g * third, (g + 1) * third), part * third);
  else l.set(own);
  return { inputs: { [name]: floats([outWidth], l.map((x) => 1 + strength * (x * scaling - 1))) }, scale: (g) => g.input(name, 'float32', [outWidth]) };
}
