import type { Dtype } from '../../checkpoint/dtypes';
import type { Kernels } from './kernels';

/** Elements that are computed at once: 256 KB of float32, so that a few arrays of them stay in a second-level cache. Sums are kept per block, so that neither chunks nor threads change a bit. */
export const BLOCK_ELEMENTS = 65536;

/** Elements that a thread reads, computes and writes per task. A multiple of the block; more only costs memory. */
export const CHUNK_ELEMENTS = 16 * BLOCK_ELEMENTS;

/** What a kernel sees of one block. Addresses are byte addresses of float32 arrays of `padded` elements in `wasm.memory`. */
export interface Block<P = unknown> {
  readonly wasm: Kernels;
  /** Elements of the block, and the same rounded up to a multiple of 16; inputs are zero in between. */
  readonly n: number;
  readonly padded: number;
  /** Number of the first element in the tensor, row-major, and number of the block. */
  readonly first: number;
  readonly index: number;
  /** Length of the last dimension; blocks hold whole rows where the pass asked for that. */
  readonly row: number;
  /** The inputs as float32: the base first where the method has one; the others as differences from it where the pass asked for that. */
  readonly x: readonly number[];
  /** Where the result goes in an apply pass. */
  readonly out: number;
  readonly params: P;
  /** Figures of this block, for statistics; summed by the method in block order. */
  readonly values: Float64Array;
  /** Address of the counts (uint32), for statistics. */
  readonly counts: number;
  /** A working array of the pass. */
  readonly temporary: (i: number) => number;
  /** The first n elements at an address. */
  readonly floats: (address: number) => Float32Array;
  readonly words: (address: number) => Uint32Array;
}

/** Computes one block. Runs in helper threads, which get it as text: it uses nothing but its argument. */
export type Kernel = (block: Block<never>) => void;

interface PassBase {
  /** Name of a kernel in the method's table. */
  readonly kernel: string;
  readonly params: unknown;
  /** Working arrays that the kernel asks for. */
  readonly temporaries?: number;
  /** Blocks consist of whole rows. */
  readonly rows?: boolean;
  /** Inputs after the first are given as their differences from it. */
  readonly deltas?: boolean;
}

/** Reads all inputs and writes nothing. */
export interface StatisticsPass extends PassBase {
  readonly kind: 'statistics';
  /** Figures per block. */
  readonly values: number;
  /** Counts over the whole tensor. */
  readonly counts?: number;
  /** Looks at no more than this many blocks, evenly spread over the tensor. */
  readonly sample?: number;
}

/** What a statistics pass found. */
export interface Statistics {
  /** Per block, in order. */
  readonly blocks: readonly Float64Array[];
  readonly counts: Uint32Array;
}

/** Reads all inputs and writes the result. */
export interface ApplyPass extends PassBase {
  readonly kind: 'apply';
}

/** The result is one of the inputs, byte for byte (rounded where the dtype differs). */
export interface CopyPass {
  readonly kind: 'copy';
  readonly input: number;
}

/** How one tensor is merged: any number of statistics passes, then what writes. */
export type TensorJob = Generator<StatisticsPass, ApplyPass | CopyPass, Statistics>;

/** Factors of a LoRA that are added to an input while it is read: x += scale B A. */
export interface LoraFactors {
  /** `[rank, columns]` and `[rows, rank]` of the tensor as it lies in the file. */
  readonly right: Float32Array;
  readonly left: Float32Array;
  readonly rank: number;
  readonly columns: number;
  readonly scale: number;
}

export interface PassInput {
  readonly fd: number;
  readonly offset: number;
  readonly dtype: Dtype;
  /** Values are rounded to this when they are read. */
  readonly cast: 'F16' | 'BF16' | null;
  readonly loras: readonly LoraFactors[];
}

/** All that a thread has to know of a pass. */
export interface PassSetup {
  readonly id: number;
  readonly kernel: string;
  readonly params: unknown;
  readonly inputs: readonly PassInput[];
  readonly output: { readonly fd: number; readonly offset: number; readonly dtype: Dtype } | null;
  readonly elements: number;
  readonly row: number;
  readonly blockElements: number;
  readonly deltas: boolean;
  readonly temporaries: number;
  readonly values: number;
  readonly counts: number;
}

export type ThreadRequest =
  | { readonly kind: 'pass'; readonly pass: PassSetup }
  | { readonly kind: 'end'; readonly pass: number }
  | { readonly kind: 'chunk'; readonly task: number; readonly pass: number; readonly block: number; readonly blocks: number }
  | { readonly kind: 'copy'; readonly task: number; readonly from: number; readonly fromOffset: number; readonly to: number; readonly toOffset: number; readonly bytes: number }
  | { readonly kind: 'hash'; readonly task: number; readonly stream: number; readonly fd: number; readonly from: number; readonly bytes: number; readonly last: boolean };

/** Why a task could not be done. */
export type ThreadFailure =
  | { readonly kind: 'input-not-finite'; readonly input: number }
  | { readonly kind: 'result-not-finite' }
  | { readonly kind: 'changed'; readonly input: number }
  | { readonly kind: 'error'; readonly code: string; readonly message: string };

export interface ThreadReply {
  readonly task: number;
  readonly values?: Float64Array;
  readonly counts?: Uint32Array;
  /** Results beyond float16 that were set to its largest number. */
  readonly clamped?: number;
  readonly digest?: string;
  readonly failure?: ThreadFailure;
}
