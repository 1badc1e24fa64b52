#!/usr/bin/env node
/**
 * Writes random checkpoints of real models' shapes with plain Node, as fast as the disk takes them.
 *
 *   node test/bench/makeModels.mjs gpt2-small DIR [--layers N]
 *   node test/bench/makeModels.mjs llama-7b   DIR [--layers N]     (13.5 GB with all 32 layers)
 *
 * Each gets a config.json, a byte-level tokenizer.json without merges, input.json with token rows, and texts.jsonl.
 * Values are normal with the family's initial spread; they come from one block of random numbers that is read from a
 * new place again and again, whose length is prime so that no two rows of a tensor are equal.
 */
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** A prime, so that rows of power-of-two widths never start at the same place twice within a tensor. */
const POOL_VALUES = 8_388_593;
const SHARD_BYTES = 3 * 1024 ** 3;
const WRITE_BYTES = 16 * 1024 ** 2;

/** mulberry32: enough for test data, and the same on every machine. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal numbers, Box-Muller. */
function normals(count, seed) {
  const next = uniform(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** float32 -> bfloat16 bits, rounding to nearest even. */
function toBfloat16(values) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, b => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16);
}

const bytesOf = typed => Buffer.from(typed.buffer, typed.byteOffset, typed.byteLength);

/** Blocks of random bytes by spread; made once per dtype and spread. */
class Pool {
  #blocks = new Map();
  #normals = null;
  constructor(dtype) {
    this.dtype = dtype;
    this.width = dtype === 'BF16' ? 2 : 4;
  }
  block(spread, centre) {
    const key = `${spread} ${centre}`;
    let block = this.#blocks.get(key);
    if (block === undefined) {
      this.#normals ??= normals(POOL_VALUES, 1);
      const values = this.#normals.map(v => centre + spread * v);
      block = bytesOf(this.dtype === 'BF16' ? toBfloat16(values) : values);
      this.#blocks.set(key, block);
    }
    return block;
  }
}

/** Writes one safetensors file: `tensors` = [{name, shape, spread, centre}]. Returns its bytes. */
function writeFile(file, tensors, pool, startAt) {
  let end = 0;
  const header = { __metadata__: { format: 'pt' } };
  for (const tensor of tensors) {
    const size = tensor.shape.reduce((a, b) => a * b, 1) * pool.width;
    header[tensor.name] = { dtype: pool.dtype, shape: tensor.shape, data_offsets: [end, end + size] };
    end += size;
  }
  let text = Buffer.from(JSON.stringify(header));
  text = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const handle = fs.openSync(file, 'w');
  try {
    fs.writeSync(handle, length);
    fs.writeSync(handle, text);
    let place = startAt;
    for (const tensor of tensors) {
      const block = pool.block(tensor.spread, tensor.centre ?? 0);
      let left = header[tensor.name].data_offsets[1] - header[tensor.name].data_offsets[0];
      // A new place for each tensor, so that equal shapes do not hold equal numbers.
      place = (place + 104_729 * pool.width) % block.length;
      while (left > 0) {
        const take = Math.min(left, block.length - place, WRITE_BYTES);
        const wrote = fs.writeSync(handle, block, place, take);
        left -= wrote;
        place = (place + wrote) % block.length;
      }
    }
  } finally {
    fs.closeSync(handle);
  }
  return end;
}

/** The 256 characters that byte-level tokenizers write bytes as. */
function byteCharacters() {
  const printable = b => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let extra = 0;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : 256 + extra++));
}

function writeTokenizer(folder) {
  const level = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const vocab = Object.fromEntries(byteCharacters().map((character, id) => [character, id]));
  const tokenizer = {
    version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: level, post_processor: null, decoder: level,
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges: [] },
  };
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
}

/** Rows of ids, and texts of as many bytes, with labels in turn. */
function writeProbe(folder, vocabulary, rows, length, labels) {
  const next = uniform(7);
  const ids = Array.from({ length: rows }, () => Array.from({ length }, () => Math.floor(next() * vocabulary)));
  fs.writeFileSync(path.join(folder, 'input.json'), JSON.stringify({ input_ids: ids, labels: ids.map((_, row) => row % labels) }));
  const letters = 'etaoin shrdlu cmfwyp vbgkqj xz';
  const lines = ids.map((_, row) => JSON.stringify({ text: Array.from({ length }, () => letters[Math.floor(next() * letters.length)]).join(''), label: `label ${row % labels}` }));
  fs.writeFileSync(path.join(folder, 'texts.jsonl'), `${lines.join('\n')}\n`);
}

/** GPT-2 small's shape: 12 blocks, d 768, f 3072, float32 in one file (497 MB). Returns the folder. */
export function makeGpt2Small(folder, { layers = 12, rows = 8, length = 512 } = {}) {
  const d = 768;
  const f = 4 * d;
  fs.mkdirSync(folder, { recursive: true });
  const config = {
    architectures: ['GPT2LMHeadModel'], model_type: 'gpt2', activation_function: 'gelu_new', n_embd: d, n_layer: layers, n_head: 12, n_positions: 1024,
    n_inner: null, vocab_size: 50257, layer_norm_epsilon: 1e-5, bos_token_id: 50256, eos_token_id: 50256, tie_word_embeddings: true, dtype: 'float32',
  };
  const residual = 0.02 / Math.sqrt(2 * layers);
  const norm = name => [{ name: `${name}.weight`, shape: [d], spread: 0.05, centre: 1 }, { name: `${name}.bias`, shape: [d], spread: 0.02 }];
  const linear = (name, from, to, spread) => [{ name: `${name}.weight`, shape: [from, to], spread }, { name: `${name}.bias`, shape: [to], spread: 0.02 }];
  const tensors = [{ name: 'transformer.wte.weight', shape: [50257, d], spread: 0.02 }, { name: 'transformer.wpe.weight', shape: [1024, d], spread: 0.01 }];
  for (let i = 0; i < layers; i++) {
    const at = `transformer.h.${i}`;
    tensors.push(
      ...norm(`${at}.ln_1`), ...linear(`${at}.attn.c_attn`, d, 3 * d, 0.02), ...linear(`${at}.attn.c_proj`, d, d, residual),
      ...norm(`${at}.ln_2`), ...linear(`${at}.mlp.c_fc`, d, f, 0.02), ...linear(`${at}.mlp.c_proj`, f, d, residual),
    );
  }
  tensors.push(...norm('transformer.ln_f'));
  writeFile(path.join(folder, 'model.safetensors'), tensors, new Pool('F32'), 0);
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config, null, 2));
  writeTokenizer(folder);
  writeProbe(folder, config.vocab_size, rows, length, 8);
  return folder;
}

/** Llama-2-7B's shape: 32 blocks, d 4096, f 11008, bfloat16 in shards of 3 GiB (13.5 GB). Returns the folder. */
export function makeLlama7b(folder, { layers = 32, rows = 2, length = 256 } = {}) {
  const d = 4096;
  const f = 11008;
  const vocabulary = 32000;
  fs.mkdirSync(folder, { recursive: true });
  const config = {
    architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', hidden_size: d, intermediate_size: f, num_hidden_layers: layers,
    num_attention_heads: 32, num_key_value_heads: 32, vocab_size: vocabulary, max_position_embeddings: 4096, rms_norm_eps: 1e-5, rope_theta: 10000,
    rope_scaling: null, attention_bias: false, mlp_bias: false, tie_word_embeddings: false, bos_token_id: 1, eos_token_id: 2, torch_dtype: 'bfloat16',
  };
  const matrix = (name, to, from) => ({ name: `${name}.weight`, shape: [to, from], spread: 0.02 });
  const norm = name => ({ name: `${name}.weight`, shape: [d], spread: 0.05, centre: 1 });
  const tensors = [matrix('model.embed_tokens', vocabulary, d)];
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    tensors.push(
      norm(`${at}.input_layernorm`), ...['q', 'k', 'v', 'o'].map(part => matrix(`${at}.self_attn.${part}_proj`, d, d)), norm(`${at}.post_attention_layernorm`),
      matrix(`${at}.mlp.gate_proj`, f, d), matrix(`${at}.mlp.up_proj`, f, d), matrix(`${at}.mlp.down_proj`, d, f),
    );
  }
  tensors.push(norm('model.norm'), matrix('lm_head', vocabulary, d));
  const shards = [[]];
  let filled = 0;
  for (const tensor of tensors) {
    const size = 2 * tensor.shape.reduce((a, b) => a * b, 1);
    if (filled > 0 && filled + size > SHARD_BYTES) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1).push(tensor);
    filled += size;
  }
  const pool = new Pool('BF16');
  const number = n => String(n).padStart(5, '0');
  const weightMap = {};
  let total = 0;
  shards.forEach((shard, i) => {
    const file = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    for (const tensor of shard) weightMap[tensor.name] = file;
    // Elements, not bytes: the start must stay a multiple of the element's width.
    total += writeFile(path.join(folder, file), shard, pool, ((i * 1_299_709) % POOL_VALUES) * 2);
  });
  fs.writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }));
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config, null, 2));
  writeTokenizer(folder);
  writeProbe(folder, vocabulary, rows, length, 2);
  return folder;
}

function main() {
  const [kind, folder, ...rest] = process.argv.slice(2);
  const make = { 'gpt2-small': makeGpt2Small, 'llama-7b': makeLlama7b }[kind];
  if (make === undefined || folder === undefined) {
    console.error('usage: makeModels.mjs gpt2-small|llama-7b DIR [--layers N]');
    process.exitCode = 2;
    return;
  }
  const layers = rest[0] === '--layers' ? { layers: Number(rest[1]) } : {};
  const start = performance.now();
  make(folder, layers);
  const bytes = fs.readdirSync(folder).reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0);
  console.log(JSON.stringify({ folder, bytes, seconds: (performance.now() - start) / 1000 }));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) main();
