import { promises as fs } from 'node:fs';
import path from 'node:path';
import { asWriteFailure } from '../../checkpoint/atomicFile';
import { errorCode, statOrNull } from '../../checkpoint/files';
import { isJsonObject, readJsonObject } from '../../checkpoint/jsonFile';
import type { Executed } from '../engine/executeMerge';
import { INDEX_NAME, indexText } from '../plan/layout';
import type { MergePlan } from '../plan/types';
import { modelCard } from './modelCard';

/** Files of a tokenizer in all spellings in use. */
const TOKENIZER_FILES = /^(?:tokenizer.*\.(?:json|model)|special_tokens_map\.json|added_tokens\.json|vocab\.(?:json|txt)|merges\.txt|spiece\.model|sentencepiece.*\.model|chat_template\..+|.*\.tiktoken)$/;
/** Files that belong to the model itself: generation defaults, image processors, code that config.json names. */
const MODEL_FILES = /^(?:generation_config\.json|(?:video_)?preprocessor_config\.json|processor_config\.json|[\w.-]+\.py|licen[cs]e(?:\..*)?|notice(?:\..*)?)$/i;
/** Larger files are no settings. */
const MAX_COPIED = 512 * 1024 * 1024;

/** Writes everything beside the weights, index and config.json last, and makes it durable. */
export async function writeSmallFiles(plan: MergePlan, folder: string, executed: Executed): Promise<void> {
  await copyMatching(plan.tokenizerFolder, folder, TOKENIZER_FILES);
  await copyMatching(plan.template.checkpoint.folder, folder, MODEL_FILES);
  for (const [name, text] of plan.made) await write(path.join(folder, name), text);
  if (plan.recipe.chatTemplate !== null) await writeChatTemplate(plan.recipe.chatTemplate, folder);
  await write(path.join(folder, 'merge-recipe.yml'), plan.recipeText.endsWith('\n') ? plan.recipeText : `${plan.recipeText}\n`);
  await write(path.join(folder, 'README.md'), modelCard(plan, executed));
  const index = indexText(plan.files);
  if (index !== null) await write(path.join(folder, INDEX_NAME), index);
  if (plan.config) await write(path.join(folder, 'config.json'), `${JSON.stringify(plan.config, null, 2)}\n`);
}

async function copyMatching(from: string, to: string, pattern: RegExp): Promise<void> {
  for (const name of (await fs.readdir(from).catch(() => [])).filter((n) => pattern.test(n))) {
    const stats = await statOrNull(path.join(from, name));
    if (!stats?.isFile() || stats.size > MAX_COPIED) continue;
    try {
      await write(path.join(to, name), await fs.readFile(path.join(from, name)));
    } catch (error) {
      throw asWriteFailure(path.join(to, name), error);
    }
  }
}

/** The template goes where transformers looks for it; one of the old place, inside tokenizer_config.json, is removed. */
async function writeChatTemplate(template: string, folder: string): Promise<void> {
  await write(path.join(folder, 'chat_template.jinja'), template === 'chatml' ? CHATML : template);
  const file = path.join(folder, 'tokenizer_config.json');
  if ((await statOrNull(file)) === null) return;
  const { value } = await readJsonObject(file);
  if (!isJsonObject(value) || !('chat_template' in value)) return;
  await write(file, `${JSON.stringify(Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'chat_template')), null, 2)}\n`);
}

const CHATML = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/** Whole, durable, and with permissions of a new file: inputs may be read-only. */
async function write(file: string, data: string | Uint8Array): Promise<void> {
  try {
    await fs.rm(file, { force: true });
    const handle = await fs.open(file, 'wx');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw errorCode(error) === '' ? error : asWriteFailure(file, error);
  }
}
