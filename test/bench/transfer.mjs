#!/usr/bin/env node
/**
 * Carrying a LoRA of rank 16 on all linear maps between two bases of GPT-2 small's shape, with 20,000 paired tokens: seconds by stage and peak
 * memory. Beside it the two steps that libraries do elsewhere, assignment and Procrustes, against scipy on the same matrices in the same run.
 *
 *   node test/bench/transfer.mjs [--python PYTHON] [--layers 12] [--tokens 20000] [--algebra-only]
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { ROOT } from '../setup.mjs';
import { makeGpt2Small } from './makeModels.mjs';

const { values: options } = parseArgs({ options: { python: { type: 'string', default: 'python3' }, layers: { type: 'string', default: '12' }, tokens: { type: 'string', default: '20000' }, 'algebra-only': { type: 'boolean', default: false } } });
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-bench-'));
const ask = (command, ...args) => {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
  if (result.status !== 0) throw new Error(`${path.basename(command)} ${args[0]}: status ${result.status}`);
  const line = result.stdout.trim().split('\n').at(-1);
  return line ? JSON.parse(line) : null;
};
try {
  const bundle = path.join(ROOT, 'node_modules/.cache/modulens-bench/transferOwn.cjs');
  await esbuild.build({ entryPoints: [path.join(ROOT, 'test/bench/transferOwn.ts')], bundle: true, platform: 'node', format: 'cjs', external: ['onnxruntime-node'], outfile: bundle, logLevel: 'error' });
  const algebra = [768, 3072].map(n => {
    // Correlation-like: a low-rank part that both sides share, and noise.
    const file = path.join(scratch, `matrix-${n}`), rank = 20, left = Float64Array.from({ length: n * rank }, () => Math.random() - 0.5), right = Float64Array.from({ length: n * rank }, () => Math.random() - 0.5), matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
      let sum = 0.3 * (Math.random() - 0.5);
      for (let k = 0; k < rank; k++) sum += left[i * rank + k] * right[j * rank + k];
      matrix[i * n + j] = Math.abs(sum);
    }
    fs.writeFileSync(file, matrix);
    const own = ask(process.execPath, bundle, 'algebra', file, String(n)), scipy = ask(options.python, path.join(ROOT, 'test/bench/transferPeer.py'), file, String(n));
    return { n, own, scipy, assignmentRatio: own.assignmentSeconds / scipy.assignmentSeconds, procrustesRatio: own.procrustesSeconds === null ? null : own.procrustesSeconds / scipy.procrustesSeconds };
  });
  let transfer = null;
  if (!options['algebra-only']) {
    const from = path.join(scratch, 'from'), to = path.join(scratch, 'to'), layers = Number(options.layers), rows = Math.ceil((Number(options.tokens) + 1500) / 511);
    makeGpt2Small(from, { layers, rows });
    ask(process.execPath, bundle, 'prepare', from, to);
    transfer = ask(process.execPath, bundle, 'run', from, to, options.tokens);
  }
  console.log(JSON.stringify({ benchmark: 'transfer', algebra, transfer }, null, 2));
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
