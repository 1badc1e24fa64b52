import { readOnnxFile } from './onnxFile';
import { readPytorchFile } from './pytorchFile';
import { readSafetensorsFile, type WeightsFile } from './safetensorsFile';
import type { CheckpointFormat } from './types';

/** Where a format keeps its weights and how a file of it is opened. */
export interface WeightsFormat {
  readonly format: CheckpointFormat;
  /** Lower case, with the dot. */
  readonly extensions: readonly string[];
  /** The names under which a model folder holds everything in one file, in order of preference. */
  readonly single: readonly string[];
  readonly index: string | null;
  readonly adapter: string | null;
  read(path: string): Promise<WeightsFile>;
}

/** In order of preference where a folder holds several. */
export const WEIGHTS_FORMATS: readonly WeightsFormat[] = [
  { format: 'safetensors', extensions: ['.safetensors'], single: ['model.safetensors'], index: 'model.safetensors.index.json', adapter: 'adapter_model.safetensors', read: readSafetensorsFile },
  { format: 'pytorch', extensions: ['.bin', '.pt', '.pth'], single: ['pytorch_model.bin'], index: 'pytorch_model.bin.index.json', adapter: 'adapter_model.bin', read: readPytorchFile },
  { format: 'onnx', extensions: ['.onnx'], single: ['model.onnx', 'onnx/model.onnx'], index: null, adapter: null, read: readOnnxFile },
];

/** The format of a file by its name; null for other files. */
export function formatOfFile(path: string): WeightsFormat | null {
  const lower = path.toLowerCase();
  return WEIGHTS_FORMATS.find(({ extensions }) => extensions.some((extension) => lower.endsWith(extension))) ?? null;
}
