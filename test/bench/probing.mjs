#!/usr/bin/env node
/**
 * Probing with statistics and co-activation on a GPT-2-small shape, against PyTorch with forward hooks in the same run.
 *
 *   MODULENS_BENCH_PYTHON=/path/to/python node test/bench/probing.mjs [--rounds 2] [--repeat 2] [--threads N] [--layers 12] [--keep DIR]
 *
 * The sides take turns, each in a process of its own; the best time and the highest peak of each count. Python needs torch
 * and transformers. Ends with 1 when the two disagree about the counts.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { makeGpt2Small } from './makeModels.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, '../..');
/** Counts may differ where an output norm lies on the threshold to rounding. */
const COUNT_TOLERANCE = 1e-4;
const THRESHOLD = 0.02;

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '2' }, repeat: { type: 'string', default: '2' }, threads: { type: 'string', default: String(os.availableParallelism()) }, layers: { type: 'string', default: '12' }, keep: { type: 'string' } } });
const python = process.env.MODULENS_BENCH_PYTHON ?? 'python3';

function json(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2, stdio: ['ignore', 'pipe', 'inherit'] });
  if (result.error || result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.error?.message ?? `status ${result.status}`}`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1));
}

/** Largest relative difference of two lists of totals. */
const apart = (a, b) => Math.max(...a.map((value, i) => Math.abs(value - b[i]) / Math.max(1, Math.abs(b[i]))));

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-bench-'));
try {
  const model = options.keep ?? path.join(scratch, 'model');
  if (!fs.existsSync(path.join(model, 'config.json'))) makeGpt2Small(model, { layers: Number(options.layers) });
  // In the repository, because onnxruntime-node must be found from there.
  const bundle = path.join(ROOT, 'node_modules/.cache/modulens-bench/probingOwn.cjs');
  await esbuild.build({ entryPoints: [path.join(HERE, 'probingOwn.ts')], bundle: true, platform: 'node', format: 'cjs', external: ['onnxruntime-node'], outfile: bundle, logLevel: 'error' });
  const own = [];
  const peer = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    own.push(json(process.execPath, [bundle, model, options.repeat, String(THRESHOLD), options.threads]));
    peer.push(json(python, [path.join(HERE, 'probing.py'), model, '--repeat', options.repeat, '--threshold', String(THRESHOLD), '--threads', options.threads]));
  }
  const best = runs => Math.min(...runs.map(run => run.best));
  const cpu = runs => Math.min(...runs.flatMap(run => run.cpuSeconds));
  const peak = runs => Math.max(...runs.map(run => run.peakRssBytes));
  const differences = Object.fromEntries(['active', 'together', 'output'].map(name => [name, apart(own[0][name], peer[0][name])]));
  console.log(JSON.stringify({
    benchmark: 'probing', peer: `PyTorch ${peer[0].torch} with forward hooks`, tokens: own[0].tokens, blocks: own[0].blocks, threads: Number(options.threads),
    ownSeconds: best(own), peerSeconds: best(peer), timesAsFast: best(peer) / best(own),
    // Says more than the clock on a machine that others use too.
    ownCpuSeconds: cpu(own), peerCpuSeconds: cpu(peer), cpuRatio: cpu(peer) / cpu(own),
    ownPeakBytes: peak(own), peerPeakBytes: peak(peer), memoryShare: peak(own) / peak(peer), differences,
  }, null, 2));
  if (Object.values(differences).some(value => !(value <= COUNT_TOLERANCE))) {
    console.error('the two sides disagree about the statistics');
    process.exitCode = 1;
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
