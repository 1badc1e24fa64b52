import path from 'node:path';
import { readJsonObject } from '../../checkpoint/jsonFile';
import { readTensor } from '../../checkpoint/readTensor';
import type { TensorInfo } from '../../checkpoint/types';
import { openPlainLora } from '../../module/lora';
import type { LoraModule, LoraSite } from '../../module/types';
import { failure } from '../../protocol/errors';
import type { LoraFactors } from '../engine/passTypes';

/** All that merging knows of LoRAs (`model+lora`): W + s B A, computed while W is read. */
export interface LoraUse {
  readonly module: LoraModule;
  /** Reads the factors for a tensor of the model; null where the LoRA leaves it alone. */
  factorsFor(name: string): (() => Promise<readonly LoraFactors[]>) | null;
}

/** Opens a LoRA for a model and finds the tensor of each of its sites. */
export async function useLora(folder: string, model: string, tensors: ReadonlyMap<string, TensorInfo>): Promise<LoraUse> {
  const module = await openPlainLora(folder), { value } = await readJsonObject(path.join(folder, 'adapter_config.json')), inOut = value['fan_in_fan_out'] === true;
  const bySite = new Map<string, { readonly site: LoraSite; readonly tensor: TensorInfo; readonly transposed: boolean }>();
  for (const site of module.sites) {
    const tensor = find(tensors, site.target);
    if (!tensor) throw failure('merge/lora', { lora: folder, model, reason: `it changes "${site.target}", which the model does not have` });
    const [rows, columns] = tensor.shape, outWidth = site.b.shape[0], inWidth = site.a.shape[1];
    const plain = rows === outWidth && columns === inWidth, turned = rows === inWidth && columns === outWidth;
    if (tensor.shape.length !== 2 || (!plain && !turned)) throw failure('merge/lora', { lora: folder, model, reason: `"${site.target}" is [${tensor.shape.join(', ')}] there, but the LoRA is for ${outWidth} outputs and ${inWidth} inputs` });
    if (bySite.has(tensor.name)) throw failure('merge/lora', { lora: folder, model, reason: `two of its parts mean the tensor "${tensor.name}"` });
    bySite.set(tensor.name, { site, tensor, transposed: plain && turned ? inOut : turned });
  }
  return {
    module,
    factorsFor: (name) => {
      const found = bySite.get(name);
      if (!found) return null;
      return async () => {
        const { site, tensor, transposed } = found, a = await readTensor(site.a), b = await readTensor(site.b);
        const [rows, columns] = tensor.shape;
        // Stored as inputs x outputs: the transpose of B A is A transposed times B transposed.
        return [{ left: transposed ? transpose(a, site.rank, rows) : b, right: transposed ? transpose(b, columns, site.rank) : a, rank: site.rank, columns, scale: site.scaling }];
      };
    },
  };
}

function find(tensors: ReadonlyMap<string, TensorInfo>, target: string): TensorInfo | undefined {
  for (const prefix of ['', 'model.', 'transformer.', 'gpt_neox.', 'base_model.']) {
    const bare = prefix !== '' && target.startsWith(prefix) ? target.slice(prefix.length) : target;
    const found = tensors.get(`${target}.weight`) ?? tensors.get(`${prefix}${target}.weight`) ?? tensors.get(`${bare}.weight`);
    if (found) return found;
  }
  return undefined;
}

/** `[rows, columns]` to `[columns, rows]`. */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c];
  return out;
}
