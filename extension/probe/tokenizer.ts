import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { failure } from '../protocol/errors';
import { bytesOfToken, readableBytes } from './byteLevel';

/** A checkpoint's own tokenizer. */
export interface Tokenizer {
  /** Ids with special tokens on. */
  encode(text: string): Int32Array;
  /** Ids without special tokens (continuations of a text). */
  encodePlain(text: string): Int32Array;
  decode(ids: ArrayLike<number>): string;
  /** One token as people read it; spaces kept, bytes that are no whole character as `<0xE2>`. */
  tokenText(id: number): string;
  isSpecial(id: number): boolean;
  /** What a token adds to the text, as bytes: blanks in front of words included, `##` and byte spellings undone. */
  tokenBytes(id: number): Uint8Array;
  /** How its pieces are written: with blanks as bytes, `##` inside words, or blanks as a mark of their own. */
  readonly style: 'byteLevel' | 'wordPiece' | 'sentencePiece';
  /** SHA-256 of its definition. */
  readonly hash: string;
}

const FILE_LIMIT = 128 << 20;
/** Longest text that is tokenised in one go: regular expressions come from the file and may be slow on purpose. */
const TEXT_LIMIT = 4 << 20;

type Json = Record<string, unknown>;

const utf8 = new TextEncoder();

/** Reads tokenizer.json, or vocab.json + merges.txt (byte-level BPE), or vocab.txt (WordPiece); null where there is none. */
export async function openTokenizer(folder: string): Promise<Tokenizer | null> {
  const config = (await readJson(folder, 'tokenizer_config.json')) ?? {};
  const definition = (await readJson(folder, 'tokenizer.json')) ?? (await fromBpeFiles(folder, config)) ?? (await fromVocabulary(folder, config));
  if (!definition) return null;
  let inner: HuggingFaceTokenizer;
  try {
    inner = new HuggingFaceTokenizer(definition, config);
  } catch (error) {
    throw failure('probe/tokenizer', { path: folder, reason: error instanceof Error ? error.message : String(error) });
  }
  return wrap(inner, folder, createHash('sha256').update(JSON.stringify(definition)).digest('hex'));
}

/** Whether a tokenizer can be looked for in the folder; reads no file. */
export async function hasTokenizer(folder: string): Promise<boolean> {
  const names = new Set(await fs.readdir(folder).catch(() => [] as string[]));
  return names.has('tokenizer.json') || (names.has('vocab.json') && names.has('merges.txt')) || names.has('vocab.txt');
}

function wrap(inner: HuggingFaceTokenizer, folder: string, hash: string): Tokenizer {
  const special = new Set<number>();
  for (const [id, token] of inner.get_added_tokens_decoder()) if (token.special) special.add(id);
  const encode = (text: string, withSpecial: boolean): Int32Array => {
    if (text.length > TEXT_LIMIT) throw failure('probe/tokenizer', { path: folder, reason: `a text of ${text.length} characters is longer than ${TEXT_LIMIT}` });
    try {
      return Int32Array.from(inner.encode(text, { add_special_tokens: withSpecial }).ids);
    } catch (error) {
      throw failure('probe/tokenizer', { path: folder, reason: error instanceof Error ? error.message : String(error) });
    }
  };
  const texts = new Map<number, string>();
  const decoder = JSON.stringify(inner.decoder?.config ?? {}), byteLevel = decoder.includes('ByteLevel'), wordPiece = decoder.includes('WordPiece');
  return {
    hash,
    style: byteLevel ? 'byteLevel' : wordPiece ? 'wordPiece' : 'sentencePiece',
    tokenBytes: (id) => {
      const raw = inner.id_to_token(id) ?? '', byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(raw);
      if (special.has(id)) return utf8.encode(raw);
      if (byteLevel) return bytesOfToken(raw) ?? utf8.encode(raw);
      if (byte) return Uint8Array.of(Number.parseInt(byte[1], 16));
      return utf8.encode(wordPiece && raw.startsWith('##') ? raw.slice(2) : raw.replaceAll('\u2581', ' '));
    },
    encode: (text) => encode(text, true),
    encodePlain: (text) => encode(text, false),
    decode: (ids) => inner.decode(Array.from(ids), { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    tokenText: (id) => {
      let text = texts.get(id);
      if (text === undefined) {
        const raw = inner.id_to_token(id) ?? `#${id}`;
        const bytes = byteLevel && !special.has(id) ? bytesOfToken(raw) : null;
        text = bytes ? readableBytes(bytes) : special.has(id) || byteLevel ? raw : raw.replaceAll('\u2581', ' ');
        texts.set(id, text);
      }
      return text;
    },
    isSpecial: (id) => special.has(id),
  };
}

async function readJson(folder: string, name: string): Promise<Json | null> {
  const text = await readText(folder, name);
  if (text === null) return null;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Json;
  } catch (error) {
    throw failure('probe/tokenizer', { path: path.join(folder, name), reason: error instanceof Error ? error.message : String(error) });
  }
  throw failure('probe/tokenizer', { path: path.join(folder, name), reason: 'it is not a JSON object' });
}

async function readText(folder: string, name: string): Promise<string | null> {
  const file = path.join(folder, name);
  try {
    const stat = await fs.stat(file);
    if (stat.size > FILE_LIMIT) throw failure('probe/tokenizer', { path: file, reason: `it is larger than ${FILE_LIMIT} bytes` });
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** GPT-2's and RoBERTa's old files as a tokenizer definition. */
async function fromBpeFiles(folder: string, config: Json): Promise<Json | null> {
  const vocab = await readJson(folder, 'vocab.json'), merges = await readText(folder, 'merges.txt');
  if (!vocab || merges === null) return null;
  const pairs = merges.split('\n').map((line) => line.trimEnd()).filter((line) => line !== '' && !line.startsWith('#version'));
  const has = (token: string): boolean => Object.hasOwn(vocab, token);
  const roberta = has('<s>') && has('</s>') && has('<mask>');
  // A saved RoBERTa says here whether its mask swallows the blank before it; without that transformers 5 keeps the blank.
  const mask = config['mask_token'], maskStrips = typeof mask === 'object' && mask !== null && (mask as Json)['lstrip'] === true;
  const specials = ['<s>', '<pad>', '</s>', '<unk>', '<mask>', '<|endoftext|>'].filter(has);
  return {
    version: '1.0', normalizer: null,
    added_tokens: specials.map((content) => ({ id: vocab[content], content, single_word: false, lstrip: content === '<mask>' && maskStrips, rstrip: false, normalized: false, special: true })),
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: config['add_prefix_space'] === true, trim_offsets: true, use_regex: true },
    post_processor: roberta ? { type: 'RobertaProcessing', sep: ['</s>', vocab['</s>']], cls: ['<s>', vocab['<s>']], trim_offsets: true, add_prefix_space: config['add_prefix_space'] === true } : { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false, byte_fallback: false, vocab, merges: pairs },
  };
}

/** BERT's vocab.txt as a tokenizer definition. */
async function fromVocabulary(folder: string, config: Json): Promise<Json | null> {
  const text = await readText(folder, 'vocab.txt');
  if (text === null) return null;
  const vocab: Json = {};
  text.split('\n').map((line) => line.replace(/\r$/, '')).forEach((token, id) => { if (token !== '') vocab[token] = id; });
  const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].filter((t) => Object.hasOwn(vocab, t));
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  return {
    version: '1.0',
    added_tokens: specials.map((content) => ({ id: vocab[content], content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: config['tokenize_chinese_chars'] !== false, strip_accents: config['strip_accents'] ?? null, lowercase: config['do_lower_case'] !== false },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing', single: [special('[CLS]', 0), sequence('A', 0), special('[SEP]', 0)], pair: [special('[CLS]', 0), sequence('A', 0), special('[SEP]', 0), sequence('B', 1), special('[SEP]', 1)],
      special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map((token) => [token, { id: token, ids: [vocab[token]], tokens: [token] }])),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  };
}
