import type { BoundModel } from '../architecture/resolve';
import { readTensor } from '../checkpoint/readTensor';
import { floats } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import { controlFactors } from './controls';
import type { LinearPart, ModuleParts } from './parts';
import { linearFinder } from './sites';
import type { BindOptions, LoraModule, LoweredModule } from './types';

type LoraFacts = Pick<LoraModule, 'path' | 'sites'>;

/** Reads the factors and finds each one's linear map by its tensor name. A factor without a map, or of another width, is an input error. */
export async function bindLora(module: LoraFacts, model: BoundModel, { strength, control, prefix }: BindOptions): Promise<ModuleParts> {
  const linears = new Map<string, LinearPart[]>(), find = linearFinder(model);
  for (const [i, site] of module.sites.entries()) {
    const spec = find(site.target), { rank } = site;
    if (!spec) throw failure('module/no-site', { path: module.path, target: site.target });
    if (site.a.shape[1] !== spec.inWidth) throw failure('module/shape', { path: module.path, tensor: site.a.name, expected: `${rank}, ${spec.inWidth}`, found: site.a.shape.join(', ') });
    if (site.b.shape[0] !== spec.outWidth) throw failure('module/shape', { path: module.path, tensor: site.b.name, expected: `${spec.outWidth}, ${rank}`, found: site.b.shape.join(', ') });
    const learned = { a: await readTensor(site.a), b: await readTensor(site.b) }, { a, b } = control ? controlFactors(learned, rank, control, site.target) : learned;
    const name = (part: string): string => `${prefix}${i}.${part}`;
    const part: LinearPart = {
      inputs: { [name('a')]: floats([rank, spec.inWidth], a), [name('b')]: floats([spec.outWidth, rank], b), [name('strength')]: floats([1], Float32Array.of(strength * site.scaling)) },
      add: (builder, { inWidth, outWidth }, x) => {
        const inner = builder.gemm(x, builder.input(name('a'), 'float32', [rank, inWidth]), { transposed: true, width: rank });
        return builder.mul(builder.gemm(inner, builder.input(name('b'), 'float32', [outWidth, rank]), { transposed: true, width: outWidth }), builder.input(name('strength'), 'float32', [1]));
      },
    };
    linears.set(spec.weight, [...(linears.get(spec.weight) ?? []), part]);
  }
  return { linears };
}

/** The factors as they are. */
export async function lowerLora(module: LoraFacts): Promise<LoweredModule> {
  const sites = await Promise.all(module.sites.map(async (site) => ({ target: site.target, a: await readTensor(site.a), b: await readTensor(site.b), rank: site.rank, scaling: site.scaling, inWidth: site.a.shape[1], outWidth: site.b.shape[0], energy: 1 })));
  return { sites, left: [] };
}
