import { afterAll, describe, expect, it } from 'vitest';
import type { DeviceName } from '../../../extension/protocol/documents';
import { attachGolden, disagreements, goldenIndex, type GoldenModel, goldenRows, openGolden, readGolden, Runner } from './goldenModels';
import { logitsInPieces } from './stepByStep';

/** Share of a tap's largest value that float32 on another runtime may differ by (the issue's own bound). */
export const TOLERANCE = 1e-4;
const BLOCK_TAPS = ['input', 'output', 'attention.router.logits', 'attention.output', 'ffn.input', 'router.logits', 'ffn.gate', 'ffn.up', 'ffn.hidden', 'ffn.output'];

/** Single steps on a GPU: a software adapter compiles its kernels again for each length of the past. */
const FEW_STEPS = 5;

/** Families whose attention looks only back. */
const CAUSAL = ['gpt2', 'llama', 'mistral', 'qwen2', 'qwen3', 'smollm3', 'gemma', 'gemma2', 'gemma3_text', 'gpt_neox', 'opt', 'granite', 'mixtral', 'qwen2_moe', 'qwen3_moe', 'olmoe', 'granitemoe', 'gpt_oss', 'deepseek_v2', 'deepseek_v3', 'jetmoe'];

/** Every tap of a golden as one tap list; `logits` only where the checkpoint has a head. */
function everything(model: GoldenModel): string {
  const known = BLOCK_TAPS.filter((tap) => model.taps.some((name) => name.replace(/^blocks\.\d+\./, '') === tap));
  return ['embeddings', 'final', ...known.map((tap) => `blocks.*.${tap}`), ...(model.taps.includes('logits') ? ['logits'] : [])].join();
}

/** The same expectations for one device; one process serves all families. */
export function tapSuite(device: DeviceName): void {
  const { models, modules } = goldenIndex();
  const runner = new Runner(device);
  afterAll(() => runner.close());

  describe(`every tap agrees with transformers on ${device}`, () => {
    it.each(models.map((model) => [`${model.name}: ${model.notes}`, model] as const))('%s', async (_title, model) => {
      const golden = readGolden(model.folder, 'golden.safetensors');
      expect([...golden.keys()].sort()).toEqual([...model.taps].sort());
      const bound = await openGolden(model.folder);
      const found = await runner.taps(bound, goldenRows(model.folder), everything(model));
      expect([...found.keys()].sort()).toEqual([...model.taps].sort());
      expect(disagreements(found, golden, TOLERANCE)).toEqual([]);
    });
  });

  describe(`token by token with past keys and values on ${device}`, () => {
    const causal = models.filter((model) => CAUSAL.includes(model.family) && model.taps.includes('logits') && !/rope|hub|f16|bf16|stacked|renamed/.test(model.name));
    it.each(causal.map((model) => [model.name, model] as const))('%s gives the same logits', async (_title, model) => {
      const golden = readGolden(model.folder, 'golden.safetensors').get('logits');
      const row = goldenRows(model.folder).at(-1);
      if (!golden || !row) throw new Error(`${model.name}: no logits or no rows`);
      // The last row is the longest: one token, several at once, then one by one to its end (on the CPU).
      const singles = device === 'cpu' ? row.length - 5 : FEW_STEPS;
      const pieces = [1, 4, ...Array<number>(singles).fill(1), row.length - 5 - singles].filter((size) => size > 0);
      const found = await logitsInPieces(await openGolden(model.folder), row, pieces, runner.pool);
      const last = { rows: row.length, width: golden.width, data: golden.data.slice(-row.length * golden.width) };
      expect(disagreements(new Map([['logits', found]]), new Map([['logits', last]]), TOLERANCE)).toEqual([]);
    });
  });

  describe(`LoRA agrees with PEFT on ${device}`, () => {
    const cases = modules.flatMap((module) => Object.entries(module.strengths).map(([file, strength]) => [`${module.name} at ${strength}: ${module.notes}`, module, file, strength] as const));
    it.each(cases)('%s', async (_title, module, file, strength) => {
      const base = await openGolden(module.base);
      const attached = await attachGolden(base, module.folder, strength);
      expect(attached.modules.map((active) => active.module.sites.length)).toEqual([module.sites]);
      const found = await runner.taps(base, goldenRows(module.base), module.taps.join(), attached);
      expect(disagreements(found, readGolden(module.folder, file), TOLERANCE)).toEqual([]);
    });

    it.each(modules.map((module) => [module.name, module] as const))('%s at strength 0 is the base', async (_title, module) => {
      const base = await openGolden(module.base);
      const golden = readGolden(module.base, 'golden.safetensors');
      const found = await runner.taps(base, goldenRows(module.base), module.taps.join(), await attachGolden(base, module.folder, 0));
      const expected = new Map([...golden].filter(([name]) => module.taps.includes(name)));
      expect(expected.size).toBe(module.taps.length);
      expect(disagreements(found, expected, TOLERANCE)).toEqual([]);
    });
  });

  it(`every graph ran on ${device} as a whole`, () => {
    expect([...runner.graphs.ran]).toEqual(expect.arrayContaining(['blocks.0', 'blocks.2']));
    expect([...runner.graphs.elsewhere]).toEqual([]);
  });
}
