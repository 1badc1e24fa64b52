import { describe, expect, it } from 'vitest';
import { LORA_FILES, type LoraFactors, loraFolderFiles } from '../../../extension/module/writeLora';

const site = (target: string, rank: number, scaling: number, change: Partial<LoraFactors> = {}): LoraFactors => ({ target, rank, scaling, inWidth: 3, outWidth: 2, a: new Float32Array(rank * 3).fill(1), b: new Float32Array(2 * rank).fill(2), ...change });
const folder = (sites: readonly LoraFactors[]) => ({ base: 'some/base', taskType: null, sites, metadata: {} });

function configOf(sites: readonly LoraFactors[]): Record<string, unknown> {
  const file = loraFolderFiles(folder(sites)).find(({ name }) => name === LORA_FILES.config);
  return JSON.parse(new TextDecoder().decode(file?.bytes)) as Record<string, unknown>;
}

describe('the files of a LoRA folder', () => {
  it('name every site by its full path, and patterns only for what differs', () => {
    expect(configOf([site('h.0.a', 2, 1), site('h.1.a', 2, 1), site('h.2.a', 1, 3)])).toMatchObject({
      peft_type: 'LORA', base_model_name_or_path: 'some/base', r: 2, lora_alpha: 2, target_modules: ['h.0.a', 'h.1.a', 'h.2.a'], rank_pattern: { 'h\\.2\\.a': 1 }, alpha_pattern: { 'h\\.2\\.a': 3 }, task_type: null,
    });
  });

  it('keep each scaling to the last bit where alpha / r can give it', () => {
    let exact = 0;
    for (let i = 1; i <= 400; i++) {
      const rank = 1 + (i % 13), scaling = Math.sin(i) * 3, { lora_alpha: alpha } = configOf([site('a', rank, scaling)]);
      expect(Math.abs((alpha as number) / rank - scaling)).toBeLessThanOrEqual(Math.abs(scaling) * 2 ** -52);
      if ((alpha as number) / rank === scaling) exact++;
    }
    // The spacing of doubles near alpha can be coarser than that of the scaling; no alpha gives those.
    expect(exact).toBeGreaterThan(350);
    for (const scaling of [1 / 3, 0.1, 1.7, 2, -0.9]) for (const rank of [1, 2, 4, 8, 16, 64]) expect((configOf([site('a', rank, scaling)]).lora_alpha as number) / rank).toBe(scaling);
  });

  it('refuse what no reader could use', () => {
    expect(() => loraFolderFiles(folder([]))).toThrow(RangeError);
    expect(() => loraFolderFiles(folder([site('a', 1, 1), site('a', 1, 1)]))).toThrow(/two sites/);
    expect(() => loraFolderFiles(folder([site('a', 2, 1, { a: new Float32Array(5) })]))).toThrow(/are not \[2, 3\]/);
    expect(() => loraFolderFiles(folder([site('a', 1, NaN)]))).toThrow(/not finite/);
    expect(() => loraFolderFiles(folder([site('a', 1, 1, { b: Float32Array.of(1, Infinity) })]))).toThrow(/not finite/);
  });
});
