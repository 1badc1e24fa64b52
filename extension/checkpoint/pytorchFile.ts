import { failure } from '../protocol/errors';
import { DTYPE_BITS, elementCount, type Dtype } from './dtypes';
import { readRange, withFile, type OpenedFile } from './files';
import { MAX_EXPANDED_ELEMENTS, MAX_INFLATED_BYTES, MAX_PICKLE_BYTES, MAX_RANK } from './limits';
import type { WeightsFile } from './safetensorsFile';
import { isContiguous, spanOf } from './stridedTensor';
import type { TensorInfo, TensorStorage } from './types';
import { PickleError, PickleGlobal, PickleGlobalError, unpickle } from './unpickle';
import { dataOffset, readZipDirectory, readZipEntry, startsLikeZip, type ZipEntry } from './zip';

/** Typed storages of torch by class name. UntypedStorage has no dtype of its own: the tensor's rebuild function names it. */
const STORAGES: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['torch.FloatStorage', 'F32'], ['torch.DoubleStorage', 'F64'], ['torch.HalfStorage', 'F16'], ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'], ['torch.IntStorage', 'I32'], ['torch.ShortStorage', 'I16'], ['torch.CharStorage', 'I8'], ['torch.ByteStorage', 'U8'], ['torch.BoolStorage', 'BOOL'],
  ['torch.ComplexFloatStorage', 'C64'],
]);
const UNTYPED_STORAGE = 'torch.storage.UntypedStorage';

/** torch dtypes, which `_rebuild_tensor_v3` names. */
const TORCH_DTYPES: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['torch.float32', 'F32'], ['torch.float64', 'F64'], ['torch.float16', 'F16'], ['torch.bfloat16', 'BF16'], ['torch.int64', 'I64'], ['torch.int32', 'I32'], ['torch.int16', 'I16'], ['torch.int8', 'I8'],
  ['torch.uint8', 'U8'], ['torch.uint16', 'U16'], ['torch.uint32', 'U32'], ['torch.uint64', 'U64'], ['torch.bool', 'BOOL'], ['torch.complex64', 'C64'],
  ['torch.float8_e4m3fn', 'F8_E4M3'], ['torch.float8_e5m2', 'F8_E5M2'], ['torch.float8_e4m3fnuz', 'F8_E4M3FNUZ'], ['torch.float8_e5m2fnuz', 'F8_E5M2FNUZ'], ['torch.float8_e8m0fnu', 'F8_E8M0'],
]);

const REBUILD_V2 = 'torch._utils._rebuild_tensor_v2';
const REBUILD_V3 = 'torch._utils._rebuild_tensor_v3';
const REBUILD_PARAMETER = 'torch._utils._rebuild_parameter';
const ORDERED_DICT = 'collections.OrderedDict';
const SIZE = 'torch.Size';

const ALLOWED: ReadonlySet<string> = new Set([...STORAGES.keys(), UNTYPED_STORAGE, ...TORCH_DTYPES.keys(), REBUILD_V2, REBUILD_V3, REBUILD_PARAMETER, ORDERED_DICT, SIZE]);

class StorageReference {
  constructor(readonly key: string, readonly dtype: Dtype | null) {}
}

class TensorReference {
  constructor(readonly storage: StorageReference, readonly dtype: Dtype, readonly storageOffset: number, readonly shape: readonly number[], readonly strides: readonly number[]) {}
}

/** Keys under which training scripts put the weights; taken when the top level itself holds none. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'module'] as const;

/**
 * Lists the tensors of a PyTorch archive (torch.save since 1.6). Its pickle is read by our own allow-listed reader: nothing is imported or run.
 * @throws checkpoint/pickle-legacy, pickle-global, pickle-invalid, zip-invalid, zip-limit
 */
export async function readPytorchFile(path: string): Promise<WeightsFile> {
  return withFile(path, async (file) => {
    const head = await readRange(file, 0, Math.min(4, file.size));
    if (!startsLikeZip(head)) throw isLegacy(head) ? failure('checkpoint/pickle-legacy', { file: path }) : failure('checkpoint/zip-invalid', { file: path, reason: 'it does not start as a zip archive does' });
    const entries = await readZipDirectory(file);
    const pickle = [...entries.values()].find(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
    if (pickle === undefined) throw failure('checkpoint/zip-invalid', { file: path, reason: 'it holds no data.pkl' });
    const prefix = pickle.name.slice(0, -'data.pkl'.length);
    await checkByteOrder(file, entries.get(`${prefix}byteorder`));
    const top = readPickle(path, await readZipEntry(file, pickle, MAX_PICKLE_BYTES));
    const remarks: string[] = [];
    const references = new Map<string, TensorReference>();
    collect(unwrap(top), '', references, new Set(), remarks);
    const tensors: TensorInfo[] = [];
    const starts = new Map<string, number>();
    for (const [name, reference] of references) {
      const entry = entries.get(`${prefix}data/${reference.storage.key}`);
      if (entry === undefined) throw failure('checkpoint/zip-invalid', { file: path, reason: `the data of tensor "${name}" is missing` });
      const start = starts.get(entry.name) ?? (await dataOffset(file, entry));
      starts.set(entry.name, start);
      tensors.push(tensorInfo(file, name, reference, entry, start));
    }
    return { tensors, metadata: new Map(), stamps: [file.stamp], remarks };
  });
}

/** A bare pickle of protocol 2 or later, or the tar archives before it. */
function isLegacy(head: Uint8Array): boolean {
  return head[0] === 0x80 || (head[0] >= 0x20 && head[0] < 0x7f);
}

async function checkByteOrder(file: OpenedFile, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return;
  const order = (await readZipEntry(file, entry, 16)).toString('latin1');
  if (order !== 'little') throw failure('checkpoint/zip-invalid', { file: file.path, reason: `its byte order is "${order.slice(0, 16)}"; only "little" is read` });
}

function readPickle(file: string, bytes: Buffer): unknown {
  try {
    return unpickle(bytes, { allows: (name) => ALLOWED.has(name), call, persistent });
  } catch (error) {
    if (error instanceof PickleGlobalError) throw failure('checkpoint/pickle-global', { file, name: error.global }, error);
    if (error instanceof PickleError) throw failure('checkpoint/pickle-invalid', { file, reason: error.message }, error);
    throw error;
  }
}

function persistent(id: unknown): unknown {
  if (!Array.isArray(id) || id[0] !== 'storage' || !(id[1] instanceof PickleGlobal) || (typeof id[2] !== 'string' && typeof id[2] !== 'number')) throw new PickleError('it refers to outside data in an unknown way');
  const kind = id[1].name;
  if (!STORAGES.has(kind) && kind !== UNTYPED_STORAGE) throw new PickleError(`"${kind}" is not a storage`);
  return new StorageReference(String(id[2]), STORAGES.get(kind) ?? null);
}

function call(name: string, args: readonly unknown[]): unknown {
  switch (name) {
    case ORDERED_DICT: {
      const pairs = args[0] ?? [];
      if (!Array.isArray(pairs)) throw new PickleError('an OrderedDict is not made of pairs');
      return new Map(pairs.map((pair: unknown) => (Array.isArray(pair) ? [pair[0], pair[1]] : [pair, null])));
    }
    case SIZE: return args[0];
    case REBUILD_PARAMETER: return args[0];
    case REBUILD_V2: return rebuild(args, null);
    case REBUILD_V3: return rebuild(args, args[6]);
    default: throw new PickleError(`it calls "${name}"`);
  }
}

function rebuild(args: readonly unknown[], named: unknown): TensorReference {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof StorageReference)) throw new PickleError('a tensor has no storage');
  const dtype = named instanceof PickleGlobal ? TORCH_DTYPES.get(named.name) : storage.dtype;
  if (dtype === undefined || dtype === null) throw new PickleError('a tensor has no dtype that is known');
  if (!isCount(offset) || !isCounts(shape) || !isCounts(strides) || shape.length !== strides.length || shape.length > MAX_RANK) throw new PickleError('a tensor has no valid offset, size or stride');
  return new TensorReference(storage, dtype, offset, [...shape], [...strides]);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isCount);
}

function unwrap(top: unknown): unknown {
  if (!(top instanceof Map) || [...top.values()].some((value) => value instanceof TensorReference)) return top;
  for (const key of WRAPPERS) if (top.get(key) instanceof Map) return top.get(key);
  return top;
}

/** Collects tensors by name; those of nested dictionaries and lists get dotted names. */
function collect(value: unknown, name: string, into: Map<string, TensorReference>, open: Set<object>, remarks: string[]): void {
  if (value instanceof TensorReference) {
    if (into.has(name)) remarks.push(`Two tensors are called "${name}"; the last one counts.`);
    into.set(name === '' ? 'tensor' : name, value);
    return;
  }
  if (!(value instanceof Map) && !Array.isArray(value)) return;
  if (open.has(value)) return;
  open.add(value);
  for (const [key, inner] of value.entries()) {
    if (typeof key !== 'string' && typeof key !== 'number') continue;
    collect(inner, name === '' ? String(key) : `${name}.${key}`, into, open, remarks);
  }
}

function tensorInfo(file: OpenedFile, name: string, reference: TensorReference, entry: ZipEntry, start: number): TensorInfo {
  const { dtype, shape, strides, storageOffset } = reference;
  const size = DTYPE_BITS[dtype] / 8;
  const span = spanOf(shape, strides);
  const bytes = elementCount(shape) * size;
  if (!Number.isSafeInteger(bytes) || (storageOffset + span) * size > entry.bytes) throw failure('checkpoint/past-end', { file: file.path, tensor: name, end: String((storageOffset + span) * size), size: entry.bytes });
  if (elementCount(shape) > span && elementCount(shape) > MAX_EXPANDED_ELEMENTS) throw failure('checkpoint/zip-limit', { file: file.path, what: `the number of elements of "${name}", which repeats its data,`, actual: elementCount(shape), limit: MAX_EXPANDED_ELEMENTS });
  if (entry.method !== 0 && entry.bytes > MAX_INFLATED_BYTES) throw failure('checkpoint/zip-limit', { file: file.path, what: `the inflated size of "${name}" in bytes`, actual: entry.bytes, limit: MAX_INFLATED_BYTES });
  if (entry.method === 0 && entry.compressedBytes !== entry.bytes) throw failure('checkpoint/zip-invalid', { file: file.path, reason: `the sizes of entry "${entry.name}" disagree` });
  if (entry.method !== 0 && entry.method !== 8) throw failure('checkpoint/zip-invalid', { file: file.path, reason: `entry "${entry.name}" is compressed by the unknown method ${entry.method}` });
  let storage: TensorStorage;
  if (entry.method === 8) storage = { kind: 'deflated', compressedBytes: entry.compressedBytes, inflatedBytes: entry.bytes, elementOffset: storageOffset, strides };
  else if (isContiguous(shape, strides) || bytes === 0) storage = { kind: 'plain' };
  else storage = { kind: 'strided', strides };
  const offset = entry.method === 8 ? start : start + storageOffset * size;
  return { name, dtype, shape, file: file.path, realFile: file.realPath, offset, bytes, storage, inPlace: storage.kind === 'plain' };
}
