import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeTemporaryFiles } from '../../../extension/checkpoint/atomicFile';
import { checkOutputFolder, OutputFolder } from '../../../extension/checkpoint/outputFolder';

let base = '';
beforeEach(async () => { base = await fs.mkdtemp(path.join(os.tmpdir(), 'modulens-output-')); });
afterEach(async () => { await fs.rm(base, { recursive: true, force: true }); });

const options = { overwrite: false, inputs: [] as readonly string[], bytes: 10 };

describe('output folder', () => {
  it('appears whole, under its name, when it is finished', async () => {
    const target = path.join(base, 'out');
    const output = await OutputFolder.create(target, options);
    await fs.writeFile(path.join(output.folder, 'a.txt'), 'a');
    await expect(fs.stat(target)).rejects.toThrow();
    await output.finish();
    expect(await fs.readdir(base)).toEqual(['out']);
    expect(await fs.readFile(path.join(target, 'a.txt'), 'utf8')).toBe('a');
  });

  it('leaves nothing behind when it is given up, or when the process is told to stop', async () => {
    const output = await OutputFolder.create(path.join(base, 'out'), options);
    await fs.writeFile(path.join(output.folder, 'a.txt'), 'a');
    await output.abort();
    expect(await fs.readdir(base)).toEqual([]);
    await OutputFolder.create(path.join(base, 'other'), options);
    removeTemporaryFiles();
    expect(await fs.readdir(base)).toEqual([]);
  });

  it('replaces an older folder only when told, and then whole', async () => {
    const target = path.join(base, 'out');
    await fs.mkdir(target);
    await fs.writeFile(path.join(target, 'stale.txt'), 'old');
    await expect(OutputFolder.create(target, options)).rejects.toMatchObject({ code: 'output/not-empty' });
    const output = await OutputFolder.create(target, { ...options, overwrite: true });
    await fs.writeFile(path.join(output.folder, 'a.txt'), 'new');
    expect(await fs.readdir(target)).toEqual(['stale.txt']);
    await output.finish();
    expect(await fs.readdir(target)).toEqual(['a.txt']);
    expect(await fs.readdir(base)).toEqual(['out']);
  });

  it('does not replace a folder that was filled in the meantime', async () => {
    const target = path.join(base, 'out');
    const output = await OutputFolder.create(target, options);
    await fs.mkdir(target);
    await fs.writeFile(path.join(target, 'theirs.txt'), 'x');
    await expect(output.finish()).rejects.toMatchObject({ code: 'output/not-empty' });
    expect(await fs.readdir(base)).toEqual(['out']);
    expect(await fs.readFile(path.join(target, 'theirs.txt'), 'utf8')).toBe('x');
  });

  it('refuses a target that is, holds, lies in or links to an input', async () => {
    const input = path.join(base, 'model');
    await fs.mkdir(input);
    await fs.symlink(input, path.join(base, 'link'), 'junction');
    for (const target of [input, path.join(input, 'out'), base, path.join(base, 'link'), path.join(base, 'link', 'deep', 'out')]) {
      await expect(checkOutputFolder(target, { ...options, overwrite: true, inputs: [input] }), target).rejects.toMatchObject({ code: 'output/is-input' });
    }
    await checkOutputFolder(path.join(base, 'model-2'), { ...options, inputs: [input] });
  });

  it('asks for free space before anything is written', async () => {
    await expect(checkOutputFolder(path.join(base, 'out'), { ...options, bytes: 1e18 })).rejects.toMatchObject({ code: 'output/no-space' });
    expect(await fs.readdir(base)).toEqual([]);
  });
});
