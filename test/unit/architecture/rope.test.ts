import { describe, expect, it } from 'vitest';
import { configReader } from '../../../extension/architecture/config';
import { ropeOf, ropeTables } from '../../../extension/architecture/rope';

const read = (config: Readonly<Record<string, unknown>>) => configReader(config, 'config.json', 'llama');

describe('rotary tables', () => {
  it('hold cos and sin of position over theta^(2i/d), both halves alike', () => {
    const rope = ropeOf(read({ rope_theta: 10000 }), 8), { cos, sin } = ropeTables(rope, Float32Array.of(0, 1, 17));
    expect(rope.rotaryDim).toBe(8);
    [0, 1, 17].forEach((position, t) => {
      for (let i = 0; i < 4; i++) {
        const angle = position * 10000 ** (-(2 * i) / 8);
        expect(cos[t * 8 + i]).toBeCloseTo(Math.cos(angle), 5);
        expect(sin[t * 8 + i]).toBeCloseTo(Math.sin(angle), 5);
        expect(cos[t * 8 + i + 4]).toBe(cos[t * 8 + i]);
        expect(sin[t * 8 + i + 4]).toBe(sin[t * 8 + i]);
      }
    });
  });

  it('rotate only the part that the family asks for', () => {
    expect(ropeOf(read({ partial_rotary_factor: 0.5 }), 8).inverseFrequencies).toHaveLength(2);
    expect(ropeOf(read({}), 8, { partial: 0.25 }).rotaryDim).toBe(2);
  });

  it('scale linearly', () => {
    const plain = ropeOf(read({}), 8).inverseFrequencies, scaled = ropeOf(read({ rope_scaling: { type: 'linear', factor: 4 } }), 8).inverseFrequencies;
    expect([...scaled]).toEqual([...plain].map((f) => f / 4));
    expect([...ropeOf(read({ rope_scaling: { type: 'linear', factor: 4 } }), 8, { scaled: false }).inverseFrequencies]).toEqual([...plain]);
  });

  it('scale as llama3 does: fast features untouched, slow ones divided, a ramp between', () => {
    const rope_scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
    const plain = ropeOf(read({}), 32).inverseFrequencies, scaled = ropeOf(read({ rope_scaling }), 32).inverseFrequencies;
    const ratios = [...scaled].map((f, i) => f / plain[i]);
    expect(ratios[0]).toBe(1);
    expect(ratios[15]).toBeCloseTo(1 / 8, 12);
    expect(ratios).toEqual([...ratios].sort((a, b) => b - a));
    expect(ratios.some((r) => r > 1 / 8 + 1e-9 && r < 1)).toBe(true);
  });

  it('refuse a scaling that is not known, naming the field', () => {
    expect(() => ropeOf(read({ rope_scaling: { rope_type: 'longrope' } }), 8)).toThrow(expect.objectContaining({ code: 'model/config-unsupported', args: expect.objectContaining({ field: 'rope_scaling.rope_type' }) as unknown }));
  });
});
