#!/usr/bin/env node
/**
 * A 7B-shaped checkpoint (bf16 shards, 13.5 GB, written here and deleted after): weights-only analysis, and probing with
 * 512 tokens, with the peak of resident memory of each.
 *
 *   node test/bench/large.mjs [--layers 32] [--dir FOLDER_ON_A_LARGE_DISK] [--skip-analysis]
 *
 * Needs `npm run build`. Prints one JSON document; ends with 1 when a command fails or 4 GB are exceeded.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeLlama7b } from './makeModels.mjs';

const CLI = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../dist/cli.js');
const LIMIT_BYTES = 4 * 1024 ** 3;
/** Bytes of a block in bf16, and of the two vocabulary tables. */
const BLOCK_BYTES = 2 * (4 * 4096 ** 2 + 3 * 4096 * 11008);
const TABLE_BYTES = 2 * 2 * 32000 * 4096;

const { values: options } = parseArgs({ options: { layers: { type: 'string', default: '32' }, dir: { type: 'string', default: os.tmpdir() }, 'skip-analysis': { type: 'boolean', default: false } } });
const layers = Number(options.layers);
const free = fs.statfsSync(options.dir);
const needed = layers * BLOCK_BYTES + TABLE_BYTES;
if (free.bavail * free.bsize < 1.2 * needed) {
  console.error(`${options.dir} has too little room: ${(1.2 * needed / 1e9).toFixed(1)} GB are needed. Name another folder with --dir.`);
  process.exit(2);
}
const scratch = fs.mkdtempSync(path.join(options.dir, 'modulens-large-'));
const stop = () => {
  fs.rmSync(scratch, { recursive: true, force: true });
  process.exit(130);
};
process.on('SIGINT', stop).on('SIGTERM', stop);

/** Runs the command line in a process that writes its own peak when it ends. */
function measured(name, args) {
  const report = path.join(scratch, `${name}.json`);
  const preload = path.join(scratch, 'peak.cjs');
  fs.writeFileSync(preload, "process.on('exit', () => require('fs').writeFileSync(process.env.MODULENS_PEAK_FILE, JSON.stringify(process.resourceUsage().maxRSS * 1024)));\n");
  const began = performance.now();
  const result = spawnSync(process.execPath, ['--require', preload, CLI, ...args, '--json', '--quiet', '--device', 'cpu', '--cache-dir', path.join(scratch, 'cache')], { encoding: 'utf8', maxBuffer: 1024 ** 3, env: { ...process.env, MODULENS_PEAK_FILE: report } });
  const seconds = (performance.now() - began) / 1000;
  const peakBytes = fs.existsSync(report) ? JSON.parse(fs.readFileSync(report, 'utf8')) : null;
  const fine = result.status === 0 && peakBytes !== null && peakBytes <= LIMIT_BYTES;
  if (!fine) {
    process.exitCode = 1;
    if (result.status !== 0) console.error(`${name}: status ${result.status}: ${result.stderr.trim().split('\n').at(-1)}`);
  }
  return { status: result.status, seconds, peakBytes, withinLimit: fine };
}

try {
  const began = performance.now();
  const model = makeLlama7b(path.join(scratch, 'model'), { layers });
  const makeSeconds = (performance.now() - began) / 1000;
  const inspect = measured('inspect', ['inspect', model]);
  const weightsOnly = options['skip-analysis'] ? null : measured('analyze', ['analyze', model, '--weights-only']);
  // The rows of input.json hold 512 tokens in all; what flows out of every block is tapped in the last one.
  const probe = measured('probe', ['probe', model, '--tokens', path.join(model, 'input.json'), '--tap', `blocks.${layers - 1}.ffn.hidden,final`, '--out', path.join(scratch, 'taps.safetensors')]);
  console.log(JSON.stringify({ benchmark: 'large', layers, checkpointBytes: needed, makeSeconds, limitBytes: LIMIT_BYTES, inspect, weightsOnly, probe }, null, 2));
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
