import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import type { GraphBuilder } from '../graph/builder';
import { floats } from '../graph/hostTensor';
import type { Value } from '../graph/ir';
import { matmulTransposed } from '../numerics/gemm';
import { failure } from '../protocol/errors';
import { controlEntries } from './controls';
import { transposed } from './dora';
import { bindSites, contentOf, lowerDense, type TargetTensors, targetsOf } from './linearKind';
import type { LinearPart } from './parts';
import { readPatterns } from './patterns';
import { isOff, numberOr, type PeftFolder, positive, refuseFlags, unreadable } from './peftFolder';
import type { BindOptions, ModuleSite, PluggedModule } from './types';

/** A matrix as it is stored, or as the product of two: `[rows, columns]`. */
type Matrix = readonly [whole: string] | readonly [left: string, right: string];

interface ProductSite extends ModuleSite {
  readonly tensors: Readonly<Record<string, TensorInfo>>;
  /** LoHa: the two matrices that are multiplied entry by entry; LoKr: the two of the Kronecker product. */
  readonly matrices: readonly [Matrix, Matrix];
  readonly scaling: number;
}

/** A kind whose update is made of two matrices. */
interface ProductKind {
  readonly name: 'loha' | 'lokr';
  readonly matrices: (path: string, found: TargetTensors) => readonly [Matrix, Matrix];
  readonly parts: readonly string[];
  /** The shape `[out, in]` of the update. */
  readonly shape: (first: readonly [number, number], second: readonly [number, number]) => readonly [number, number];
  /** x `[tokens, in]` times the transposed update. */
  readonly apply: (b: GraphBuilder, x: Value, first: Value, second: Value) => Value;
  readonly dense: (first: Float32Array, second: Float32Array, firstShape: readonly [number, number], secondShape: readonly [number, number]) => Float32Array;
}

const HADAMARD: ProductKind = {
  name: 'loha', parts: ['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b', 'hada_t1', 'hada_t2'],
  matrices: (path, found) => {
    refuseConvolution(path, found, ['hada_t1', 'hada_t2']);
    return [['hada_w1_a', 'hada_w1_b'], ['hada_w2_a', 'hada_w2_b']];
  },
  shape: (first) => first,
  apply: (b, x, first, second) => b.gemm(x, b.mul(first, second), { transposed: true, width: first.shape[0] }),
  dense: (first, second) => first.map((value, i) => value * second[i]),
};

const KRONECKER: ProductKind = {
  name: 'lokr', parts: ['lokr_w1', 'lokr_w1_a', 'lokr_w1_b', 'lokr_w2', 'lokr_w2_a', 'lokr_w2_b', 'lokr_t2'],
  matrices: (path, found) => {
    refuseConvolution(path, found, ['lokr_t2']);
    return [found.tensors['lokr_w1'] ? ['lokr_w1'] : ['lokr_w1_a', 'lokr_w1_b'], found.tensors['lokr_w2'] ? ['lokr_w2'] : ['lokr_w2_a', 'lokr_w2_b']];
  },
  shape: (first, second) => [first[0] * second[0], first[1] * second[1]],
  // Row (o1, o2) and column (i1, i2) of the product are w1[o1, i1] w2[o2, i2], so x is contracted over i2, then over i1; the product itself is never made.
  apply: (b, x, first, second) => {
    const [o1, i1] = first.shape.map(Number), [o2, i2] = second.shape.map(Number);
    const inner = b.gemm(b.reshape(x, [-1, i2], ['tokens*i1', i2]), second, { transposed: true, width: o2 });
    const turned = b.transpose(b.reshape(inner, [-1, i1, o2], ['tokens', i1, o2]), [0, 2, 1]);
    const outer = b.gemm(b.reshape(turned, [-1, i1], ['tokens*o2', i1]), first, { transposed: true, width: o1 });
    return b.reshape(b.transpose(b.reshape(outer, [-1, o2, o1], ['tokens', o2, o1]), [0, 2, 1]), [-1, o1 * o2], ['tokens', o1 * o2]);
  },
  dense: (first, second, [o1, i1], [o2, i2]) => {
    const out = new Float32Array(first.length * second.length), width = i1 * i2;
    for (let a = 0; a < o1; a++) for (let c = 0; c < o2; c++) for (let e = 0; e < i1; e++) for (let f = 0; f < i2; f++) out[(a * o2 + c) * width + e * i2 + f] = first[a * i1 + e] * second[c * i2 + f];
    return out;
  },
};

/** LoHa (arXiv 2108.06098): dW = alpha / r (w1a w1b) * (w2a w2b), entry by entry. */
export function readLoha(folder: PeftFolder): PluggedModule {
  return readProduct(folder, HADAMARD);
}
/** LoKr (arXiv 2212.10650): dW = alpha / r kron(w1, w2), either matrix whole or as two factors. */
export function readLokr(folder: PeftFolder): PluggedModule {
  return readProduct(folder, KRONECKER);
}

function readProduct(folder: PeftFolder, kind: ProductKind): PluggedModule {
  const { path, config } = folder;
  refuseFlags(folder, [{ flag: 'use_dora', harmless: isOff }, { flag: 'use_khatri_rao', harmless: isOff }]);
  const rank = positive(folder, 'r', 8), alpha = numberOr(config, 'alpha', 8), ranks = readPatterns(config['rank_pattern'], 'rank_pattern', path), alphas = readPatterns(config['alpha_pattern'], 'alpha_pattern', path);
  const { targets, whole, extras } = targetsOf(folder, kind.parts);
  const sites = targets.map((found): ProductSite => {
    const matrices = kind.matrices(path, found), tensors: Record<string, TensorInfo> = {};
    for (const part of matrices.flat()) {
      const tensor = found.tensors[part];
      if (!tensor || tensor.shape.length !== 2) throw unreadable(path, `"${found.target}" ${tensor ? `has a "${part}" that is no matrix` : `lacks "${part}"`}`);
      tensors[part] = tensor;
    }
    for (const [left, right] of matrices) if (right !== undefined && tensors[left].shape[1] !== tensors[right].shape[0]) throw failure('module/shape', { path, tensor: tensors[right].name, expected: `${tensors[left].shape[1]}, *`, found: tensors[right].shape.join(', ') });
    return { target: found.target, tensors, matrices, scaling: (alphas.find(found.target) ?? alpha) / (ranks.find(found.target) ?? rank) };
  });
  const content = contentOf(folder, kind.name, sites, whole);
  return {
    ...folder.facts, kind: kind.name, rank, sites, extras,
    bind: (model: BoundModel, options) => bindSites(content, model, options, (site, spec, id) => productPart(path, kind, site, spec, id, options)),
    lower: (model, options) => lowerDense(content, model, options, async (site, spec) => {
      checkShape(path, kind, site, spec);
      return denseOf(kind, site, await valuesOf(site)).map((x) => site.scaling * x);
    }),
  };
}

function refuseConvolution(path: string, { target, tensors }: TargetTensors, parts: readonly string[]): void {
  const found = parts.find((part) => tensors[part]);
  if (found) throw failure('module/unsupported-part', { path, part: `${target}.${found}`, reason: 'it is the core of a convolution, and the models that run here have none' });
}

function shapeOf({ tensors }: ProductSite, [left, right]: Matrix): readonly [number, number] {
  return [tensors[left].shape[0], tensors[right ?? left].shape[1]];
}

function checkShape(path: string, kind: ProductKind, site: ProductSite, { outWidth, inWidth }: LinearSpec): void {
  const [rows, columns] = kind.shape(shapeOf(site, site.matrices[0]), shapeOf(site, site.matrices[1])), second = shapeOf(site, site.matrices[1]);
  if (rows !== outWidth || columns !== inWidth || (kind.name === 'loha' && (second[0] !== rows || second[1] !== columns))) throw failure('module/shape', { path, tensor: `${site.target} (update)`, expected: `${outWidth}, ${inWidth}`, found: `${rows}, ${columns}` });
}

async function valuesOf(site: ProductSite): Promise<ReadonlyMap<string, Float32Array>> {
  return new Map(await Promise.all(Object.entries(site.tensors).map(async ([part, tensor]) => [part, await readTensor(tensor)] as const)));
}

/** The update without its scaling `[out, in]`. */
function denseOf(kind: ProductKind, site: ProductSite, values: ReadonlyMap<string, Float32Array>): Float32Array {
  const [first, second] = site.matrices.map(([left, right]) => {
    const whole = values.get(left) ?? new Float32Array(0);
    if (right === undefined) return whole;
    const [rows, inner] = site.tensors[left].shape, columns = site.tensors[right].shape[1];
    return matmulTransposed(whole, transposed(values.get(right) ?? new Float32Array(0), inner, columns), rows, columns, inner);
  });
  return kind.dense(first, second, shapeOf(site, site.matrices[0]), shapeOf(site, site.matrices[1]));
}

async function productPart(path: string, kind: ProductKind, site: ProductSite, spec: LinearSpec, id: string, { strength, control }: BindOptions): Promise<LinearPart> {
  checkShape(path, kind, site, spec);
  const learned = await valuesOf(site), values = control ? new Map([...learned].map(([part, x]) => [part, controlEntries(x, control, `${site.target}.${part}`)])) : learned;
  // A random module keeps the norm of the update.
  const after = control ? norm(denseOf(kind, site, values)) : 1, factor = control ? (after > 0 ? norm(denseOf(kind, site, learned)) / after : 0) : 1;
  const inputs = Object.fromEntries([...values].map(([part, x]) => [`${id}${part}`, floats(site.tensors[part].shape, x)]));
  return {
    inputs: { ...inputs, [`${id}strength`]: floats([1], Float32Array.of(strength * site.scaling * factor)) },
    add: (b, _spec, x) => {
      const matrix = ([left, right]: Matrix): Value => {
        const value = b.input(`${id}${left}`, 'float32', site.tensors[left].shape);
        return right === undefined ? value : b.gemm(value, b.input(`${id}${right}`, 'float32', site.tensors[right].shape), { transposed: false, width: site.tensors[right].shape[1] });
      };
      return b.mul(kind.apply(b, x, matrix(site.matrices[0]), matrix(site.matrices[1])), b.input(`${id}strength`, 'float32', [1]));
    },
  };
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
}

