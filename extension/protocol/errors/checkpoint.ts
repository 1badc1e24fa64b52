import { define, EXIT } from './define';

const AGAIN = 'Copy or download it again, or save it again with the safetensors library.';
const FILE_AGAIN = 'Copy or download it again.';
const CONVERT = 'Convert it to safetensors where you trust it (in Python: torch.load, then safetensors.torch.save_file) and open that.';

/** Reading and writing files: the `checkpoint/` room. */
export const checkpointErrors = {
  'checkpoint/not-found': define<{ path: string }>(EXIT.input, (a) => `${a.path} does not exist. Check the path, or open the folder that holds config.json and the weights.`),
  'checkpoint/unreadable': define<{ path: string; reason: string }>(EXIT.input, (a) => `${a.path} cannot be read: ${a.reason}. Check its permissions and that the disk is connected.`),
  'checkpoint/no-weights': define<{ path: string; looked: string }>(EXIT.input, (a) => `${a.path} holds no weights that Modulens can read. Expected one of: ${a.looked}.`),
  'checkpoint/ambiguous': define<{ path: string; files: string }>(EXIT.input, (a) => `${a.path} holds several weight files and no index that joins them (${a.files}). Open one of the files.`),
  'checkpoint/unknown-file': define<{ path: string }>(EXIT.input, (a) => `${a.path} is not a checkpoint. Expected a model folder, a .safetensors, .bin, .pt, .pth or .onnx file, an index or config.json.`),
  'checkpoint/not-a-file': define<{ path: string }>(EXIT.input, (a) => `${a.path} is not a regular file. Open a file or a folder that holds one.`),
  'checkpoint/changed': define<{ path: string }>(EXIT.input, (a) => `${a.path} changed while it was being read, so the results were dropped. Wait until nothing writes to it and run again.`),

  'checkpoint/truncated': define<{ file: string; expected: number; actual: number }>(EXIT.input, (a) => `${a.file} is cut short: ${a.expected} bytes expected, ${a.actual} there. ${FILE_AGAIN}`),
  'checkpoint/trailing-bytes': define<{ file: string; expected: number; actual: number }>(EXIT.input, (a) => `${a.file} has bytes that belong to no tensor: its header covers ${a.expected} bytes, the file has ${a.actual}. ${AGAIN}`),
  'checkpoint/header-too-long': define<{ file: string; bytes: string; limit: number }>(EXIT.input, (a) => `${a.file}: the header claims ${a.bytes} bytes, at most ${a.limit} are allowed. It is probably not a safetensors file; check where it comes from.`),
  'checkpoint/header-invalid': define<{ file: string; at: number; reason: string }>(EXIT.input, (a) => `${a.file}: the header is not valid at byte ${a.at}: ${a.reason}. ${AGAIN}`),
  'checkpoint/tensor-entry': define<{ file: string; tensor: string; reason: string }>(EXIT.input, (a) => `${a.file}: the header's entry of tensor "${a.tensor}" is not valid: ${a.reason}. ${AGAIN}`),
  'checkpoint/duplicate-key': define<{ file: string; tensor: string; key: string }>(EXIT.input, (a) => `${a.file}: the header has "${a.key}" twice${a.tensor === '' ? '' : ` in the entry of tensor "${a.tensor}"`}. ${AGAIN}`),
  'checkpoint/dtype-unknown': define<{ file: string; tensor: string; dtype: string; known: string }>(EXIT.input, (a) => `${a.file}: tensor "${a.tensor}" has the unknown dtype "${a.dtype}". Known are ${a.known}. ${AGAIN}`),
  'checkpoint/overlap': define<{ file: string; tensor: string; start: string; previousEnd: string }>(EXIT.input, (a) => `${a.file}: tensor "${a.tensor}" starts at byte ${a.start}, inside the tensor before it, which ends at ${a.previousEnd}. ${AGAIN}`),
  'checkpoint/hole': define<{ file: string; tensor: string; start: string; previousEnd: string }>(EXIT.input, (a) => `${a.file}: tensor "${a.tensor}" starts at byte ${a.start}, but the data before it ends at ${a.previousEnd}; holes are not allowed. ${AGAIN}`),
  'checkpoint/offsets': define<{ file: string; tensor: string; start: string; end: string }>(EXIT.input, (a) => `${a.file}: tensor "${a.tensor}" ends (${a.end}) before it starts (${a.start}). ${AGAIN}`),
  'checkpoint/past-end': define<{ file: string; tensor: string; end: string; size: number }>(EXIT.input, (a) => `${a.file}: tensor "${a.tensor}" ends at byte ${a.end}, but the file has only ${a.size}. The file is cut short or its header is wrong. ${FILE_AGAIN}`),
  'checkpoint/size-mismatch': define<{ file: string; tensor: string; dtype: string; shape: string; expected: string; actual: string }>(EXIT.input, (a) => `${a.file}: tensor "${a.tensor}" is ${a.dtype} ${a.shape}, which takes ${a.expected} bytes, but has ${a.actual}. ${AGAIN}`),
  'checkpoint/shape-overflow': define<{ file: string; tensor: string; shape: string }>(EXIT.input, (a) => `${a.file}: the shape ${a.shape} of tensor "${a.tensor}" has more elements than can be counted. ${AGAIN}`),
  'checkpoint/partial-byte': define<{ file: string; tensor: string; dtype: string; shape: string }>(EXIT.input, (a) => `${a.file}: tensor "${a.tensor}" is ${a.dtype} ${a.shape}, which does not fill whole bytes. ${AGAIN}`),

  'checkpoint/json-invalid': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} is not valid JSON: ${a.reason}. Correct it or copy it again.`),
  'checkpoint/json-too-large': define<{ file: string; bytes: number; limit: number }>(EXIT.input, (a) => `${a.file} has ${a.bytes} bytes; at most ${a.limit} are read for a file of this kind. Check that it is the right file.`),
  'checkpoint/index-invalid': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} is not a valid index: ${a.reason}. Copy it again, or save the model again.`),
  'checkpoint/index-path': define<{ file: string; tensor: string; target: string }>(EXIT.input, (a) => `${a.file} sends tensor "${a.tensor}" to "${a.target}", which is outside the model's folder. An index may only name files beside it; do not trust this checkpoint.`),
  'checkpoint/shard-missing': define<{ file: string; shard: string }>(EXIT.input, (a) => `${a.file} needs ${a.shard}, which is not there. Download the missing shard into the same folder.`),
  'checkpoint/index-tensor-missing': define<{ file: string; tensor: string; shard: string }>(EXIT.input, (a) => `${a.file} places tensor "${a.tensor}" in ${a.shard}, but no shard holds it. The shards and the index do not belong together; download them again.`),
  'checkpoint/tensor-missing': define<{ path: string; tensor: string }>(EXIT.input, (a) => `${a.path} has no tensor "${a.tensor}". Check that the checkpoint is complete.`),
  'checkpoint/dtype-not-readable': define<{ file: string; tensor: string; dtype: string }>(EXIT.cannot, (a) => `${a.file}: tensor "${a.tensor}" is ${a.dtype}, whose values cannot be shown as real numbers.`),
  'checkpoint/tensor-too-large': define<{ file: string; tensor: string; bytes: number; limit: number }>(EXIT.cannot, (a) => `${a.file}: tensor "${a.tensor}" takes ${a.bytes} bytes in memory, at most ${a.limit} are read at once. Read a range of its rows instead.`),

  'checkpoint/zip-invalid': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} is not a valid PyTorch archive: ${a.reason}. ${FILE_AGAIN}`),
  'checkpoint/zip-limit': define<{ file: string; what: string; actual: number; limit: number }>(EXIT.input, (a) => `${a.file}: ${a.what} is ${a.actual}, at most ${a.limit} is allowed. Check where the file comes from. ${CONVERT}`),
  'checkpoint/pickle-legacy': define<{ file: string }>(EXIT.input, (a) => `${a.file} is in PyTorch's old format (before 1.6), which Modulens does not read. ${CONVERT}`),
  'checkpoint/pickle-global': define<{ file: string; name: string }>(EXIT.input, (a) => `${a.file} asks to run "${a.name}", which is not needed to hold weights. Nothing was run. If you trust the file: ${CONVERT}`),
  'checkpoint/pickle-invalid': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file}: its data.pkl cannot be read: ${a.reason}. ${CONVERT}`),

  'checkpoint/onnx-invalid': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} is not a valid ONNX model: ${a.reason}. Export it again.`),
  'checkpoint/onnx-path': define<{ file: string; tensor: string; target: string }>(EXIT.input, (a) => `${a.file} keeps tensor "${a.tensor}" in "${a.target}", which is outside its folder. External data must lie beside the model; do not trust this file.`),
  'checkpoint/onnx-data-missing': define<{ file: string; tensor: string; target: string }>(EXIT.input, (a) => `${a.file} keeps tensor "${a.tensor}" in "${a.target}", which is not there. Copy the data file into the same folder.`),
  'checkpoint/onnx-limit': define<{ file: string; what: string; actual: number; limit: number }>(EXIT.cannot, (a) => `${a.file}: ${a.what} is ${a.actual} bytes, at most ${a.limit} are read. Export the model with its weights as external data.`),
} as const;
