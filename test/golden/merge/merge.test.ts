import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../../extension/checkpoint/readTensor';
import { planMerge } from '../../../extension/merge/plan/planMerge';
import { checkRecipe } from '../../../extension/merge/recipe/checkRecipe';
import { runMerge } from '../../../extension/merge/runMerge';

/** What mergekit made of the same recipes (`makeMerge.py`). */
const FIXTURES = path.resolve('test/fixtures/merge');
const { cases, madeBy } = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'cases.json'), 'utf8')) as { readonly cases: Readonly<Record<string, Readonly<Record<string, unknown>>>>; readonly madeBy: Readonly<Record<string, string>> };

let temporary: string;
beforeAll(() => { temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-merge-')); });
afterAll(() => { fs.rmSync(temporary, { recursive: true, force: true }); });

async function merge(name: string): Promise<string> {
  const recipeText = JSON.stringify(cases[name]), { recipe, problems } = checkRecipe(recipeText), out = path.join(temporary, name);
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  const plan = await planMerge(recipe!, { recipeText, places: { recipeFolder: FIXTURES, currentFolder: FIXTURES, folders: [] } });
  await runMerge(plan, { out, threads: 1, signal: new AbortController().signal, progress: () => undefined });
  return out;
}

/** mergekit gives tokens that the base lacks ids in the order of a set, which changes from run to run: rows from `from` on are compared in order of size. */
function sortedRows(values: Float32Array, width: number, from: number): Float32Array {
  const rows = Array.from({ length: values.length / width }, (_, r) => values.slice(r * width, (r + 1) * width)), fixed = rows.slice(0, from), free = rows.slice(from).sort((x, y) => x[0] - y[0]);
  return Float32Array.from([...fixed, ...free].flatMap((row) => [...row]));
}

/** Largest difference relative to the tensor's largest value; for bf16 in units of the last place. */
async function worst(out: string, expected: string, byRow = 0): Promise<{ readonly relative: number; readonly ulps: number; readonly tensor: string }> {
  const mine = await openCheckpoint(out), theirs = await openCheckpoint(expected);
  expect([...mine.tensors.keys()].sort()).toEqual([...theirs.tensors.keys()].sort());
  let found = { relative: 0, ulps: 0, tensor: '' };
  for (const [name, want] of theirs.tensors) {
    const have = mine.tensors.get(name)!;
    expect([name, have.dtype, ...have.shape]).toEqual([name, want.dtype, ...want.shape]);
    let a = await readTensor(have), b = await readTensor(want);
    if (byRow && want.shape.length === 2) [a, b] = [sortedRows(a, want.shape[1], byRow), sortedRows(b, want.shape[1], byRow)];
    const scale = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-30);
    const bits = (x: number): number => { const word = new Int32Array(Float32Array.of(x).buffer)[0] >> 16; return word < 0 ? -(word & 0x7fff) : word; };
    for (let i = 0; i < a.length; i++) {
      const relative = Math.abs(a[i] - b[i]) / scale, ulps = want.dtype === 'BF16' ? Math.abs(bits(a[i]) - bits(b[i])) : 0;
      if (!(relative <= found.relative) || ulps > found.ulps) found = { relative: Math.max(relative, found.relative), ulps: Math.max(ulps, found.ulps), tensor: name };
    }
  }
  return found;
}

/** Tokens of the fixture `words`. */
const BASE_TOKENS = 48;

/**
 * Arcee Fusion takes an element from one model or the other by a threshold on divergences that mergekit computes in float32, where they are mostly
 * rounding noise (1e-7 of 1e-4); elements near the threshold fall either way. All others have to agree, and every element has to be one of the two.
 */
async function checkFusion(out: string, expected: string): Promise<void> {
  const [mine, theirs, base, far] = await Promise.all([out, expected, path.join(FIXTURES, 'base'), path.join(FIXTURES, 'far')].map(openCheckpoint));
  let differ = 0, total = 0, taken = 0;
  for (const name of theirs.tensors.keys()) {
    const [a, b, x, y] = await Promise.all([mine, theirs, base, far].map((checkpoint) => readTensor(checkpoint.tensors.get(name)!)));
    for (let i = 0; i < a.length; i++) { expect(a[i] === x[i] || a[i] === y[i]).toBe(true); total++; if (a[i] === y[i] && x[i] !== y[i]) taken++; if (Math.abs(a[i] - b[i]) > 1e-6) differ++; }
  }
  expect(taken / total).toBeGreaterThan(0.02);
  expect(taken / total).toBeLessThan(0.3);
  expect(differ / total).toBeLessThan(0.005);
}

describe(`merges beside mergekit ${madeBy['mergekit']}`, () => {
  for (const name of Object.keys(cases)) {
    it(name, async () => {
      const expected = path.join(FIXTURES, 'expected', `${name}.safetensors`);
      if (name === 'arcee_fusion') { await checkFusion(await merge(name), expected); return; }
      const { relative, ulps, tensor } = await worst(await merge(name), expected, name === 'union' ? BASE_TOKENS : 0);
      if (cases[name]['out_dtype'] === 'bfloat16') expect(ulps, tensor).toBeLessThanOrEqual(1);
      else expect(relative, tensor).toBeLessThanOrEqual(1e-6);
    });
  }
});
