import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { floats } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import { controlEntries, controlFactors } from './controls';
import { factorsOf } from './denseFactors';
import { changedRowNorms, denseUpdate, doraDelta } from './dora';
import type { HeadFactors, LinearPart, ModuleParts, RowFactors, SavedTensor } from './parts';
import { expectShape } from './peftFolder';
import { bindSaved, type WholeTensor } from './saved';
import { headTarget, linearFinder, mapFinder, tokenTarget, unusedTarget } from './sites';
import type { BindOptions, EmbeddingSite, LoraSite, LoweredModule, LoweredSite, LowerOptions } from './types';

/** What a LoRA folder holds, sorted. */
export interface LoraContent {
  readonly path: string;
  readonly sites: readonly LoraSite[];
  readonly embeddings: readonly EmbeddingSite[];
  readonly whole: readonly WholeTensor[];
  readonly copies: readonly string[];
  readonly keepTies: boolean;
}

/** Reads the factors and finds each one's linear map by its tensor name. A factor without a map, or of another width, is an input error. */
export async function bindLora(module: LoraContent, model: BoundModel, options: BindOptions): Promise<ModuleParts> {
  const linears = new Map<string, LinearPart[]>(), find = mapFinder(model), head: HeadFactors[] = [], unused: string[] = [];
  const saved = await bindSaved(module.whole, module, model, options);
  for (const [i, site] of module.sites.entries()) {
    const id = `${options.prefix}${i}.`, spec = find(site.target);
    if (spec) linears.set(spec.weight, [...(linears.get(spec.weight) ?? []), await linearPart(module.path, site, spec, model, id, options, saved.saved)]);
    else if (headTarget(site.target, model)) head.push(await headPart(module.path, site, model, id, options));
    else if (unusedTarget(site.target, model)) unused.push(site.target);
    else throw failure('module/no-site', { path: module.path, target: site.target });
  }
  const tokens: RowFactors[] = [];
  for (const site of module.embeddings) {
    if (!tokenTarget(site.target, model)) throw failure('module/no-site', { path: module.path, target: site.target });
    tokens.push(await rowFactors(module.path, site, model, options));
  }
  const remarks = [...(saved.remarks ?? []), ...(unused.length > 0 ? [`The module also changes ${unused.join(', ')}; nothing that is computed here depends on it.`] : [])];
  return { linears, ...saved, ...(head.length > 0 ? { head } : {}), ...(tokens.length > 0 ? { tokens } : {}), ...(remarks.length > 0 ? { remarks } : {}) };
}

async function factors(site: EmbeddingSite, control: BindOptions['control']): Promise<{ readonly a: Float32Array; readonly b: Float32Array }> {
  const learned = { a: await readTensor(site.a), b: await readTensor(site.b) };
  return control ? controlFactors(learned, site.rank, control, site.target) : learned;
}

async function linearPart(path: string, site: LoraSite, spec: LinearSpec, model: BoundModel, id: string, { strength, control }: BindOptions, saved: ReadonlyMap<string, SavedTensor> | undefined): Promise<LinearPart> {
  const { rank } = site, { inWidth, outWidth } = spec, scaling = strength * site.scaling;
  expectShape(path, site.a, [rank, inWidth]);
  expectShape(path, site.b, [outWidth, rank]);
  const { a, b } = await factors(site, control), shared = { [`${id}a`]: floats([rank, inWidth], a), [`${id}b`]: floats([outWidth, rank], b) };
  const product: NonNullable<LinearPart['add']> = (builder, _spec, x) => {
    const inner = builder.gemm(x, builder.input(`${id}a`, 'float32', [rank, inWidth]), { transposed: true, width: rank });
    return builder.gemm(inner, builder.input(`${id}b`, 'float32', [outWidth, rank]), { transposed: true, width: outWidth });
  };
  if (site.magnitude) {
    expectShape(path, site.magnitude, [outWidth]);
    const magnitude = await magnitudes(site, spec, model, { a, b }, control), name = spec.bias === undefined ? undefined : model.tensor(spec.bias).name;
    const bias = name === undefined ? undefined : await readTensor(saved?.get(name)?.tensor ?? model.tensor(name));
    return {
      inputs: { ...shared, [`${id}rest`]: floats([outWidth], magnitude.map((c) => strength * (c - 1))), [`${id}scale`]: floats([outWidth], magnitude.map((c) => scaling * c)), ...(bias ? { [`${id}bias`]: floats([outWidth], bias) } : {}) },
      add: (builder, s, x, y) => {
        const vector = (part: string) => builder.input(`${id}${part}`, 'float32', [outWidth]), plain = bias ? builder.sub(y, vector('bias')) : y;
        return builder.add(builder.mul(plain, vector('rest')), builder.mul(product(builder, s, x, y), vector('scale')));
      },
    };
  }
  if (site.bias) expectShape(path, site.bias, [outWidth]);
  const learned = site.bias ? await readTensor(site.bias) : null, bias = learned && control ? controlEntries(learned, control, `${site.target}.bias`) : learned;
  return {
    inputs: { ...shared, [`${id}strength`]: floats([1], Float32Array.of(scaling)), ...(bias ? { [`${id}bias`]: floats([outWidth], bias) } : {}) },
    add: (builder, s, x, y) => {
      const update = product(builder, s, x, y);
      return builder.mul(bias ? builder.add(update, builder.input(`${id}bias`, 'float32', [outWidth])) : update, builder.input(`${id}strength`, 'float32', [1]));
    },
  };
}

/** DoRA's m / ||W + s B A|| of each row; of a random module m keeps its mean way from ||W||, entries mixed. */
async function magnitudes(site: LoraSite, spec: LinearSpec, model: BoundModel, learned: { readonly a: Float32Array; readonly b: Float32Array }, control: BindOptions['control']): Promise<Float32Array> {
  const magnitude = await readTensor(site.magnitude as TensorInfo), weight = await readTensor(model.tensor(spec.weight)), norms = await changedRowNorms(weight, spec, { ...learned, rank: site.rank }, site.scaling);
  if (!control) return magnitude.map((m, o) => m / norms[o]);
  const before = await changedRowNorms(weight, spec, null, 0), moved = controlEntries(magnitude.map((m, o) => m - before[o]), control, `${site.target}.magnitude`);
  return moved.map((d, o) => (before[o] + d) / norms[o]);
}

async function headPart(path: string, site: LoraSite, model: BoundModel, id: string, { strength, control }: BindOptions): Promise<HeadFactors> {
  const { head } = model.spec;
  if (!head) throw failure('module/no-site', { path, target: site.target });
  if (site.magnitude || site.bias) throw failure('module/unsupported-flag', { path, flag: site.magnitude ? 'use_dora' : 'lora_bias', value: `true for the decoder "${site.target}"` });
  const { inWidth } = head.decoder, rows = model.tensor(head.decoder.weight).shape[0];
  expectShape(path, site.a, [site.rank, inWidth]);
  expectShape(path, site.b, [rows, site.rank]);
  return { id, ...(await factors(site, control)), rank: site.rank, inWidth, scaling: strength * site.scaling };
}

async function rowFactors(path: string, site: EmbeddingSite, model: BoundModel, { strength, control }: BindOptions): Promise<RowFactors> {
  const { width } = model.spec.stacks[0].embedding;
  expectShape(path, site.a, [site.rank, null]);
  expectShape(path, site.b, [width, site.rank]);
  return { ...(await factors(site, control)), rank: site.rank, rows: site.a.shape[1], width, scaling: strength * site.scaling };
}

/** The factors as they are; those of a DoRA by the whole change of each weight, which no pair of factors gives exactly. */
export async function lowerLora(module: LoraContent, model: BoundModel, options: LowerOptions): Promise<LoweredModule> {
  const sites: LoweredSite[] = [], find = linearFinder(model), left: { readonly name: string; readonly reason: string }[] = [];
  for (const site of module.sites) {
    const a = await readTensor(site.a), b = await readTensor(site.b), inWidth = site.a.shape[1], outWidth = site.b.shape[0], { target, rank, scaling } = site;
    if (site.bias) left.push({ name: `${target}.lora_B.bias`, reason: 'a bias is no low-rank update' });
    if (!site.magnitude) sites.push({ target, a, b, rank, scaling, inWidth, outWidth, energy: 1 });
    else {
      const spec = find(target);
      if (!spec) throw failure('module/no-site', { path: module.path, target });
      const weight = await readTensor(model.tensor(spec.weight)), update = await denseUpdate({ a, b, rank, inWidth, outWidth }, scaling);
      sites.push({ target, ...factorsOf(doraDelta(weight, spec, update, await readTensor(site.magnitude)), outWidth, inWidth, options.rank) });
    }
  }
  return { sites, left: [...left, ...module.embeddings.map(({ target }) => ({ name: target, reason: 'factors of an embedding belong to one vocabulary' })), ...module.whole.map(({ name }) => ({ name, reason: 'a weight of the base saved whole is no low-rank update' }))] };
}
