import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { floats } from '../graph/hostTensor';
import { controlEntries } from './controls';
import { bindSites, contentOf, lowerDense, requireTensor, targetsOf } from './linearKind';
import type { LinearPart } from './parts';
import { expectShape, type PeftFolder, unreadable } from './peftFolder';
import type { BindOptions, ModuleSite, PluggedModule } from './types';

interface Ia3Site extends ModuleSite {
  readonly scales: TensorInfo;
  /** Scales what the map reads (feedforward_modules), not what it gives. */
  readonly reads: boolean;
}

/** IA3 (arXiv 2205.05638): a learned factor on each feature that a map reads, or gives with its bias. At strength s the factor is 1 + s (l - 1). */
export function readIa3(folder: PeftFolder): PluggedModule {
  const { targets, whole, extras } = targetsOf(folder, ['ia3_l']);
  const sites = targets.map((found): Ia3Site => {
    const scales = requireTensor(folder.path, found, 'ia3_l'), [rows, columns] = scales.shape;
    if (scales.shape.length !== 2 || (rows !== 1 && columns !== 1)) throw unreadable(folder.path, `"${scales.name}" should have the shape [1, in] or [out, 1]`);
    return { target: found.target, scales, reads: rows === 1 };
  });
  const content = contentOf(folder, 'ia3', sites, whole);
  return {
    ...folder.facts, kind: 'ia3', rank: null, sites, extras,
    bind: (model: BoundModel, options) => bindSites(content, model, options, (site, spec, id) => ia3Part(folder.path, site, spec, id, options)),
    lower: (model, options) => lowerDense(content, model, options, async (site, spec, weight) => scaledDelta(await weight(), spec, await readTensor(site.scales), site.reads),
      sites.filter((site) => !site.reads).map(({ target }) => ({ name: `${target}.bias`, reason: 'the factors also scale the bias of the base, which is no low-rank update' }))),
  };
}

async function ia3Part(path: string, { scales, reads, target }: Ia3Site, spec: LinearSpec, id: string, { strength, control }: BindOptions): Promise<LinearPart> {
  const width = reads ? spec.inWidth : spec.outWidth;
  expectShape(path, scales, reads ? [1, width] : [width, 1]);
  const learned = await readTensor(scales), l = control ? controlEntries(learned, control, target) : learned, name = `${id}scales`;
  const inputs = { [name]: floats([width], l.map((x) => 1 + strength * (x - 1))) };
  return reads ? { inputs, before: (b, _spec, x) => b.mul(x, b.input(name, 'float32', [width])) } : { inputs, scale: (b) => b.input(name, 'float32', [width]) };
}

/** W with columns (or rows) times l, minus W: `[out, in]`. */
function scaledDelta(weight: Float32Array, { inWidth, outWidth, layout }: LinearSpec, l: Float32Array, reads: boolean): Float32Array {
  const out = new Float32Array(outWidth * inWidth);
  for (let o = 0; o < outWidth; o++) for (let i = 0; i < inWidth; i++) out[o * inWidth + i] = (layout === 'outIn' ? weight[o * inWidth + i] : weight[i * outWidth + o]) * ((reads ? l[i] : l[o]) - 1);
  return out;
}
