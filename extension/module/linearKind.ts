import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { failure } from '../protocol/errors';
import { factorsOf } from './denseFactors';
import type { LinearPart, ModuleParts } from './parts';
import { keepsTies, listOf, type PeftFolder, unreadable } from './peftFolder';
import { bindSaved, savedExtras, type WholeTensor, wholeTensors } from './saved';
import { headTarget, linearFinder, mapFinder, unusedTarget } from './sites';
import type { BindOptions, LoweredModule, LoweredSite, LowerOptions, ModuleExtra, ModuleSite } from './types';

/** Tensors of one target by their part ("hada_w1_a"). */
export interface TargetTensors extends ModuleSite {
  readonly tensors: Readonly<Partial<Record<string, TensorInfo>>>;
}

/** What a folder of a kind that acts at linear maps holds. */
export interface LinearContent<S extends ModuleSite> {
  readonly path: string;
  readonly kind: string;
  readonly sites: readonly S[];
  readonly whole: readonly WholeTensor[];
  readonly copies: readonly string[];
  readonly keepTies: boolean;
}

/** Sorts a folder's tensors into targets by the names of their parts; the rest are weights of the base saved whole. */
export function targetsOf(folder: PeftFolder, parts: readonly string[], shared: readonly string[] = []): { readonly targets: readonly TargetTensors[]; readonly whole: readonly WholeTensor[]; readonly extras: readonly ModuleExtra[] } {
  const targets = new Map<string, Record<string, TensorInfo>>(), rest = new Map<string, TensorInfo>();
  for (const [name, tensor] of folder.tensors) {
    const bare = name.replace(/\.default(?=\.|$)/, ''), at = bare.lastIndexOf('.'), part = bare.slice(at + 1);
    if (shared.includes(bare)) continue;
    if (at > 0 && parts.includes(part)) targets.set(bare.slice(0, at), { ...targets.get(bare.slice(0, at)), [part]: tensor });
    else rest.set(bare, tensor);
  }
  if (targets.size === 0) throw unreadable(folder.path, `it holds none of the tensors of its kind (${parts.join(', ')})`);
  const whole = wholeTensors(rest);
  return { targets: [...targets].map(([target, tensors]) => ({ target, tensors })), whole, extras: savedExtras(whole) };
}

/** Content of such a folder for {@link bindSites}. */
export function contentOf<S extends ModuleSite>(folder: PeftFolder, kind: string, sites: readonly S[], whole: readonly WholeTensor[]): LinearContent<S> {
  return { path: folder.path, kind, sites, whole, copies: listOf(folder.config['modules_to_save']), keepTies: keepsTies(folder.config) };
}

/** A tensor that a target must have. @throws module/unreadable */
export function requireTensor(path: string, { target, tensors }: TargetTensors, part: string): TensorInfo {
  const tensor = tensors[part];
  if (!tensor) throw unreadable(path, `"${target}" lacks "${part}"`);
  return tensor;
}

/** Parts of every site by its map. @throws module/no-site, module/unsupported-part for the decoder */
export async function bindSites<S extends ModuleSite>(module: LinearContent<S>, model: BoundModel, options: BindOptions, part: (site: S, spec: LinearSpec, id: string) => Promise<LinearPart>): Promise<ModuleParts> {
  const linears = new Map<string, LinearPart[]>(), find = mapFinder(model), unused: string[] = [], saved = await bindSaved(module.whole, module, model, options);
  for (const [i, site] of module.sites.entries()) {
    const spec = find(site.target);
    if (spec) linears.set(spec.weight, [...(linears.get(spec.weight) ?? []), await part(site, spec, `${options.prefix}${i}.`)]);
    else if (headTarget(site.target, model)) throw failure('module/unsupported-part', { path: module.path, part: site.target, reason: `${module.kind} of a decoder is not run; only LoRA is` });
    else if (unusedTarget(site.target, model)) unused.push(site.target);
    else throw failure('module/no-site', { path: module.path, target: site.target });
  }
  const remarks = [...(saved.remarks ?? []), ...(unused.length > 0 ? [`The module also changes ${unused.join(', ')}; nothing that is computed here depends on it.`] : [])];
  return { linears, ...saved, ...(remarks.length > 0 ? { remarks } : {}) };
}

/** Factors of every site from its whole update `[out, in]`. */
export async function lowerDense<S extends ModuleSite>(module: LinearContent<S>, model: BoundModel, options: LowerOptions, update: (site: S, spec: LinearSpec, weight: () => Promise<Float32Array>) => Promise<Float32Array>, left: LoweredModule['left'] = []): Promise<LoweredModule> {
  const find = linearFinder(model), sites: LoweredSite[] = [];
  for (const site of module.sites) {
    const spec = find(site.target);
    if (!spec) throw failure('module/no-site', { path: module.path, target: site.target });
    const dense = await update(site, spec, () => readTensor(model.tensor(spec.weight)));
    sites.push({ target: site.target, ...factorsOf(dense, spec.outWidth, spec.inWidth, options.rank) });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { sites, left: [...left, ...module.whole.map(({ name }) => ({ name, reason: 'a weight of the base saved whole is no low-rank update' }))] };
}

