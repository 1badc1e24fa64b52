import { afterAll, describe, expect, it } from 'vitest';
import type { AttachedModules } from '../../../extension/module/attach';
import { Decoder } from '../../../extension/probe/decode';
import type { DeviceName } from '../../../extension/protocol/documents';
import { SessionPool } from '../../../extension/runtime/pool';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { attachGolden, disagreements, goldenIndex, goldenRows, type Matrix, openGolden, readGolden } from '../models/goldenModels';

const TOLERANCE = 1e-4;
/** Families that see text in both directions. */
const BOTH_WAYS = ['bert', 'roberta', 'xlm-roberta', 'distilbert', 'albert'];

/** Feeding a text in pieces gives the logits that the reference computes in one pass. */
export function decodeSuite(device: DeviceName, only?: readonly string[]): void {
  const pool = new SessionPool(device, 2), environment = { pool, scheduler: new Scheduler() };
  afterAll(() => pool.clear());
  const models = goldenIndex().models.filter((m) => m.taps.includes('logits') && !BOTH_WAYS.includes(m.family) && (!only || only.includes(m.name)));

  /** Logits of all rows, each fed in pieces of `size`. */
  const decoded = async (folder: string, size: number, modules: AttachedModules | null = null, model = openGolden(folder)): Promise<Matrix> => {
    const bound = await model, parts: Float32Array[] = [];
    for (const ids of goldenRows(folder)) {
      const decoder = new Decoder(bound, environment, modules);
      for (let at = 0; at < ids.length; at += size) parts.push(await decoder.feed(ids.subarray(at, at + size), 'all'));
      expect(decoder.length).toBe(ids.length);
    }
    const rows = goldenRows(folder).reduce((sum, ids) => sum + ids.length, 0), data = new Float32Array(parts.reduce((sum, p) => sum + p.length, 0));
    parts.reduce((at, part) => { data.set(part, at); return at + part.length; }, 0);
    return { rows, width: data.length / rows, data };
  };
  const reference = (...file: string[]): ReadonlyMap<string, Matrix> => new Map([...readGolden(...file)].filter(([name]) => name === 'logits'));

  describe(`token by token on ${device}`, () => {
    it.each(models.map((model) => [model.name, model] as const))('%s: one id at a time', async (_name, model) => {
      expect(disagreements(new Map([['logits', await decoded(model.folder, 1)]]), reference(model.folder, 'golden.safetensors'), TOLERANCE)).toEqual([]);
    });

    it.each(models.map((model) => [model.name, model] as const))('%s: seven ids at a time', async (_name, model) => {
      expect(disagreements(new Map([['logits', await decoded(model.folder, 7)]]), reference(model.folder, 'golden.safetensors'), TOLERANCE)).toEqual([]);
    });

    it('with a LoRA attached', async () => {
      const model = openGolden('llama'), modules = await attachGolden(await model, 'llama-lora-all', 0.5);
      expect(disagreements(new Map([['logits', await decoded('llama', 5, modules, model)]]), reference('llama-lora-all', 'goldenHalf.safetensors'), TOLERANCE)).toEqual([]);
    });

    it('goes back to an earlier place of the text', async () => {
      const ids = goldenRows('llama')[3], decoder = new Decoder(await openGolden('llama'), environment);
      await decoder.feed(ids.subarray(0, 10));
      const first = await decoder.feed(ids.subarray(10, 20));
      await decoder.feed(ids.subarray(3, 6));
      decoder.truncate(10);
      expect(await decoder.feed(ids.subarray(10, 20))).toEqual(first);
      expect(() => { decoder.truncate(21); }).toThrow(RangeError);
    });
  });
}
