#!/usr/bin/env node
/**
 * Compares `modulens probe` with the reference taps of a real checkpoint. Not part of `npm test`.
 *
 *   python test/golden/models/realModels.py minilm DIR
 *   node test/golden/models/compareReal.mjs DIR [cpu|webgpu|...]
 *
 * Runs the command line twice, from ids and from the texts themselves, so that the tokenizer is compared too. Prints the
 * worst tap of each and ends with 1 when one is off by more than 1e-4 of its scale.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const TOLERANCE = 1e-4;
const CLI = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../dist/cli.js');

function readMatrices(file) {
  const bytes = fs.readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(entries.map(([name, { shape, data_offsets: [from, to] }]) => [name, { shape, data: new Float32Array(Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer) }]));
}

/** Largest difference relative to the largest reference value; Infinity for another shape or a NaN. */
function difference(own, reference) {
  if (own === undefined || own.shape.join() !== reference.shape.join()) return Infinity;
  let most = 0;
  let scale = 0;
  for (let i = 0; i < reference.data.length; i++) {
    const off = Math.abs(own.data[i] - reference.data[i]);
    if (Number.isNaN(off)) return Infinity;
    most = Math.max(most, off);
    scale = Math.max(scale, Math.abs(reference.data[i]));
  }
  return most / scale;
}

const [folder, device = 'cpu'] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: compareReal.mjs DIR [DEVICE]');
  process.exit(2);
}
const { model } = JSON.parse(fs.readFileSync(path.join(folder, 'about.json'), 'utf8'));
const golden = readMatrices(path.join(folder, 'golden.safetensors'));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-real-'));
try {
  for (const input of [['--tokens', path.join(folder, 'input.json')], ['--text', path.join(folder, 'texts.txt')]]) {
    const out = path.join(scratch, `${input[0].slice(2)}.safetensors`);
    const began = performance.now();
    const result = spawnSync(process.execPath, [CLI, 'probe', model, ...input, '--tap', [...golden.keys()].join(), '--out', out, '--device', device, '--cache-dir', scratch, '--quiet'], { encoding: 'utf8' });
    if (result.status !== 0) {
      console.error(`${input[0]}: status ${result.status}: ${result.stderr}`);
      process.exitCode = 1;
      continue;
    }
    const seconds = (performance.now() - began) / 1000;
    const own = readMatrices(out);
    const worst = [...golden].map(([name, reference]) => [difference(own.get(name), reference), name]).sort((a, b) => b[0] - a[0])[0];
    const agrees = worst[0] <= TOLERANCE;
    console.log(`${input[0].padEnd(8)} ${device}: ${golden.size} taps ${agrees ? 'agree' : 'DISAGREE'}; worst ${worst[1]} ${worst[0].toExponential(1)} of its scale; ${seconds.toFixed(1)} s`);
    if (!agrees) process.exitCode = 1;
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
