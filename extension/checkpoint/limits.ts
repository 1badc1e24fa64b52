/** Every limit of this room, with its reason. Larger inputs are refused by a typed error before anything is allocated. */

/** The reference library's own cap on a safetensors header. A header of 200,000 tensors takes about 20 MB. */
export const MAX_SAFETENSORS_HEADER_BYTES = 100_000_000;

/** serde_json's recursion limit, which the reference library inherits: 127 open brackets pass, 128 do not. */
export const MAX_HEADER_DEPTH = 127;

/** config.json and adapter_config.json: the largest seen in the wild (label maps of 20,000 classes) is under 2 MB. */
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/** An index of 200,000 tensors with long names takes about 30 MB. */
export const MAX_INDEX_BYTES = 128 * 1024 * 1024;

/** tokenizer.json: Gemma's has 34 MB; nothing known is above 100 MB. */
export const MAX_TOKENIZER_BYTES = 256 * 1024 * 1024;

/** Shards of one checkpoint; the largest public models have fewer than 300. */
export const MAX_SHARDS = 10_000;

/** libuv takes a signed 32-bit length for one read; 64 MB pieces also bound what a read holds beside its result. */
export const READ_CHUNK_BYTES = 64 * 1024 * 1024;

/** Float32Array of Node 20 (2^32 bytes, less a page). A 7B model's largest tensor decodes to 0.5 GB. */
export const MAX_DECODED_BYTES = 4 * 1024 * 1024 * 1024 - 4096;

/** End record plus the longest comment that zip allows. */
export const MAX_ZIP_TAIL_BYTES = 65_536 + 22;

/** Entries of a PyTorch archive: one per storage, so as many as tensors. */
export const MAX_ZIP_ENTRIES = 1_000_000;

/** The directory of a million entries with names of 100 characters. */
export const MAX_ZIP_DIRECTORY_BYTES = 200 * 1024 * 1024;

/** data.pkl holds names, shapes and strides only: 200,000 tensors take about 40 MB. */
export const MAX_PICKLE_BYTES = 128 * 1024 * 1024;

/** Values that unpickling may make: bounds memory for pickles whose few bytes repeat objects. */
export const MAX_PICKLE_OBJECTS = 20_000_000;

/** A compressed storage is inflated whole; weights do not shrink, so honest files stay far below. */
export const MAX_INFLATED_BYTES = 2 * 1024 * 1024 * 1024;

/** Elements of a PyTorch view that repeats its storage (stride 0): bounds what ten bytes of pickle can make us allocate. */
export const MAX_EXPANDED_ELEMENTS = 2 ** 26;

/** Dimensions of a PyTorch or ONNX tensor; torch itself stops at 64. */
export const MAX_RANK = 64;

/** Nodes, names and types of an ONNX graph, without initialisers' raw data. */
export const MAX_ONNX_GRAPH_BYTES = 256 * 1024 * 1024;

/** Initialisers of an ONNX file. */
export const MAX_ONNX_TENSORS = 1_000_000;

/** Values of an ONNX file that are stored as varints and are therefore decoded when it is opened. */
export const MAX_ONNX_DECODED_BYTES = 64 * 1024 * 1024;

/** Nesting of messages in an ONNX file (sub-graphs of If and Loop); protobuf's own default is 100. */
export const MAX_ONNX_DEPTH = 64;

/** Folder entries that a search for checkpoints looks at before it stops: about a second on a slow disk. */
export const MAX_SEARCH_ENTRIES = 20_000;
