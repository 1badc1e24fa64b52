import path from 'node:path';
import { isJsonObject, readJsonObject } from '../checkpoint/jsonFile';
import type { Tokenizer } from '../probe/tokenizer';
import { failure, ModulensError } from '../protocol/errors';

/** Spellings that tokenizers of masked models use where no file names the token. */
const USUAL = ['[MASK]', '<mask>'];

/** Id of the tokenizer's mask token: as its configuration names it, else one of the usual spellings that is a special token. */
export async function maskTokenOf(folder: string, tokenizer: Tokenizer): Promise<number> {
  const named = [await declared(folder, 'tokenizer_config.json'), await declared(folder, 'special_tokens_map.json')].filter((n): n is string => n !== null);
  for (const text of [...named, ...USUAL]) {
    const ids = tokenizer.encodePlain(text);
    if (ids.length === 1 && tokenizer.isSpecial(ids[0])) return ids[0];
  }
  throw failure('probe/tokenizer', { path: folder, reason: 'it names no mask token, which a pseudo-likelihood needs' });
}

async function declared(folder: string, file: string): Promise<string | null> {
  try {
    const value = (await readJsonObject(path.join(folder, file))).value['mask_token'];
    if (typeof value === 'string') return value;
    return isJsonObject(value) && typeof value['content'] === 'string' ? value['content'] : null;
  } catch (error) {
    if (error instanceof ModulensError && error.code === 'checkpoint/not-found') return null;
    throw error;
  }
}
