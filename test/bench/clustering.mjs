// Balanced clustering against k-means-constrained, both on one thread, in the same run: ratios of time and of inertia.
//
//   node test/bench/clustering.mjs [--layers 12] [--peer-layers 2] [--inits 10] [--python python3] [--model FOLDER]...
//
// Keys of GPT-2's shape (3072 x 768 into 64 experts) are made here: even layers are pure noise, odd layers hold planted experts of
// growing strength. `--model` adds the gate weights (or c_fc, up) of a real checkpoint in one safetensors file. The reference runs as
// EMoE calls it (ten starts); as it takes minutes a layer, it is timed on `--peer-layers` layers, spread over all.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildSync } from 'esbuild';

const { values: options } = parseArgs({
  options: {
    layers: { type: 'string', default: '12' },
    'peer-layers': { type: 'string', default: '2' },
    inits: { type: 'string', default: '10' },
    python: { type: 'string', default: process.env.MODULENS_PYTHON ?? 'python3' },
    model: { type: 'string', multiple: true, default: [] },
    neurons: { type: 'string', default: '3072' },
    width: { type: 'string', default: '768' },
    experts: { type: 'string', default: '64' },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'modulens-bench-'));

function load() {
  const outfile = join(folder, 'partition.cjs');
  const contents = "export * from './extension/partition/balancedKMeans'; export * from './extension/partition/keys'; export * from './extension/numerics/random';";
  buildSync({ stdin: { contents, resolveDir: root, loader: 'ts' }, bundle: true, platform: 'node', format: 'cjs', outfile, logLevel: 'error' });
  return createRequire(import.meta.url)(outfile);
}

function syntheticLayer(Random, layer, neurons, width, experts) {
  const random = new Random(1, 'bench', layer);
  const strength = layer % 2 === 0 ? 0 : 0.1 * layer;
  const centres = Float32Array.from({ length: experts * width }, () => random.normal());
  const keys = new Float32Array(neurons * width);
  for (let i = 0; i < neurons; i++) {
    const expert = random.integer(experts);
    for (let c = 0; c < width; c++) keys[i * width + c] = random.normal() + strength * centres[expert * width + c];
  }
  return { name: strength === 0 ? `layer ${layer}, noise` : `layer ${layer}, planted ${strength.toFixed(1)}`, keys, neurons, width, experts };
}

function bf16(bytes) {
  const out = new Float32Array(bytes.length / 2);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < out.length; i++) bits[i] = (bytes[2 * i] | (bytes[2 * i + 1] << 8)) << 16;
  return out;
}

function modelLayers(path) {
  const file = readFileSync(join(path, 'model.safetensors'));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length));
  const names = Object.keys(header).filter((name) => /mlp\.gate_proj\.weight$/.test(name));
  return names.map((name) => {
    const { dtype, shape, data_offsets: [from, to] } = header[name];
    const bytes = Uint8Array.from(file.subarray(8 + length + from, 8 + length + to));
    const keys = dtype === 'BF16' ? bf16(bytes) : new Float32Array(bytes.buffer);
    return { name: `${path.split(/[\\/]/).filter(Boolean).pop()} ${name}`, keys, neurons: shape[0], width: shape[1], experts: Math.max(2, Math.floor(shape[0] / 16)) };
  });
}

try {
  const { balancedKMeans, unitKeys, Random } = load();
  const count = Number(options.layers);
  const synthetic = Array.from({ length: count }, (_, l) => () => syntheticLayer(Random, l, Number(options.neurons), Number(options.width), Number(options.experts)));
  const real = options.model.flatMap(modelLayers).map((layer) => () => layer);
  const timed = Number(options['peer-layers']);
  // An even and an odd layer alternate, so that noise and structure are both timed.
  const withPeer = new Set(Array.from({ length: timed }, (_, i) => Math.min(count - 1, Math.floor((i * count) / timed) + (i % 2 === 1 && Math.floor((i * count) / timed) % 2 === 0 ? 1 : 0))));
  const rows = [];
  for (const [index, make] of [...synthetic, ...real].entries()) {
    const layer = make();
    const started = performance.now();
    const result = balancedKMeans(unitKeys(layer.keys, layer.neurons, layer.width), { experts: layer.experts, seed: 0 });
    const row = { name: layer.name, seconds: (performance.now() - started) / 1000, inertia: result.inertia };
    if (index >= count || withPeer.has(index)) {
      const file = join(folder, 'keys.f32');
      writeFileSync(file, new Uint8Array(layer.keys.buffer, layer.keys.byteOffset, layer.keys.byteLength));
      const text = execFileSync(options.python, [join(root, 'test/bench/clusteringPeer.py'), options.inits, `${file}:${layer.neurons}:${layer.width}:${layer.experts}`], { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' }, stdio: ['ignore', 'pipe', 'inherit'] });
      row.peer = JSON.parse(text);
    }
    rows.push(row);
    const peer = row.peer ? `   reference ${row.peer.seconds.toFixed(2)} s, inertia ${row.peer.inertia.toFixed(3)}   ${(row.peer.seconds / row.seconds).toFixed(1)}x as fast, inertia x ${(row.inertia / row.peer.inertia).toFixed(5)}` : '';
    console.log(`${row.name.padEnd(44)} ${row.seconds.toFixed(2)} s, inertia ${row.inertia.toFixed(3)}${peer}`);
  }
  const own = rows.slice(0, count).reduce((sum, row) => sum + row.seconds, 0);
  const peers = rows.slice(0, count).filter((row) => row.peer);
  console.log(`\n${count} layers: ${own.toFixed(1)} s`);
  if (peers.length > 0) {
    const mean = peers.reduce((sum, row) => sum + row.peer.seconds, 0) / peers.length;
    console.log(`k-means-constrained ${peers[0].peer.version}, ${options.inits} starts: ${mean.toFixed(1)} s a layer on ${peers.length} layers, so ${(mean * count).toFixed(0)} s for ${count}`);
    console.log(`time ratio ${((mean * count) / own).toFixed(1)} (wanted: 20)   worst inertia ratio ${Math.max(...rows.filter((r) => r.peer).map((r) => r.inertia / r.peer.inertia)).toFixed(5)} (wanted: at most 1.002)`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
