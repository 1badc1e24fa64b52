#!/usr/bin/env node
/**
 * `npm run bench`: every benchmark, or those named, one after the other on a machine that should do nothing else.
 *
 *   MODULENS_BENCH_PYTHON=/path/to/python npm run bench [-- clustering probing start routing transfer large]
 *
 * The peers need a Python with torch, transformers, scikit-learn and k-means-constrained; `merge` one with mergekit, named by
 * MODULENS_BENCH_MERGEKIT where that is another.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT } from '../setup.mjs';

const python = process.env.MODULENS_BENCH_PYTHON ?? 'python3';
const BENCHES = {
  clustering: ['clustering.mjs', '--python', python, '--peer-layers', '3'],
  probing: ['probing.mjs'],
  start: ['firstPicture.mjs'],
  routing: ['routing.mjs'],
  transfer: ['transfer.mjs', '--python', python],
  merge: ['merge.mjs'],
  large: ['large.mjs'],
};
const asked = process.argv.slice(2);
const unknown = asked.filter(name => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`Unknown benchmark ${unknown.join(', ')}. Benchmarks: ${Object.keys(BENCHES).join(' ')}`);
  process.exit(2);
}
const node = (...args) => spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
if (node('test/package/vsix.mjs') !== 0) process.exit(1);
for (const [name, [script, ...args]] of Object.entries(BENCHES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  console.log(`\n== ${name}`);
  if (node(path.join('test/bench', script), ...args) !== 0) process.exitCode = 1;
}
