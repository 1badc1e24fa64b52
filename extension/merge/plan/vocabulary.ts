import path from 'node:path';
import { statOrNull } from '../../checkpoint/files';
import { isJsonObject, readJsonObject } from '../../checkpoint/jsonFile';
import { MAX_TOKENIZER_BYTES } from '../../checkpoint/limits';
import type { TensorInfo } from '../../checkpoint/types';
import { failure } from '../../protocol/errors';
import type { ModelReference, TokenizerChoice } from '../../protocol/merge';
import { isEmbedding } from './names';
import type { OpenedModel, RowMap } from './types';

/** The vocabulary of the result where it is not simply that of every model. */
export interface Vocabulary {
  /** Rows of embedding and head. */
  readonly size: number;
  /** Folder whose tokenizer files are copied, but for those that are made. */
  readonly folder: string;
  readonly files: ReadonlyMap<string, string>;
  /**
   * Rows of one model's table in the order of this vocabulary: a token that the model lacks takes the template's vector, else that of the only model
   * that has it, else the mean of those that do. Null: its own rows in their order.
   */
  rowsFor(model: OpenedModel, tensor: TensorInfo, tableOf: (model: OpenedModel) => TensorInfo | undefined): RowMap | null;
}

interface Tokens { readonly byText: ReadonlyMap<string, number>; readonly json: Readonly<Record<string, unknown>> }

/** Null where every model has the same tokens and rows, or the recipe says nothing. */
export async function planVocabulary(choice: TokenizerChoice | null, template: OpenedModel, models: readonly OpenedModel[], open: (reference: ModelReference) => Promise<OpenedModel>): Promise<Vocabulary | null> {
  if (choice === null) return null;
  const chosen = choice.source === 'base' || choice.source === 'union' ? template : await open(choice.source);
  const tokens = new Map<OpenedModel, Tokens>();
  for (const model of new Set([...models, chosen])) tokens.set(model, await readTokens(model));
  const own = tokens.get(chosen) as Tokens, ids = new Map(own.byText), added: string[] = [];
  if (choice.source === 'union') {
    let next = Math.max(-1, ...ids.values()) + 1;
    for (const model of models) for (const [text] of [...(tokens.get(model) as Tokens).byText].sort((a, b) => a[1] - b[1])) if (!ids.has(text)) { ids.set(text, next++); added.push(text); }
  }
  const rowsOf = (model: OpenedModel): number => [...model.checkpoint.tensors.values()].find(({ name }) => isEmbedding(name))?.shape[0] ?? 0;
  const top = Math.max(-1, ...ids.values()) + 1, padded = Math.max(top, added.length === 0 ? rowsOf(chosen) : 0), size = choice.padToMultipleOf ? Math.ceil(padded / choice.padToMultipleOf) * choice.padToMultipleOf : padded;
  const same = models.every((model) => sameTokens((tokens.get(model) as Tokens).byText, ids) && rowsOf(model) === size);
  if (same) return chosen === template ? null : { size, folder: chosen.checkpoint.folder, files: new Map(), rowsFor: () => null };
  const textOf = new Map([...ids].map(([text, id]) => [id, text]));
  return {
    size, folder: chosen.checkpoint.folder, files: added.length === 0 ? new Map() : new Map([['tokenizer.json', extended(own.json, added, ids)]]),
    rowsFor: (model, tensor, tableOf) => {
      const mine = (tokens.get(model) as Tokens).byText, rows: RowMap['rows'][number][] = [];
      for (let id = 0; id < size; id++) {
        const text = textOf.get(id), at = text === undefined ? id : mine.get(text);
        if (at !== undefined && at < tensor.shape[0]) { rows.push([{ source: tensor, row: at }]); continue; }
        const others = [template, ...models.filter((m) => m !== template)].flatMap((other) => {
          const table = tableOf(other), row = text === undefined ? id : tokens.get(other)?.byText.get(text);
          return table && row !== undefined && row < table.shape[0] ? [{ source: table, row, base: other === template }] : [];
        });
        rows.push(others.some(({ base }) => base) ? [others[0]] : others);
      }
      return { rows };
    },
  };
}

function sameTokens(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([text, id]) => b.get(text) === id);
}

async function readTokens(model: OpenedModel): Promise<Tokens> {
  const file = path.join(model.checkpoint.folder, 'tokenizer.json');
  if ((await statOrNull(file)) === null) throw failure('merge/tokenizer', { model: model.path, reason: 'there is no tokenizer.json; leave out "tokenizer" where the vocabularies are the same' });
  const { value: json } = await readJsonObject(file, MAX_TOKENIZER_BYTES), byText = new Map<string, number>(), vocabulary = isJsonObject(json['model']) ? json['model']['vocab'] : undefined;
  if (Array.isArray(vocabulary)) vocabulary.forEach((entry: unknown, id) => { if (Array.isArray(entry) && typeof entry[0] === 'string') byText.set(entry[0], id); });
  else if (isJsonObject(vocabulary)) for (const [text, id] of Object.entries(vocabulary)) { if (typeof id === 'number') byText.set(text, id); }
  else throw failure('merge/tokenizer', { model: model.path, reason: 'its tokenizer.json holds no vocabulary' });
  const extra = json['added_tokens'];
  if (Array.isArray(extra)) for (const entry of extra as unknown[]) if (isJsonObject(entry) && typeof entry['content'] === 'string' && typeof entry['id'] === 'number') byText.set(entry['content'], entry['id']);
  for (const id of byText.values()) if (!Number.isInteger(id) || id < 0 || id > MAX_TOKENS) throw failure('merge/tokenizer', { model: model.path, reason: `token id ${id} is out of range` });
  return { byText, json };
}

/** Ids of a tokenizer; the largest public vocabularies have under a million. */
const MAX_TOKENS = 10_000_000;

/** tokenizer.json with further tokens at the end, which are matched whole before anything else is split. */
function extended(json: Readonly<Record<string, unknown>>, added: readonly string[], ids: ReadonlyMap<string, number>): string {
  const before = Array.isArray(json['added_tokens']) ? (json['added_tokens'] as unknown[]) : [];
  const more = added.map((content) => ({ id: ids.get(content), content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false }));
  return `${JSON.stringify({ ...json, added_tokens: [...before, ...more] }, null, 2)}\n`;
}
