#!/usr/bin/env node
/**
 * Merging beside mergekit, in one run: a random Llama of 0.66 billion parameters in bfloat16, two models (linear, slerp) or a base and three
 * (task_arithmetic, ties, dare_linear). Prints seconds, ratios, peak memory, and for linear the time of copying the result with cp and sync.
 *
 *   node test/bench/merge.mjs [--python PYTHON_WITH_MERGEKIT] [--only ties,linear] [--layers 20] [--folder WHERE] [--keep] [--own]
 *
 * Takes 10 GB of disk. `--own` leaves mergekit out; `--keep` keeps the models for the next run.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../setup.mjs';

const { values: options } = parseArgs({ options: {
  python: { type: 'string', default: process.env.MODULENS_BENCH_MERGEKIT ?? 'python3' }, only: { type: 'string' }, layers: { type: 'string', default: '20' }, folder: { type: 'string' },
  keep: { type: 'boolean', default: false }, own: { type: 'boolean', default: false }, cli: { type: 'string', default: path.join(ROOT, 'dist/cli.js') },
} });
const folder = path.resolve(options.folder ?? path.join(os.tmpdir(), 'modulens-bench-merge'));
const LAYERS = Number(options.layers), HIDDEN = 1536, INNER = 4096, VOCABULARY = 32000;
const POOL = 1 << 24;

const shapes = () => {
  const list = [['model.embed_tokens.weight', [VOCABULARY, HIDDEN]]];
  for (let i = 0; i < LAYERS; i++) {
    const at = `model.layers.${i}.`;
    for (const name of ['q', 'k', 'v', 'o']) list.push([`${at}self_attn.${name}_proj.weight`, [HIDDEN, HIDDEN]]);
    list.push([`${at}mlp.gate_proj.weight`, [INNER, HIDDEN]], [`${at}mlp.up_proj.weight`, [INNER, HIDDEN]], [`${at}mlp.down_proj.weight`, [HIDDEN, INNER]]);
    list.push([`${at}input_layernorm.weight`, [HIDDEN]], [`${at}post_attention_layernorm.weight`, [HIDDEN]]);
  }
  list.push(['model.norm.weight', [HIDDEN]], ['lm_head.weight', [VOCABULARY, HIDDEN]]);
  return list.sort(([a], [b]) => (a < b ? -1 : 1));
};

/** Normal numbers, repeatable. */
function pool(seed) {
  const out = new Float32Array(POOL);
  let state = seed >>> 0;
  const next = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return (state + 0.5) / 4294967296; };
  for (let i = 0; i < POOL; i += 2) { const r = Math.sqrt(-2 * Math.log(next())), a = 2 * Math.PI * next(); out[i] = r * Math.cos(a); out[i + 1] = r * Math.sin(a); }
  return out;
}

function writeModel(name, base, noise, scale) {
  const target = path.join(folder, name);
  fs.mkdirSync(target, { recursive: true });
  const list = shapes(), header = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const [tensor, shape] of list) { const bytes = 2 * shape.reduce((a, b) => a * b, 1); header[tensor] = { dtype: 'BF16', shape, data_offsets: [at, at + bytes] }; at += bytes; }
  const json = Buffer.from(JSON.stringify(header)), padded = Buffer.alloc(8 * Math.ceil(json.length / 8), 32);
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = fs.openSync(path.join(target, 'model.safetensors'), 'w');
  fs.writeSync(file, length);
  fs.writeSync(file, padded);
  list.forEach(([, shape], t) => {
    const n = shape.reduce((a, b) => a * b, 1), step = 1 << 20;
    for (let from = 0; from < n; from += step) {
      const count = Math.min(step, n - from), floats = new Float32Array(count);
      for (let i = 0; i < count; i++) { const k = from + i; floats[i] = 0.02 * base[(k + 7919 * t) & (POOL - 1)] + scale * noise[(k + 104729 * t) & (POOL - 1)]; }
      const words = new Uint32Array(floats.buffer), halves = new Uint16Array(count);
      for (let i = 0; i < count; i++) halves[i] = (words[i] + 0x7fff + ((words[i] >>> 16) & 1)) >>> 16;
      fs.writeSync(file, new Uint8Array(halves.buffer));
    }
  });
  fs.closeSync(file);
  fs.writeFileSync(path.join(target, 'config.json'), JSON.stringify({ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: HIDDEN, intermediate_size: INNER, num_hidden_layers: LAYERS, num_attention_heads: 12, num_key_value_heads: 12, vocab_size: VOCABULARY, max_position_embeddings: 2048, rms_norm_eps: 1e-5, hidden_act: 'silu', tie_word_embeddings: false, torch_dtype: 'bfloat16' }));
}

/** Runs a command: seconds, seconds of processor time, and the largest resident size of its process in GB. */
function timed(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const usage = () => fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    let processor = 0;
    const start = performance.now(), child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let peak = 0, text = '', errors = '';
    child.stdout.on('data', data => { text += data; });
    child.stderr.on('data', data => { errors += data; });
    const look = setInterval(() => {
      try { const fields = usage(); processor = (Number(fields[11]) + Number(fields[12])) / 100; peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0)); } catch { /* not Linux, or over */ }
    }, 100);
    child.on('error', reject);
    child.on('close', code => { clearInterval(look); if (code === 0) resolve({ seconds: (performance.now() - start) / 1000, processor, gigabytes: peak / 1e6, text }); else reject(new Error(`${command} ${args.join(' ')}: ${code}\n${errors.slice(-2000)}`)); });
  });
}

const delta = (method, parameters) => ({ merge_method: method, base_model: path.join(folder, 'base'), models: ['a', 'b', 'c'].map(m => ({ model: path.join(folder, m), parameters })), dtype: 'bfloat16' });
const two = names => names.map(m => ({ model: path.join(folder, m), parameters: { weight: 0.5 } }));
const CASES = {
  linear: { recipe: { merge_method: 'linear', models: two(['a', 'b']), dtype: 'bfloat16' }, least: 1.3 },
  slerp: { recipe: { merge_method: 'slerp', base_model: path.join(folder, 'a'), models: [{ model: path.join(folder, 'a') }, { model: path.join(folder, 'b') }], parameters: { t: 0.4 }, dtype: 'bfloat16' }, least: 2 },
  task_arithmetic: { recipe: delta('task_arithmetic', { weight: 0.4 }), least: 2 },
  dare_linear: { recipe: delta('dare_linear', { weight: 0.4, density: 0.5 }), least: 5 },
  ties: { recipe: delta('ties', { weight: 0.4, density: 0.5 }), least: 10 },
};

if (!fs.existsSync(path.join(folder, 'c', 'config.json'))) {
  console.log(`making models in ${folder}`);
  const base = pool(1);
  writeModel('base', base, base, 0);
  for (const [i, name] of ['a', 'b', 'c'].entries()) writeModel(name, base, pool(2 + i), 0.001);
}
const version = options.own ? null : spawnSync(options.python, ['-c', 'from importlib.metadata import version; print(version("mergekit"), version("torch"))'], { encoding: 'utf8' });
if (version && version.status !== 0) { console.error(`${options.python} has no mergekit: name a Python that has with --python or MODULENS_BENCH_MERGEKIT.`); process.exit(1); }
const elements = shapes().reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0);
console.log(`${(elements / 1e6).toFixed(1)} M parameters, bfloat16; ${os.availableParallelism()} cores; node ${process.version}${version ? `; mergekit and torch ${version.stdout.trim()}` : ''}`);
for (const [name, { recipe, least }] of Object.entries(CASES)) {
  if (options.only && !options.only.split(',').includes(name)) continue;
  const yaml = path.join(folder, `${name}.yml`), own = path.join(folder, 'own'), theirs = path.join(folder, 'theirs');
  fs.writeFileSync(yaml, JSON.stringify(recipe));
  for (const out of [own, theirs]) fs.rmSync(out, { recursive: true, force: true });
  const mine = await timed(process.execPath, [options.cli, 'merge', yaml, '--out', own, '--json']);
  const document = JSON.parse(mine.text);
  const line = [`${name}: ${mine.seconds.toFixed(1)} s (${mine.processor.toFixed(1)} s of processor time), ${mine.gigabytes.toFixed(2)} GB resident`];
  if (name === 'linear') {
    const copy = await timed('sh', ['-c', `cp "${own}/model.safetensors" "${folder}/copy" && sync "${folder}/copy"`]);
    fs.rmSync(path.join(folder, 'copy'), { force: true });
    line.push(`cp and sync of the result ${copy.seconds.toFixed(1)} s: ${(mine.seconds / copy.seconds).toFixed(2)} times that (goal: at most 1.5)`);
  }
  if (version) {
    const peer = await timed(options.python, ['-c', 'import sys; from mergekit.scripts.run_yaml import main; main()', yaml, theirs, '--quiet']);
    line.push(`mergekit ${peer.seconds.toFixed(1)} s (${peer.processor.toFixed(1)} s), ${peer.gigabytes.toFixed(2)} GB: ${(peer.seconds / mine.seconds).toFixed(1)} times as fast (goal: ${least}), ${(peer.processor / mine.processor).toFixed(1)} times by processor time`);
  }
  console.log(line.join('; '));
  console.log(`  stages ${JSON.stringify(document.timings)}; sha256 ${createHash('sha256').update(document.outputs.map(o => o.sha256).join()).digest('hex').slice(0, 12)}`);
}
if (!options.keep) fs.rmSync(folder, { recursive: true, force: true });
