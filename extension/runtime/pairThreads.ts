import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type PairCount, pairCount, pairCountsSteps, pairKernel, takeStrips } from '../numerics/pairCounts';
import { finishInTurns } from '../numerics/steps';

/** Words of 64 bits to compare below which one thread is done before a second one has begun: some 20 ms. */
const WORTH_HELP = 2e7;
const MAX_THREADS = 8;
/** How long helpers wait for more work before they end. */
const IDLE_MS = 5000;

/** What a helper runs: strips of one count after the other. Text, so that the engine stays one file. */
const HELPER = `
const { parentPort, workerData } = require('node:worker_threads');
const takeStrips = ${takeStrips.toString()};
parentPort.on('message', (count) => {
  for (const _ of takeStrips(new WebAssembly.Instance(workerData).exports, count));
  parentPort.postMessage(null);
});`;

const idle: Worker[] = [];
let endIdle: NodeJS.Timeout | undefined;

/** Lets a helper take strips. Rejects when it could not start or broke; it may then have kept a strip. */
async function help(count: PairCount): Promise<void> {
  clearTimeout(endIdle);
  const worker = idle.pop() ?? new Worker(HELPER, { eval: true, workerData: pairKernel(), env: {}, execArgv: [], stderr: true });
  worker.ref();
  try {
    await new Promise<void>((resolve, reject) => {
      worker.removeAllListeners();
      worker.on('message', () => { resolve(); });
      worker.on('error', reject);
      worker.on('exit', () => { reject(new Error('a helper thread ended')); });
      worker.postMessage(count);
    });
  } catch (error) {
    void worker.terminate();
    throw error;
  }
  // Waiting helpers keep no process alive.
  worker.unref();
  idle.push(worker);
  endIdle = setTimeout(() => { for (const waiting of idle.splice(0)) void waiting.terminate(); }, IDLE_MS).unref();
}

/**
 * `pairCountsSteps` on several threads (0: as many as the machine has), this one among them, into shared memory; it takes turns as every long
 * computation does.
 * Without helpers, be it that none can start, the one thread counts all.
 */
export async function countPairs(bits: Uint8Array, rows: number, columns: number, threads: number, out: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
  const helpers = Math.min(MAX_THREADS, threads > 0 ? threads : availableParallelism()) - 1;
  if (helpers < 1 || !(out.buffer instanceof SharedArrayBuffer) || (rows / 16) * bits.length < WORTH_HELP) return finishInTurns(pairCountsSteps(bits, rows, columns, out), signal);
  const count = pairCount(bits, rows, columns, out);
  const helped = Promise.all(Array.from({ length: helpers }, () => help(count))).then(() => true, () => false);
  try {
    await finishInTurns(takeStrips(new WebAssembly.Instance(pairKernel()).exports as never, count), signal);
  } catch (error) {
    // Whoever still helps finds nothing left.
    Atomics.store(count.next, 0, rows);
    throw error;
  }
  return (await helped) ? out : finishInTurns(pairCountsSteps(bits, rows, columns, out), signal);
}
