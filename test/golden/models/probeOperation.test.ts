import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext } from '../../../extension/engine/context';
import { type ProbeParams, run } from '../../../extension/engine/operations/probe';
import { runtimeHost } from '../../../extension/engine/runtimeHost';
import { disagreements, GOLDEN, goldenRows, readGolden, readMatrices } from './goldenModels';
import { TOLERANCE } from './tapSuite';

const EVERYTHING = 'embeddings,final,logits,blocks.*.input,blocks.*.output,blocks.*.attention.output,blocks.*.ffn.input,blocks.*.ffn.gate,blocks.*.ffn.up,blocks.*.ffn.hidden,blocks.*.ffn.output';

let scratch = '';
let context: OperationContext;
beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-probe-'));
  const settings = { cacheDir: scratch, cacheBytes: 1 << 20, threads: 2, device: 'cpu' as const };
  context = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, settings, interactive: false };
});
afterAll(async () => {
  await runtimeHost.dispose();
  fs.rmSync(scratch, { recursive: true, force: true });
});

function paramsOf(name: string, tap: string, more: Partial<ProbeParams> = {}): ProbeParams {
  return { path: path.join(GOLDEN, name), tokens: path.join(GOLDEN, name, 'input.json'), tap, out: path.join(scratch, `${name}.safetensors`), modules: [], device: 'cpu', ...more };
}

describe('modulens probe writes what transformers computes', () => {
  it.each(['gpt2', 'bert', 'gemma3'])('%s, every tap', async (name) => {
    // gpt2 and bert have no gate: with `*` what a family lacks is left out.
    const params = paramsOf(name, EVERYTHING);
    const document = await run(params, context);
    const golden = readGolden(name, 'golden.safetensors');
    const rows = goldenRows(name);
    expect(document).toMatchObject({ kind: 'probe', texts: rows.length, tokens: rows.reduce((sum, row) => sum + row.length, 0), device: { requested: 'cpu', used: 'cpu' } });
    const { metadata, matrices } = readMatrices(params.out);
    expect([...matrices.keys()].sort()).toEqual([...golden.keys()].sort());
    expect(disagreements(matrices, golden, TOLERANCE)).toEqual([]);
    expect(metadata).toMatchObject({ schemaVersion: String(document.schemaVersion), checkpoint: document.model.fingerprint, tokensPerText: JSON.stringify(rows.map((row) => row.length)) });
  });

  it('with a LoRA at half strength', async () => {
    const params = paramsOf('gpt2', 'logits,blocks.1.ffn.hidden,blocks.0.attention.output', { out: path.join(scratch, 'lora.safetensors'), modules: [{ path: path.join(GOLDEN, 'gpt2-lora-patterns'), strength: 0.5 }] });
    await run(params, context);
    expect(disagreements(readMatrices(params.out).matrices, readGolden('gpt2-lora-patterns', 'goldenHalf.safetensors'), TOLERANCE)).toEqual([]);
  });

  it('refuses a module of another base, ids beyond the vocabulary and rows beyond the context, and leaves no file', async () => {
    const file = (name: string, rows: number[][]): string => {
      const made = path.join(scratch, name);
      fs.writeFileSync(made, JSON.stringify({ input_ids: rows }));
      return made;
    };
    const out = path.join(scratch, 'refused.safetensors');
    const attempt = (more: Partial<ProbeParams>): Promise<unknown> => run(paramsOf('llama', 'logits', { out, ...more }), context);
    await expect(attempt({ modules: [{ path: path.join(GOLDEN, 'gpt2-lora-plain'), strength: 1 }] })).rejects.toMatchObject({ code: 'module/no-site', exit: 3 });
    await expect(attempt({ tokens: file('big.json', [[5, 64]]) })).rejects.toMatchObject({ code: 'model/token-id', exit: 3 });
    await expect(attempt({ tokens: file('long.json', [Array<number>(33).fill(5)]) })).rejects.toMatchObject({ code: 'model/too-long' });
    expect(fs.readdirSync(scratch).filter((name) => name.startsWith('refused') || name.endsWith('.tmp'))).toEqual([]);
  });
});
