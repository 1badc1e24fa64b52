import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { disagreements, GOLDEN, goldenIndex, goldenRows, openGolden, readGolden, Runner } from './goldenModels';
import { tapSuite, TOLERANCE } from './tapSuite';

/** `model_type`s that the product promises to run. */
const FAMILIES = ['gpt2', 'bert', 'roberta', 'xlm-roberta', 'distilbert', 'albert', 'llama', 'mistral', 'qwen2', 'qwen3', 'gemma', 'gpt_neox', 'opt', 'mixtral', 'olmoe', 'qwen2_moe', 'qwen3_moe', 'granitemoe', 'gpt_oss', 'deepseek_v2', 'deepseek_v3', 'jetmoe'];

describe('the goldens are complete', () => {
  it('has one for each family that we promise, and no folder outside the index', () => {
    const { models, modules } = goldenIndex();
    expect([...new Set(models.map((model) => model.family))]).toEqual(expect.arrayContaining(FAMILIES));
    const folders = fs.readdirSync(GOLDEN, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    expect(folders.sort()).toEqual([...models, ...modules].map((entry) => entry.folder).sort());
    expect(modules.map((module) => module.base)).toEqual(expect.arrayContaining(['gpt2', 'llama']));
  });

  it('tells a wrong value, a missing tap and a NaN from a right one', () => {
    const golden = readGolden('gpt2', 'golden.safetensors');
    expect(disagreements(golden, golden, 0)).toEqual([]);
    const spoilt = new Map([...golden].map(([name, matrix]) => [name, { ...matrix, data: matrix.data.slice() }]));
    spoilt.delete('final');
    const logits = spoilt.get('logits'), hidden = spoilt.get('blocks.1.ffn.hidden');
    if (!logits || !hidden) throw new Error('the gpt2 golden lacks taps');
    logits.data[3] += 1e-3 * Math.max(...logits.data.map(Math.abs));
    hidden.data[0] = NaN;
    expect(disagreements(spoilt, golden, 1e-4).map((line) => line.split(':')[0]).sort()).toEqual(['blocks.1.ffn.hidden', 'final', 'logits']);
  });
});

describe('tap names', () => {
  it('refuses logits where the checkpoint has no head, and a tap that the family lacks, naming those that exist', async () => {
    const runner = new Runner('cpu');
    const rows = goldenRows('gpt2-base');
    await expect(runner.taps(await openGolden('gpt2-base'), rows, 'logits')).rejects.toMatchObject({ code: 'model/unknown-tap', exit: 1, message: expect.stringContaining('ffn.hidden') as string });
    await expect(runner.taps(await openGolden('gpt2'), rows, 'blocks.0.ffn.gate')).rejects.toMatchObject({ code: 'model/unknown-tap', exit: 1 });
    await runner.close();
  });
});

/** Enough for more tokens than one run takes (512). */
const COPIES = 15;

describe('packing', () => {
  it.each(['gpt2', 'bert', 'mistral'])('%s: rows spread over several runs give what one run gives', async (name) => {
    const runner = new Runner('cpu');
    const rows = goldenRows(name);
    const golden = readGolden(name, 'golden.safetensors');
    const found = await runner.taps(await openGolden(name), Array.from({ length: COPIES }, () => rows).flat(), 'blocks.1.ffn.hidden,final');
    expect(found.size).toBe(2);
    for (const [tap, { width, data }] of found) {
      const size = data.length / COPIES;
      const reference = golden.get(tap);
      if (!reference) throw new Error(`${name} has no ${tap}`);
      for (let copy = 0; copy < COPIES; copy++) {
        const part = { rows: reference.rows, width, data: data.slice(copy * size, (copy + 1) * size) };
        expect(disagreements(new Map([[tap, part]]), new Map([[tap, reference]]), TOLERANCE)).toEqual([]);
      }
    }
    await runner.close();
  });
});

tapSuite('cpu');
