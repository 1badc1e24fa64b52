import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { run } from '../../../extension/engine/operations/evaluate';
import { runtimeHost } from '../../../extension/engine/runtimeHost';

/**
 * Compares losses with those that transformers and PEFT gave on the documented data, within 1e-3. Not part of the tests,
 * because the data is not in the repository. How to run:
 *   MODULENS_TEST_DATA=FOLDER npx esbuild test/golden/evaluation/documentedFigures.ts --bundle --platform=node \
 *     --external:onnxruntime-node --outfile=out/documentedFigures.cjs && node out/documentedFigures.cjs
 */
const TOLERANCE = 1e-3;
const ROWS = 800;

/** Checkpoint, module, nats per token, bits per byte (null where the data's page gives none). */
const FIGURES: readonly (readonly [string, string | null, number, number | null])[] = [
  ['stories260k', null, 3.9159, 3.3117], ['stories260k-sharded', null, 3.9159, 3.3117], ['stories260k-bf16', null, 3.9146, null], ['stories260k-fp16', null, 3.9157, null],
  ['stories260k', 'lora-bank-r4', 2.3718, 2.0059], ['stories260k', 'lora-math-r4', 3.308, 2.7976], ['stories260k', 'lora-code-r8', 4.862, 4.1119],
  ['stories260k-modules/fullft-bank', null, 1.4897, 1.2599], ['stories260k-modules/fullft-math', null, 3.3333, 2.819],
];

/** First column of a CSV file without its head, quotes as in RFC 4180. */
function firstColumn(csv: string): string[] {
  return [...csv.matchAll(/(?:^|\n)(?:"((?:[^"]|"")*)"|([^,"\n]*)),[^\n]*(?=\n|$)/g)].map((m) => (m[1] ?? m[2]).replaceAll('""', '"')).slice(1);
}

async function main(): Promise<void> {
  const root = process.env['MODULENS_TEST_DATA'];
  if (!root) throw new Error('set MODULENS_TEST_DATA to the folder with stories260k and text/banking77');
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-figures-')), data = path.join(scratch, 'data.jsonl');
  const texts = firstColumn(fs.readFileSync(path.join(root, 'text/banking77/test.csv'), 'utf8')).slice(0, ROWS);
  fs.writeFileSync(data, texts.map((text) => JSON.stringify({ text })).join('\n'));
  const context = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: scratch, cacheBytes: 0, threads: 0, device: 'cpu' as const } };
  let worst = 0;
  for (const [checkpoint, module, loss, bits] of FIGURES) {
    const document = await run({ path: path.join(root, checkpoint), data, modules: module === null ? [] : [{ path: path.join(root, 'stories260k-modules', module), strength: 1 }] }, context);
    const found = document.runs[document.runs.length - 1];
    const off = Math.max(Math.abs(found.lossPerToken - loss), bits === null ? 0 : Math.abs(found.bitsPerByte - bits));
    worst = Math.max(worst, off);
    const controls = document.controls.map((c) => c.lossPerToken.toFixed(4)).join(', ');
    console.log(`${checkpoint}${module ? ` + ${module}` : ''}: ${found.lossPerToken.toFixed(5)} (reference ${loss}), ${found.bitsPerByte.toFixed(5)} bits per byte, ${found.tokens} tokens${controls ? `, random modules ${controls}` : ''}, ${document.timings['total'].toFixed(1)} s`);
  }
  await runtimeHost.dispose();
  fs.rmSync(scratch, { recursive: true });
  console.log(`largest difference ${worst.toExponential(2)}`);
  process.exitCode = worst < TOLERANCE ? 0 : 1;
}

void main();
