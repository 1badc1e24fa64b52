import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../extension/probe/tokenizer';

interface Golden {
  readonly samples: readonly string[];
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly plain: Readonly<Record<string, readonly (readonly number[])[]>>;
}
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, 'tokenizers.json'), 'utf8')) as Golden;
const FIXTURES = path.join(__dirname, '../../fixtures');
const NAMES = Object.keys(golden.ids);
const OLD_FORM = ['gpt2', 'roberta', 'bert', 'bert-cased'];
const folderOf = (name: string): string => path.join(FIXTURES, name === 'stories260k' ? name : `tokenizers/${name}`);

let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-tokenizers-')); });
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

async function idsOf(folder: string): Promise<{ ids: number[][]; plain: number[][] }> {
  const tokenizer = await openTokenizer(folder);
  if (!tokenizer) throw new Error(`${folder} has no tokenizer`);
  return { ids: golden.samples.map((text) => [...tokenizer.encode(text)]), plain: golden.samples.map((text) => [...tokenizer.encodePlain(text)]) };
}

describe('ids agree with transformers', () => {
  it.each(NAMES)('%s from tokenizer.json', async (name) => {
    expect(await idsOf(folderOf(name))).toEqual({ ids: golden.ids[name], plain: golden.plain[name] });
  });

  it.each(OLD_FORM)('%s from its old files', async (name) => {
    const folder = path.join(scratch, name);
    fs.cpSync(folderOf(name), folder, { recursive: true, filter: (file) => path.basename(file) !== 'tokenizer.json' });
    expect(fs.existsSync(path.join(folder, 'tokenizer.json'))).toBe(false);
    expect(await idsOf(folder)).toEqual({ ids: golden.ids[name], plain: golden.plain[name] });
  });
});

describe('tokenizer files', () => {
  it('a folder without them has none', async () => {
    const folder = path.join(scratch, 'empty');
    fs.mkdirSync(folder);
    expect(await openTokenizer(folder)).toBeNull();
  });

  it.each([['not JSON', '{'], ['no object', '[1]'], ['no model', '{}']])('a tokenizer.json that is %s is an input error that names the folder', async (_what, text) => {
    const folder = fs.mkdtempSync(path.join(scratch, 'broken-'));
    fs.writeFileSync(path.join(folder, 'tokenizer.json'), text);
    await expect(openTokenizer(folder)).rejects.toMatchObject({ code: 'probe/tokenizer', message: expect.stringContaining(folder) as string });
  });

  it('reads tokens back as text', async () => {
    const tokenizer = await openTokenizer(folderOf('gpt2'));
    const ids = tokenizer?.encode('How do I locate my card?') ?? new Int32Array();
    expect(tokenizer?.decode(ids)).toBe('How do I locate my card?');
    expect([...ids].map((id) => tokenizer?.tokenText(id)).join('')).toBe('How do I locate my card?');
    expect(tokenizer?.isSpecial(0)).toBe(true);
    expect(tokenizer?.isSpecial(ids[0])).toBe(false);
  });
});
