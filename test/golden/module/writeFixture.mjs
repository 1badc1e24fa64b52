// Writes the folder of writtenFolder.ts to test/fixtures/module/written-lora, for makeWritten.py to load in PEFT.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { buildSync } from 'esbuild';

const here = import.meta.dirname, scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-fixture-')), bundle = path.join(scratch, 'bundle.cjs');
buildSync({ stdin: { contents: "export { loraFolderFiles } from '../../../extension/module/writeLora'; export { writtenFolder } from './writtenFolder';", resolveDir: here, loader: 'ts' }, bundle: true, platform: 'node', format: 'cjs', outfile: bundle });
const { loraFolderFiles, writtenFolder } = createRequire(import.meta.url)(bundle);
const out = path.join(here, '../../fixtures/module/written-lora');
fs.mkdirSync(out, { recursive: true });
for (const { name, bytes } of loraFolderFiles(writtenFolder())) fs.writeFileSync(path.join(out, name), bytes);
fs.rmSync(scratch, { recursive: true });
