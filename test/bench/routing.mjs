#!/usr/bin/env node
/**
 * Routing 512 tokens through all layers with avg-k: the first time (model opened, neurons split), again, and after an edit. On the sample and
 * on a GPT-2-small shape that is made here. Seconds are of this machine; the ratios to a plain forward pass of the same text are what counts.
 *
 *   node test/bench/routing.mjs [--skip-gpt2]
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { ROOT } from '../setup.mjs';
import { makeGpt2Small } from './makeModels.mjs';

const { values: options } = parseArgs({ options: { 'skip-gpt2': { type: 'boolean', default: false } } });
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-bench-'));
try {
  const bundle = path.join(ROOT, 'node_modules/.cache/modulens-bench/routingOwn.cjs');
  await esbuild.build({ entryPoints: [path.join(ROOT, 'test/bench/routingOwn.ts')], bundle: true, platform: 'node', format: 'cjs', external: ['onnxruntime-node'], outfile: bundle, logLevel: 'error' });
  const models = { sample: path.join(ROOT, 'media/sample/modulens-sample') };
  if (!options['skip-gpt2']) {
    models['gpt2-small'] = path.join(scratch, 'gpt2-small');
    makeGpt2Small(models['gpt2-small']);
  }
  const out = {};
  for (const [name, folder] of Object.entries(models)) {
    const result = spawnSync(process.execPath, [bundle, folder, path.join(scratch, `cache-${name}`)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    if (result.status !== 0) throw new Error(`${name}: status ${result.status}`);
    out[name] = JSON.parse(result.stdout.trim().split('\n').at(-1));
  }
  console.log(JSON.stringify({ benchmark: 'routing', ...out }, null, 2));
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
