import fs from 'node:fs';
import path from 'node:path';
import { ffnWeightsOf, readValues } from '../../extension/architecture/ffnWeights';
import { bindModel } from '../../extension/architecture/resolve';
import { openCheckpoint } from '../../extension/checkpoint/openCheckpoint';
import { ForwardPass } from '../../extension/probe/forward';
import { ProbeArrays } from '../../extension/probe/arrays';
import { probeLayer, TokenRouting } from '../../extension/probe/layerProbe';
import type { ProbePlan } from '../../extension/probe/plan';
import { LayerStatistics } from '../../extension/probe/statistics';
import { SessionPool } from '../../extension/runtime/pool';
import { Scheduler } from '../../extension/runtime/scheduler';

/** Length of what each neuron writes, `[f]`. */
async function outputNorms(ffn: Parameters<typeof readValues>[0]): Promise<Float32Array> {
  const values = await readValues(ffn);
  if (!values) throw new Error('no down projection');
  return Float32Array.from({ length: ffn.dFf }, (_, i) => Math.hypot(...values.subarray(i * ffn.dModel, (i + 1) * ffn.dModel)));
}

/**
 * Our side of the probing benchmark, in a process of its own so that its memory can be read: the statistics that
 * probing.py gathers, over all blocks, with the product's own code. Prints the same JSON fields.
 *
 *   node probingOwn.cjs MODEL_DIR REPEAT THRESHOLD THREADS
 */
async function main(): Promise<void> {
  const [folder, repeat, threshold, threads] = [process.argv[2], ...process.argv.slice(3).map(Number)] as [string, number, number, number];
  const probe = JSON.parse(fs.readFileSync(path.join(folder, 'input.json'), 'utf8')) as { input_ids: number[][]; labels: number[] };
  const sequences = probe.input_ids.map((row) => Int32Array.from(row));
  const labels = Math.max(...probe.labels) + 1;
  const opened = performance.now();
  const model = bindModel(await openCheckpoint(folder));
  const ffns = ffnWeightsOf(model);
  const norms: Float32Array[] = [];
  for (const ffn of ffns) norms.push(await outputNorms(ffn));
  const loaded = process.resourceUsage().maxRSS * 1024;
  const loadSeconds = (performance.now() - opened) / 1000;
  const stack = model.spec.stacks[0];
  const seconds: number[] = [], cpuSeconds: number[] = [], active: number[] = [], together: number[] = [], output: number[] = [];
  let tokens = 0;
  for (let round = 0; round < repeat; round++) {
    for (const list of [active, together, output]) list.length = 0;
    const began = performance.now(), used = process.cpuUsage();
    const environment = { pool: new SessionPool('cpu', threads), scheduler: new Scheduler() };
    const pass = new ForwardPass(model, sequences, environment);
    tokens = pass.tokens;
    const routing = new TokenRouting(wholeProbe(sequences, probe.labels));
    const hidden = await pass.embed();
    const kept: { readonly active: number; readonly together: number; readonly output: number }[] = [];
    const arrays = new ProbeArrays();
    for (const block of stack.blocks) {
      const [all] = await probeLayer(pass, block, hidden, routing, block.index === stack.blocks.length - 1, arrays);
      const statistics = new LayerStatistics(model, block, environment, arrays);
      const found = await statistics.neurons(all, norms[block.index], threshold, labels, (token) => probe.labels[all.sequence[token]]);
      const gram = await statistics.coactivation('all', found.bits, found.tokens);
      // The product keeps no matrix either: a layer's is used and let go before the next one.
      kept.push({ active: sum(found.count), together: sum(gram), output: sum(found.meanOutput) * tokens });
    }
    await environment.pool.clear();
    seconds.push((performance.now() - began) / 1000);
    const { user, system } = process.cpuUsage(used);
    cpuSeconds.push((user + system) / 1e6);
    for (const one of kept) {
      active.push(one.active);
      together.push(one.together);
      output.push(one.output);
    }
  }
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(`${JSON.stringify({ peer: 'modulens', threads, tokens, blocks: stack.blocks.length, loadSeconds, loadedPeakBytes: loaded, seconds, cpuSeconds, best: Math.min(...seconds), peakRssBytes, active, together, output })}\n`);
}

/** One half that holds every token. */
function wholeProbe(sequences: readonly Int32Array[], labels: readonly number[]): ProbePlan {
  const tokens = sequences.reduce((total, row) => total + row.length, 0);
  return {
    sequences, labels: Int32Array.from(labels), labelNames: [], half: new Uint8Array(sequences.length), dropped: sequences.map((row) => new Uint8Array(row.length)), warnings: [],
    facts: { name: 'benchmark', texts: sequences.length, tokens, splitTokens: tokens, scoreTokens: 0, droppedTokens: 0, sha256: '', labels: [], tokensPerLabel: [] },
  };
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

void main();
