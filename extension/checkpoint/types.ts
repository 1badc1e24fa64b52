import type { Notice } from '../protocol/documents';
import type { Dtype } from './dtypes';

/** How the elements of a tensor lie in its file. */
export type TensorStorage =
  /** `bytes` bytes from `offset`: row-major, little endian, nothing in between. Can serve as ONNX external data. */
  | { readonly kind: 'plain' }
  /** A view of a PyTorch storage: element `[i, j, ...]` is element `i * strides[0] + j * strides[1] + ...` counted from `offset`. */
  | { readonly kind: 'strided'; readonly strides: readonly number[] }
  /** A compressed PyTorch storage: `offset` is the start of the deflated bytes; the view starts at `elementOffset` of what they inflate to. */
  | { readonly kind: 'deflated'; readonly compressedBytes: number; readonly inflatedBytes: number; readonly elementOffset: number; readonly strides: readonly number[] }
  /** Small values of an ONNX file that are not stored as raw bytes; decoded when the file was opened. */
  | { readonly kind: 'memory'; readonly data: Uint8Array };

/** Where one tensor is and what it looks like. Nothing of its data has been read. */
export interface TensorInfo {
  /** Any text; never use it as a key of a plain object. */
  readonly name: string;
  readonly dtype: Dtype;
  /** Row-major sizes; `[]` is a scalar, a zero makes the tensor empty. */
  readonly shape: readonly number[];
  /** Absolute path as the user named it. */
  readonly file: string;
  /** The same after every symbolic link. */
  readonly realFile: string;
  /** Absolute byte offset in the file. */
  readonly offset: number;
  /** Bytes of all elements: shape x dtype. */
  readonly bytes: number;
  readonly storage: TensorStorage;
  /** Short for `storage.kind === 'plain'`. */
  readonly inPlace: boolean;
}

/** What a file looked like when it was opened; compared again while it is used. */
export interface FileStamp {
  /** Absolute path as the user named it. */
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ino: number;
}

export const CHECKPOINT_FORMATS = ['safetensors', 'pytorch', 'onnx'] as const;
export type CheckpointFormat = (typeof CHECKPOINT_FORMATS)[number];

/** An opened checkpoint: headers only. */
export interface Checkpoint {
  /** What the user named, made absolute. */
  readonly path: string;
  /** The folder that holds the weights (or config.json of an ONNX sub-folder). */
  readonly folder: string;
  /** Short name for people: the folder's, or `organisation/model` inside the Hugging Face cache. */
  readonly name: string;
  readonly format: CheckpointFormat;
  /** A plugged-in module's weights (a PEFT folder) rather than a model's. */
  readonly kind: 'model' | 'adapter';
  /** config.json; null where there is none. */
  readonly config: Readonly<Record<string, unknown>> | null;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** `__metadata__` of the first safetensors file, or an ONNX model's metadata_props. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly warnings: readonly Notice[];
  /** Stamps of the weight files, the index and config.json. */
  readonly files: readonly FileStamp[];
  /** The weight files in the order in which they were read. */
  readonly weightFiles: readonly string[];
}
