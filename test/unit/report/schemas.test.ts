import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext } from '../../../extension/engine/context';
import { run as analyze } from '../../../extension/engine/operations/analyze';
import { run as evaluate } from '../../../extension/engine/operations/evaluate';
import { run as inspect } from '../../../extension/engine/operations/inspect';
import { run as probe } from '../../../extension/engine/operations/probe';
import { routeDocument } from '../../../extension/engine/operations/route';
import { analysisReport } from '../../../extension/report/analysisReport';
import { isEvidence } from '../../../extension/protocol/score';

const FOLDER = 'extension/report/schemas';
const STORIES = path.resolve('test/fixtures/stories260k');
type Schema = { readonly [key: string]: unknown };
const schema = (name: string): Schema => JSON.parse(fs.readFileSync(path.join(FOLDER, `${name}.schema.json`), 'utf8')) as Schema;

let temporary: string;
let context: OperationContext;
beforeAll(() => {
  temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-schemas-'));
  process.env['MODULENS_MEDIA'] = path.resolve('media');
  context = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: path.join(temporary, 'cache'), cacheBytes: 1 << 30, threads: 1, device: 'cpu' } };
});
afterAll(() => { fs.rmSync(temporary, { recursive: true, force: true }); });

/** Every document goes through JSON first: that is what a reader of stdout gets. */
function check(name: string, document: unknown): void {
  const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(schema(name));
  const ok = validate(JSON.parse(JSON.stringify(document)));
  expect(validate.errors ?? []).toEqual([]);
  expect(ok).toBe(true);
}

describe('documents against their schemas', () => {
  it('inspect', async () => {
    check('inspect', await inspect({ path: STORIES, hash: true }, context));
    const mixture = await inspect({ path: 'test/fixtures/golden/qwen2-moe' }, context);
    check('inspect', mixture);
    expect(mixture.leftOver).toEqual([]);
    expect(mixture.mixture?.shared).toBe(12);
  });

  it('probe', async () => {
    const tokens = path.join(temporary, 'tokens.json');
    fs.writeFileSync(tokens, JSON.stringify({ input_ids: [[1, 403, 407], [1, 5]] }));
    check('probe', await probe({ path: STORIES, tokens, tap: 'blocks.0.output,logits', out: path.join(temporary, 'out.safetensors'), modules: [] }, context));
  });

  it('evaluate', async () => {
    const data = path.join(temporary, 'rows.jsonl');
    fs.writeFileSync(data, fs.readFileSync('test/fixtures/banking77-slice.jsonl', 'utf8').split('\n').slice(0, 8).join('\n'));
    check('evaluate', await evaluate({ path: STORIES, data, modules: [{ path: 'test/fixtures/stories260k-modules/lora-bank-r4', strength: 1 }] }, context));
  });

  it('route', async () => {
    const texts = [{ text: 'Once upon a time there was a little dog.', label: 'a' }, { text: 'She said that she wanted to play with the ball.', label: 'b' }];
    check('route', await routeDocument({ path: STORIES, router: 'avg-k', texts, experts: 4 }, context));
  });

  it('analyze, from the weights and with text, and its report', async () => {
    check('analyze', await analyze({ path: STORIES, options: { weightsOnly: true, experts: 4, layers: '0' } }, context));
    const document = await analyze({ path: STORIES, options: { experts: 4, layers: '3-4', ablation: true } }, context);
    check('analyze', document);
    const html = analysisReport(document);
    for (const layer of document.layers) {
      expect(Object.keys(layer.scores).length).toBeGreaterThanOrEqual(8);
      for (const score of Object.values(layer.scores)) {
        expect(score.nullDraws).toBeGreaterThanOrEqual(5);
        expect(score.n).toBeGreaterThan(0);
        expect(isEvidence(score)).toBe(score.p !== null && score.p < 0.05);
      }
    }
    // Each figure of the report stands in a row with its null and its sample.
    const rows = [...html.matchAll(/<tr class="(?:in|out)">.*?<\/tr>/g)].map(([row]) => row);
    expect(rows.length).toBe(document.layers.reduce((sum, layer) => sum + Object.keys(layer.scores).length, 0));
    for (const row of rows) expect(row).toMatch(/null [\u2212\d.].*n = [\d\u2009]+ .*null draws/);
    expect(html).not.toMatch(/<script|https?:\/\//);
  }, 120_000);
});

describe('no figure without its null', () => {
  const SCORE_FIELDS = ['null', 'nullSd', 'nullDraws', 'n', 'nOf', 'unit', 'p', 'direction', 'nullKind'];
  /** Objects of a schema that have a `value`, wherever they stand. */
  function valued(part: unknown, found: Schema[] = []): readonly Schema[] {
    if (typeof part !== 'object' || part === null) return found;
    const properties = (part as Schema)['properties'];
    if (typeof properties === 'object' && properties !== null && 'value' in properties) found.push(part as Schema);
    for (const child of Object.values(part)) valued(child, found);
    return found;
  }
  for (const file of fs.readdirSync(FOLDER)) {
    it(file, () => {
      const all = valued(schema(file.replace('.schema.json', '')));
      for (const one of all) expect(one['required']).toEqual(expect.arrayContaining(SCORE_FIELDS));
      if (file.startsWith('analyze')) expect(all.length).toBeGreaterThan(0);
    });
  }
});
