import path from 'node:path';
import { isFloatDtype } from '../../checkpoint/dtypes';
import { statOrNull } from '../../checkpoint/files';
import { isJsonObject, readJsonObject } from '../../checkpoint/jsonFile';
import { MAX_TOKENIZER_BYTES } from '../../checkpoint/limits';
import type { Checkpoint, TensorInfo } from '../../checkpoint/types';
import type { InspectAlignment } from '../../protocol/mergeInspect';
import { isBuffer, isEmbedding, isHead } from '../plan/names';

/** Names that are told for each model. */
const SHOWN = 8;

/** Tensors that all have with one shape, in the order of the first, and what stands in the way of the others. `all[0]` may be the base. */
export function alignTensors(all: readonly Checkpoint[], models: number): { readonly names: readonly string[]; readonly alignment: Omit<InspectAlignment, 'vocabularies'> } {
  const union = new Map<string, TensorInfo>();
  for (const { tensors } of all) for (const [name, tensor] of tensors) if (!union.has(name) && !isBuffer(tensor) && isFloatDtype(tensor.dtype)) union.set(name, tensor);
  const offset = all.length - models;
  const missing = all.slice(offset).map((checkpoint, model) => {
    // A head that is the embedding need not be stored.
    const names = [...union.keys()].filter((name) => !checkpoint.tensors.has(name) && !(isHead(name) && tiedHead(checkpoint) === true));
    return { model, count: names.length, names: names.slice(0, SHOWN) };
  }).filter(({ count }) => count > 0);
  const shapes: InspectAlignment['shapes'][number][] = [], names: string[] = [];
  for (const [name, { shape }] of union) {
    const found = all.map(({ tensors }) => tensors.get(name));
    const other = found.findIndex((tensor) => tensor !== undefined && tensor.shape.join() !== shape.join());
    if (other >= offset && shapes.length < SHOWN) shapes.push({ tensor: name, model: other - offset, shape: found[other]?.shape ?? [], expected: shape });
    if (other < 0 && found.every((tensor) => tensor !== undefined && isFloatDtype(tensor.dtype))) names.push(name);
  }
  const rowsOf = ({ tensors }: Checkpoint): number | null => [...tensors.values()].find(({ name }) => isEmbedding(name))?.shape[0] ?? null;
  return { names, alignment: { tensors: union.size, aligned: names.length, missing, shapes, vocabularyRows: all.slice(offset).map(rowsOf), tiedHeads: all.slice(offset).map(tiedHead) } };
}

/** Whether the head is the embedding: said by the settings, else by what is stored; null without a head of any kind. */
function tiedHead({ config, tensors }: Checkpoint): boolean | null {
  const said = config?.['tie_word_embeddings'], stored = [...tensors.keys()].some(isHead);
  if (typeof said === 'boolean') return said || !stored;
  return stored ? false : [...tensors.keys()].some(isEmbedding) ? true : null;
}

/** Whether all tokenizers give the same tokens the same numbers; null where one has no tokenizer.json. */
export async function compareVocabularies(all: readonly Checkpoint[]): Promise<InspectAlignment['vocabularies']> {
  let first: string | null = null;
  for (const { folder } of all) {
    const file = path.join(folder, 'tokenizer.json');
    if (!(await statOrNull(file))) return null;
    const { value } = await readJsonObject(file, MAX_TOKENIZER_BYTES), text = tokensOf(value);
    if (first !== null && text !== first) return 'different';
    first = text;
  }
  return 'identical';
}

/** All tokens with their numbers, in one order. */
function tokensOf(value: Readonly<Record<string, unknown>>): string {
  const model = value['model'], vocab = isJsonObject(model) ? model['vocab'] : undefined, pairs: [string, unknown][] = [];
  if (Array.isArray(vocab)) vocab.forEach((entry: unknown, id) => pairs.push([Array.isArray(entry) ? String(entry[0]) : String(entry), id]));
  else if (isJsonObject(vocab)) for (const [token, id] of Object.entries(vocab)) pairs.push([token, id]);
  const added: unknown = value['added_tokens'];
  if (Array.isArray(added)) for (const token of added as readonly unknown[]) if (isJsonObject(token)) pairs.push([String(token['content']), token['id']]);
  return JSON.stringify(pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)));
}
