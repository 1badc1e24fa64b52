import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { floats, type HostTensor } from '../graph/hostTensor';
import { failure } from '../protocol/errors';
import { controlEntries } from './controls';
import { bindSites, contentOf, requireTensor, targetsOf } from './linearKind';
import type { LinearPart } from './parts';
import { expectShape, type PeftFolder, positive } from './peftFolder';
import { productNorm } from './shuffle';
import type { BindOptions, LoweredModule, LoweredSite, ModuleSite, PluggedModule } from './types';
import { linearFinder } from './sites';

interface VeraSite extends ModuleSite {
  /** `[out]` */
  readonly out: TensorInfo;
  /** `[rank]` */
  readonly inner: TensorInfo;
}

/** The projections that all sites share, cut to each site's widths. */
class Projections {
  private readonly cuts = new Map<string, HostTensor>();
  constructor(private readonly a: Float32Array, private readonly b: Float32Array, readonly rank: number, private readonly widest: number) {}

  /** The first `width` columns of A `[rank, width]`. */
  reading(width: number): HostTensor {
    return this.kept(`a${width}`, () => {
      const out = new Float32Array(this.rank * width);
      for (let r = 0; r < this.rank; r++) out.set(this.a.subarray(r * this.widest, r * this.widest + width), r * width);
      return floats([this.rank, width], out);
    });
  }
  /** The first `width` rows of B `[width, rank]`. */
  writing(width: number): HostTensor {
    return this.kept(`b${width}`, () => floats([width, this.rank], this.b.slice(0, width * this.rank)));
  }

  private kept(key: string, make: () => HostTensor): HostTensor {
    const tensor = this.cuts.get(key) ?? make();
    this.cuts.set(key, tensor);
    return tensor;
  }
}

/**
 * VeRA (arXiv 2310.11454): y += b * (B (d * (A x))) with one random pair A, B for all sites. Only folders that hold the pair are read: PEFT can also make it
 * again from a seed of torch's random numbers, which nothing but torch gives.
 */
export function readVera(folder: PeftFolder): PluggedModule {
  const { path } = folder, a = folder.tensors.get('vera_A'), b = folder.tensors.get('vera_B'), rank = positive(folder, 'r', 256);
  if (!a || !b) throw failure('module/unsupported-part', { path, part: a ? 'vera_B' : 'vera_A', reason: 'the folder holds no projections (save_projection was false), and only torch\'s random numbers give them again; save the module again with save_projection=True' });
  expectShape(path, a, [rank, null]);
  expectShape(path, b, [null, rank]);
  const { targets, whole, extras } = targetsOf(folder, ['vera_lambda_b', 'vera_lambda_d'], ['vera_A', 'vera_B']);
  const sites = targets.map((found): VeraSite => {
    const site = { target: found.target, out: requireTensor(path, found, 'vera_lambda_b'), inner: requireTensor(path, found, 'vera_lambda_d') };
    expectShape(path, site.inner, [rank]);
    return site;
  });
  const content = contentOf(folder, 'vera', sites, whole), read = async (): Promise<Projections> => new Projections(await readTensor(a), await readTensor(b), rank, a.shape[1]);
  return {
    ...folder.facts, kind: 'vera', rank, sites, extras,
    bind: async (model: BoundModel, options) => {
      const shared = await read();
      return bindSites(content, model, options, (site, spec, id) => veraPart(path, site, spec, shared, id, options));
    },
    lower: async (model): Promise<LoweredModule> => {
      const shared = await read(), find = linearFinder(model), lowered: LoweredSite[] = [];
      for (const site of sites) {
        const spec = find(site.target);
        if (!spec) throw failure('module/no-site', { path, target: site.target });
        checkSite(path, site, spec, a, b);
        lowered.push({ target: site.target, ...factorsAt(shared, spec, await readTensor(site.out), await readTensor(site.inner)), rank, scaling: 1, inWidth: spec.inWidth, outWidth: spec.outWidth, energy: 1 });
      }
      return { sites: lowered, left: whole.map(({ name }) => ({ name, reason: 'a weight of the base saved whole is no low-rank update' })) };
    },
  };

  async function veraPart(at: string, site: VeraSite, spec: LinearSpec, shared: Projections, id: string, { strength, control, prefix }: BindOptions): Promise<LinearPart> {
    checkSite(at, site, spec, a as TensorInfo, b as TensorInfo);
    const learned = { out: await readTensor(site.out), inner: await readTensor(site.inner) }, { inWidth, outWidth } = spec;
    const drawn = control ? { out: controlEntries(learned.out, control, `${site.target}.b`), inner: controlEntries(learned.inner, control, `${site.target}.d`) } : learned;
    const size = (x: typeof learned): number => { const f = factorsAt(shared, spec, x.out, x.inner); return productNorm(f.a, f.b, rank); };
    const after = control ? size(drawn) : 1, factor = control ? (after > 0 ? size(learned) / after : 0) : 1;
    const reading = `${prefix}A${inWidth}`, writing = `${prefix}B${outWidth}`;
    return {
      inputs: { [reading]: shared.reading(inWidth), [writing]: shared.writing(outWidth), [`${id}d`]: floats([rank], drawn.inner), [`${id}b`]: floats([outWidth], drawn.out.map((x) => strength * factor * x)) },
      add: (g, _spec, x) => {
        const inner = g.mul(g.gemm(x, g.input(reading, 'float32', [rank, inWidth]), { transposed: true, width: rank }), g.input(`${id}d`, 'float32', [rank]));
        return g.mul(g.gemm(inner, g.input(writing, 'float32', [outWidth, rank]), { transposed: true, width: outWidth }), g.input(`${id}b`, 'float32', [outWidth]));
      },
    };
  }
}

function checkSite(path: string, site: VeraSite, spec: LinearSpec, a: TensorInfo, b: TensorInfo): void {
  expectShape(path, site.out, [spec.outWidth]);
  if (a.shape[1] < spec.inWidth) throw failure('module/shape', { path, tensor: a.name, expected: `${a.shape[0]}, at least ${spec.inWidth}`, found: a.shape.join(', ') });
  if (b.shape[0] < spec.outWidth) throw failure('module/shape', { path, tensor: b.name, expected: `at least ${spec.outWidth}, ${b.shape[1]}`, found: b.shape.join(', ') });
}

/** The site's update as factors: A's rows times d, B's rows times b. */
function factorsAt(shared: Projections, { inWidth, outWidth }: LinearSpec, out: Float32Array, inner: Float32Array): { readonly a: Float32Array; readonly b: Float32Array } {
  const { rank } = shared, a = Float32Array.from(shared.reading(inWidth).data as Float32Array), b = Float32Array.from(shared.writing(outWidth).data as Float32Array);
  for (let r = 0; r < rank; r++) for (let i = 0; i < inWidth; i++) a[r * inWidth + i] *= inner[r];
  for (let o = 0; o < outWidth; o++) for (let r = 0; r < rank; r++) b[o * rank + r] *= out[o];
  return { a, b };
}
