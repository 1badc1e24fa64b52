import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext } from '../../../extension/engine/context';
import { html, plan, run, TRANSFER_DOCUMENT } from '../../../extension/engine/operations/transfer';
import type { TransferDocument, TransferRequest } from '../../../extension/protocol/transfer';

const SAMPLE = path.resolve('media/sample'), MAIN = path.join(SAMPLE, 'modulens-sample'), SMALL = path.join(SAMPLE, 'modulens-sample-small'), BANKING = path.join(SAMPLE, 'lora-banking');

let temporary: string, data: string, probe: string;
beforeAll(async () => {
  temporary = await fs.mkdtemp(path.join(os.tmpdir(), 'modulens-transfer-test-'));
  process.env['MODULENS_MEDIA'] = path.resolve('media');
  data = path.join(temporary, 'banking.jsonl');
  const rows = (await fs.readFile(path.join(SAMPLE, 'heldout-banking.jsonl'), 'utf8')).split('\n').filter((line) => line !== '').slice(0, 16);
  await fs.writeFile(data, rows.join('\n'));
  probe = path.join(temporary, 'probe.jsonl');
  await fs.writeFile(probe, (await fs.readFile('media/probe/default.jsonl', 'utf8')).split('\n').slice(0, 24).join('\n'));
});
afterAll(async () => { await fs.rm(temporary, { recursive: true, force: true }); });

function contextOf(change: Partial<OperationContext> = {}): OperationContext {
  return { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: path.join(temporary, 'cache'), cacheBytes: 1 << 30, threads: 1, device: 'cpu' }, ...change };
}
const request = (change: Partial<TransferRequest> = {}): TransferRequest => ({ module: BANKING, from: MAIN, to: SMALL, method: 'activation-transport', probe, ...change });
const left = async (): Promise<string[]> => (await fs.readdir(temporary)).filter((name) => name.includes('tmp')).sort();

describe('a transfer', () => {
  let document: TransferDocument;

  it('says what it would do before it does anything', async () => {
    const planned = await plan({ request: request({ data }) });
    expect(planned.relation).toBe('different');
    expect(planned.sites.length).toBeGreaterThan(0);
    expect(planned.sites.reduce((sum, s) => sum + s.share, 0) + planned.dropped.reduce((sum, d) => sum + d.share, 0)).toBeCloseTo(1, 6);
    expect(planned.data?.rows).toBe(16);
  });

  it('writes a PEFT folder and a document that follows its schema, with every control beside the verdict', async () => {
    const out = path.join(temporary, 'carried');
    document = await run({ request: request({ data }), out }, contextOf());
    expect((await fs.readdir(out)).sort()).toEqual(['README.md', 'adapter_config.json', 'adapter_model.safetensors', TRANSFER_DOCUMENT]);
    expect(await left()).toEqual([]);
    const schema = JSON.parse(await fs.readFile('extension/report/schemas/transfer.schema.json', 'utf8')) as Readonly<Record<string, unknown>>;
    const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(schema);
    validate(JSON.parse(JSON.stringify(document)));
    expect(validate.errors ?? []).toEqual([]);
    expect(document.runs.map((r) => r.name)).toEqual(['base', 'transferred', 'source base', 'source module']);
    expect([...document.controls.map((c) => c.name), ...document.impossible.map((i) => i.name)].sort()).toEqual(['moment-matched random', 'moment-matched random 2', 'moment-matched random 3', 'naive copy', 'norm-matched random', 'norm-matched random 2', 'norm-matched random 3', 'shuffled pairs']);
    expect(document.sites.every((s) => s.r2 !== null && s.r2Null !== null)).toBe(true);
    expect(document.proof?.chooseOn).toBe(8);
    expect(document.proof?.reportOn).toBe(8);
    expect(document.sentence).toContain('n = 8 texts');
    expect(JSON.parse(await fs.readFile(path.join(out, TRANSFER_DOCUMENT), 'utf8'))).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it('gives the same module for the same seed', async () => {
    const again = await run({ request: request(), out: path.join(temporary, 'again') }, contextOf({ settings: { ...contextOf().settings, cacheDir: path.join(temporary, 'other cache') } }));
    expect(again.files.find((f) => f.file.endsWith('safetensors'))?.sha256).toBe(document.files.find((f) => f.file.endsWith('safetensors'))?.sha256);
    expect(again.verdict).toBe('no-verdict');
    expect(again.sentence).toContain('no verdict');
  });

  it('is a plain copy between a base and itself, and then helps as it did', async () => {
    const copied = await run({ request: request({ to: MAIN, data }), out: path.join(temporary, 'copied') }, contextOf());
    expect(copied.relation).toBe('identical');
    const [, transferred, , source] = copied.runs;
    expect(transferred.lossPerToken).toBeLessThan(copied.runs[0].lossPerToken);
    if (copied.proof?.chosen === 1) expect(transferred.lossPerToken).toBeCloseTo(source.lossPerToken, 5);
    expect(copied.verdict).toBe('helps');
  });

  it('writes a report that shows each number with what it is compared with', async () => {
    const file = path.join(temporary, 'report.html');
    await html({ document, out: file });
    const text = await fs.readFile(file, 'utf8');
    for (const part of ['moment-matched random', 'norm-matched random', 'shuffled pairs', 'Null R\u00b2', 'Strength', 'To do it again', document.files[0].sha256]) expect(text).toContain(part);
    expect(text).not.toMatch(/<script|NaN|undefined/);
  });

  it('never writes into an input or over something else', async () => {
    await expect(run({ request: request(), out: path.join(BANKING, 'out') }, contextOf())).rejects.toMatchObject({ code: 'output/is-input' });
    await expect(run({ request: request(), out: path.join(temporary, 'carried') }, contextOf())).rejects.toMatchObject({ code: 'output/not-empty' });
  });

  it('leaves nothing behind when it is cancelled, whenever that is', async () => {
    for (const after of [1, 20]) {
      const controller = new AbortController();
      let calls = 0;
      const out = path.join(temporary, `cancelled ${after}`);
      await expect(run({ request: request({ data, seed: 3 }), out }, contextOf({ signal: controller.signal, progress: () => { if (++calls === after) controller.abort(new Error('cancelled by the test')); } }))).rejects.toThrow();
      await expect(fs.stat(out)).rejects.toThrow();
      expect(await left()).toEqual([]);
    }
  });

  it('names the mistake where module and base do not belong together', async () => {
    await expect(plan({ request: request({ from: SMALL, to: MAIN }) })).rejects.toMatchObject({ code: expect.stringMatching(/transfer\/base-mismatch|module\/shape/) as unknown });
  });
});
