import { readTensor } from '../checkpoint/readTensor';
import type { Checkpoint, TensorInfo } from '../checkpoint/types';
import { ffnOf, keyLinear } from './spec';
import type { BoundModel } from './resolve';

interface Matrix {
  readonly tensor: TensorInfo;
  readonly layout: 'outIn' | 'inOut';
}

/** The FFN matrices of one layer, found by the family's file or by their names and shapes. */
export interface FfnWeights {
  readonly index: number;
  readonly dModel: number;
  readonly dFf: number;
  readonly gated: boolean;
  /** Rows of gate in gated FFNs, else of up: one key per neuron. */
  readonly keys: Matrix;
  /** Columns are what a neuron writes; null where no such matrix was recognised. */
  readonly values: Matrix | null;
}

/** FFN weights by the family's own file; layers that hold a mixture of experts are left out. */
export function ffnWeightsOf(model: BoundModel): readonly FfnWeights[] {
  return model.spec.stacks.flatMap((stack) => stack.blocks.flatMap((block): readonly FfnWeights[] => {
    const ffn = ffnOf(block);
    if (!ffn) return [];
    const key = keyLinear(ffn);
    return [{ index: block.index, dModel: key.inWidth, dFf: key.outWidth, gated: ffn.gate !== undefined, keys: { tensor: model.tensor(key.weight), layout: key.layout }, values: { tensor: model.tensor(ffn.down.weight), layout: ffn.down.layout } }];
  }));
}

/** Last parts of names that say which FFN matrix a tensor is, most telling first. */
const GATES = ['gate_proj', 'wi_0', 'w1', 'ffn_gate'];
const UPS = ['up_proj', 'c_fc', 'fc1', 'lin1', 'fc_in', 'linear1', 'wi', 'wi_1', 'intermediate.dense', 'dense_h_to_4h', 'w3', 'ffn_up'];
const DOWNS = ['down_proj', 'mlp.c_proj', 'fc2', 'lin2', 'fc_out', 'linear2', 'wo', 'output.dense', 'dense_4h_to_h', 'w2', 'ffn_down'];

/**
 * FFN weights of an unknown family by names and shapes: matrices that differ only in a layer number, one side the model's
 * width, the other wider. Experts of real MoE layers are left out, shared ones too: they are not one FFN.
 */
export function recogniseFfn(checkpoint: Checkpoint): readonly FfnWeights[] {
  const layers = new Map<number, { gate?: TensorInfo; up?: TensorInfo; down?: TensorInfo }>();
  for (const tensor of checkpoint.tensors.values()) {
    if (tensor.shape.length !== 2 || /(^|[._])experts?(?![a-z])/.test(tensor.name)) continue;
    const match = /^(.*?)(?:^|\.)(\d+)\.(.+?)(?:\.weight)?$/.exec(tensor.name);
    if (!match || tensor.name.endsWith('.bias') || /attention\.output/.test(tensor.name)) continue;
    const rest = match[3], entry = layers.get(Number(match[2])) ?? {};
    const is = (names: readonly string[]): boolean => names.some((name) => rest === name || rest.endsWith(`.${name}`));
    if (is(GATES)) entry.gate ??= tensor;
    else if (is(UPS)) entry.up ??= tensor;
    else if (is(DOWNS)) entry.down ??= tensor;
    else continue;
    layers.set(Number(match[2]), entry);
  }
  const out: FfnWeights[] = [];
  for (const [index, { gate, up, down }] of [...layers].sort((a, b) => a[0] - b[0])) {
    const key = gate ?? up;
    if (!key) continue;
    const [rows, columns] = key.shape;
    if (rows === columns) continue;
    const layout = rows > columns ? 'outIn' : 'inOut', dFf = Math.max(rows, columns), dModel = Math.min(rows, columns);
    const fits = down && down.shape.includes(dFf) && down.shape.includes(dModel);
    out.push({ index, dModel, dFf, gated: gate !== undefined && up !== undefined, keys: { tensor: key, layout }, values: fits ? { tensor: down, layout: down.shape[0] === dModel ? 'outIn' : 'inOut' } : null });
  }
  return out;
}

/** Keys `[d_ff, d_model]`, one row per neuron, float32. */
export async function readKeys(ffn: FfnWeights): Promise<Float32Array> {
  const raw = await readTensor(ffn.keys.tensor);
  return ffn.keys.layout === 'outIn' ? raw : transpose(raw, ffn.dModel, ffn.dFf);
}

/** Values `[d_ff, d_model]`: row i is what neuron i writes (W_down[:, i]); null where the matrix is unknown. */
export async function readValues(ffn: FfnWeights): Promise<Float32Array | null> {
  if (!ffn.values) return null;
  const raw = await readTensor(ffn.values.tensor);
  return ffn.values.layout === 'outIn' ? transpose(raw, ffn.dModel, ffn.dFf) : raw;
}

/** `[rows, columns]` to `[columns, rows]`, in tiles that fit the cache. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length), tile = 32;
  for (let i0 = 0; i0 < rows; i0 += tile) for (let j0 = 0; j0 < columns; j0 += tile) {
    const i1 = Math.min(rows, i0 + tile), j1 = Math.min(columns, j0 + tile);
    for (let i = i0; i < i1; i++) for (let j = j0; j < j1; j++) out[j * rows + i] = matrix[i * columns + j];
  }
  return out;
}

/** Euclidean norm of each row `[rows]`. */
export function rowNorms(matrix: Float32Array, rows: number): Float32Array {
  const width = matrix.length / Math.max(1, rows), out = new Float32Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let at = i * width; at < (i + 1) * width; at++) sum += matrix[at] * matrix[at];
    out[i] = Math.sqrt(sum);
  }
  return out;
}
