import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext } from '../../../extension/engine/context';
import { type EvaluateParams, run } from '../../../extension/engine/operations/evaluate';
import { runtimeHost } from '../../../extension/engine/runtimeHost';
import { type ScoredSequence, scoreSequences } from '../../../extension/evaluation/scoring';
import type { EvaluateDocument } from '../../../extension/protocol/documents';
import { GOLDEN, goldenIndex, goldenRows, openGolden, readGolden } from '../models/goldenModels';

interface Loss { readonly tokens: number; readonly lossPerToken: number; readonly bitsPerByte: number }
interface Golden {
  readonly runs: readonly (Loss & { readonly module: string | null; readonly strength: number; readonly accuracy?: number })[];
  readonly long: Loss & { readonly ids: number; readonly context: number };
  readonly pairs: Loss;
  readonly pseudo: Loss & { readonly vocabulary: readonly string[]; readonly texts: readonly string[] };
}
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, 'evaluation.json'), 'utf8')) as Golden;
const FIXTURES = path.join(__dirname, '../../fixtures'), STORIES = path.join(FIXTURES, 'stories260k'), SLICE = path.join(FIXTURES, 'banking77-slice.jsonl');
const moduleFolder = (name: string): string => path.join(FIXTURES, 'stories260k-modules', name);
/** Nats, bits: float32 logits against float32 logits, summed over thousands of ids. */
const TOLERANCE = 2e-4;

let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-evaluation-')); });
afterAll(async () => {
  await runtimeHost.dispose();
  fs.rmSync(scratch, { recursive: true });
});

function context(): OperationContext {
  return { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: scratch, cacheBytes: 0, threads: 1, device: 'cpu' } };
}
const evaluate = (params: Partial<EvaluateParams>): Promise<EvaluateDocument> => run({ path: STORIES, data: SLICE, modules: [], ...params }, context());
function dataFile(name: string, rows: readonly Readonly<Record<string, unknown>>[]): string {
  const file = path.join(scratch, `${name}.jsonl`);
  fs.writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));
  return file;
}
const slice = fs.readFileSync(SLICE, 'utf8').split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as { text: string; label: string });
function expectLoss(found: Loss, expected: Loss): void {
  expect(found.tokens).toBe(expected.tokens);
  expect(Math.abs(found.lossPerToken - expected.lossPerToken)).toBeLessThan(TOLERANCE);
  expect(Math.abs(found.bitsPerByte - expected.bitsPerByte)).toBeLessThan(TOLERANCE);
}

describe('loss and accuracy agree with transformers and PEFT', () => {
  it('of the base with labels', async () => {
    const { runs, controls, data } = await evaluate({});
    expect(runs.map((r) => r.name)).toEqual(['base']);
    expect(controls).toEqual([]);
    expect(data).toMatchObject({ documents: 60, skipped: 0 });
    expectLoss(runs[0], golden.runs[0]);
    expect(runs[0].accuracy).toBeCloseTo(golden.runs[0].accuracy ?? NaN, 10);
    expect(runs[0]).toMatchObject({ accuracyRows: 60, labels: 6, majorityShare: 10 / 60 });
  }, 120_000);

  it('of a module, beside random modules that lack its effect', async () => {
    const texts = dataFile('texts', slice.map(({ text }) => ({ text })));
    const { runs, controls } = await evaluate({ data: texts, modules: [{ path: moduleFolder('lora-bank-r4'), strength: 1 }] });
    expect(runs.map((r) => [r.name, r.modules])).toEqual([['base', []], ['modules', ['lora-bank-r4']]]);
    expectLoss(runs[0], golden.runs[0]);
    expectLoss(runs[1], golden.runs[1]);
    expect(runs[1].accuracy).toBeUndefined();
    expect(controls.map((c) => c.name)).toEqual(['random module', 'random module 2', 'random module 3']);
    for (const control of controls) expect(control.lossPerToken).toBeGreaterThan(runs[1].lossPerToken + 0.5);
    expect(new Set(controls.map((c) => c.lossPerToken)).size).toBe(3);
  }, 120_000);

  it('of a module at half strength', async () => {
    const texts = dataFile('half', slice.map(({ text }) => ({ text })));
    const { runs } = await evaluate({ data: texts, modules: [{ path: moduleFolder('lora-bank-r4'), strength: 0.5 }] });
    expect(runs[1].modules).toEqual(['lora-bank-r4=0.5']);
    expectLoss(runs[1], golden.runs[2]);
  }, 120_000);

  it('of a document longer than the context', async () => {
    const { runs } = await evaluate({ data: dataFile('long', [{ text: slice.map((row) => row.text).join(' ') }, { text: 'Once upon a time' }]) });
    expect(golden.long.ids).toBeGreaterThan(4 * golden.long.context);
    expectLoss(runs[0], golden.long);
  }, 60_000);

  it('of rows with a second text', async () => {
    const { runs } = await evaluate({ data: dataFile('pairs', slice.slice(0, 10).map(({ text, label }) => ({ text, text2: label }))) });
    expectLoss(runs[0], golden.pairs);
  });

  it('of a masked model by pseudo-likelihood', async () => {
    const folder = path.join(scratch, 'masked');
    fs.cpSync(path.join(GOLDEN, 'bert'), folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'vocab.txt'), golden.pseudo.vocabulary.join('\n') + '\n');
    const data = dataFile('pseudo', golden.pseudo.texts.map((text) => ({ text })));
    const document = await evaluate({ path: folder, data, pseudo: true });
    expect(document.pseudo).toBe(true);
    expectLoss(document.runs[0], golden.pseudo);
    await expect(evaluate({ path: folder, data })).rejects.toMatchObject({ code: 'evaluate/masked' });
  });
});

describe('log-probabilities of every head', () => {
  const models = goldenIndex().models.filter((m) => m.taps.includes('logits'));
  it.each(models.map((model) => [model.name, model] as const))('%s', async (_name, model) => {
    const logits = readGolden(model.folder, 'golden.safetensors').get('logits');
    if (!logits) throw new Error('no logits in the golden');
    const rows = goldenRows(model.folder), sequences: ScoredSequence[] = [], expected: number[][] = [];
    let start = 0;
    for (const ids of rows) {
      const targets = [...ids].map((_id, row) => ({ row, id: (row * 7 + 3) % logits.width }));
      sequences.push({ ids, targets });
      expected.push(targets.map(({ row, id }) => {
        const line = logits.data.subarray((start + row) * logits.width, (start + row + 1) * logits.width);
        const top = Math.max(...line);
        return line[id] - top - Math.log(line.reduce((sum, x) => sum + Math.exp(x - top), 0));
      }));
      start += ids.length;
    }
    const found: number[][] = [], environment = (await runtimeHost.environment('cpu', context())).forward;
    await scoreSequences({ model: await openGolden(model.folder), environment, modules: null }, sequences, (index, scores) => { found[index] = [...scores]; });
    expect(found.map((row) => row.length)).toEqual(expected.map((row) => row.length));
    found.forEach((row, i) => { row.forEach((value, k) => { expect(Math.abs(value - expected[i][k])).toBeLessThan(1e-4); }); });
  });
});

describe('refusals', () => {
  it('a checkpoint without a head', async () => {
    await expect(evaluate({ path: path.join(GOLDEN, 'gpt2-base') })).rejects.toMatchObject({ code: 'evaluate/no-head' });
  });
  it('a checkpoint without a tokenizer', async () => {
    await expect(evaluate({ path: path.join(GOLDEN, 'gpt2') })).rejects.toMatchObject({ code: 'probe/no-tokenizer' });
  });
  it('a module of another base', async () => {
    await expect(evaluate({ modules: [{ path: path.join(GOLDEN, 'gpt2-lora-plain'), strength: 1 }] })).rejects.toMatchObject({ code: 'module/no-site' });
  });
  it('a cancelled run stops', async () => {
    const controller = new AbortController();
    const pending = run({ path: STORIES, data: SLICE, modules: [] }, { ...context(), signal: controller.signal, progress: () => { controller.abort(); } });
    await expect(pending).rejects.toMatchObject({ code: 'cancelled' });
  });
});
