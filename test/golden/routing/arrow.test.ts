import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BoundModel, linearsOf } from '../../../extension/architecture/resolve';
import type { LinearSpec } from '../../../extension/architecture/spec';
import { GraphBuilder } from '../../../extension/graph/builder';
import { floatData, floats } from '../../../extension/graph/hostTensor';
import { innerProduct, type LowRank, readOverlap, spectrumOf } from '../../../extension/numerics/lowRank';
import { Decoder } from '../../../extension/probe/decode';
import { ForwardPass } from '../../../extension/probe/forward';
import { attachArrow, ARROW_OUTPUTS } from '../../../extension/routing/library/attachArrow';
import { bindLibrary } from '../../../extension/routing/library/bindLibrary';
import { subtractFactors, subtractUpdates } from '../../../extension/routing/library/genKnowSub';
import { openLibrary } from '../../../extension/routing/library/openLibrary';
import type { BoundLibrary } from '../../../extension/routing/library/types';
import { arrowRouter, cosineLogits } from '../../../extension/routing/routers/arrow';
import { LiveRouting } from '../../../extension/routing/runRouter';
import type { PreparedRouter, RouterRequest } from '../../../extension/routing/types';
import { GraphSession } from '../../../extension/runtime/session';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { type Matrix, openGolden, readMatrices, Runner } from '../models/goldenModels';

const FIXTURES = path.join(__dirname, '../../fixtures/routing');
const runner = new Runner('cpu');
afterAll(() => runner.close());

interface ToyCase {
  readonly x: number[]; readonly k: number; readonly temperature: number; readonly gks: boolean; readonly similarity: number[]; readonly coefficients: number[]; readonly output: number[];
  readonly prototypes: number[][]; readonly afterwards: { readonly A: number[][]; readonly B: number[][] };
}
interface Toy { readonly A: number[][][]; readonly B: number[][][]; readonly alphas: number[]; readonly general: { readonly A: number[][]; readonly B: number[][] }; readonly cases: ToyCase[] }
const toy = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'arrow-toy.json'), 'utf8')) as Toy;

const lowRank = (a: number[][], b: number[][]): LowRank => ({ rank: a.length, inWidth: a[0].length, outWidth: b.length, a: Float32Array.from(a.flat()), b: Float32Array.from(b.flat()) });
const experts = toy.A.map((a, i) => lowRank(a, toy.B[i]));
const general = lowRank(toy.general.A, toy.general.B);
const SPEC: LinearSpec = { site: 'blocks.0.ffn.up', weight: 'toy.weight', inWidth: 4, outWidth: 3, layout: 'outIn' };

function near(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) if (!(Math.abs(found[i] - expected[i]) <= tolerance * Math.max(1, Math.abs(expected[i])))) throw new Error(`at ${i}: ${found[i]} instead of ${expected[i]}`);
}
const product = (m: LowRank): number[] => Array.from({ length: m.outWidth * m.inWidth }, (_, at) => {
  let sum = 0;
  for (let p = 0; p < m.rank; p++) sum += m.b[Math.floor(at / m.inWidth) * m.rank + p] * m.a[p * m.inWidth + (at % m.inWidth)];
  return sum;
});

/** The hook alone, on a linear map that gives zero. */
async function route(rows: readonly number[][], parts: readonly LowRank[], scalings: readonly number[], k: number, temperature: number): Promise<{ readonly logits: Float32Array; readonly weights: Float32Array; readonly output: Float32Array; readonly norms: Float32Array }> {
  const bound: BoundLibrary = { genKnowSub: 'none', library: { path: 'toy', adapters: [], general: [], arrow: null, skipped: [], remarks: [], files: [] }, sites: [{ spec: SPEC, layer: 0, experts: parts.map((factors, adapter) => ({ adapter, factors, scaling: scalings[adapter], spectrum: spectrumOf(factors) })) }] };
  const { hook } = attachArrow(bound, { k, temperature, mix: true });
  const b = new GraphBuilder('toy'), x = b.input('x', 'float32', ['tokens', 4]);
  b.output('y', hook(b, SPEC, x, b.gemm(x, b.floats('zero', [3, 4], new Float32Array(12)), { transposed: true, width: 3 })));
  const feeds = attachArrow(bound, { k, temperature, mix: true }).feeds({ attention: { qkv: { kind: 'separate', q: SPEC, k: SPEC, v: SPEC }, o: SPEC }, ffn: { kind: 'ffn', up: SPEC, down: SPEC } } as never);
  const session = await GraphSession.create(b.build(), { device: 'cpu', threads: 1 });
  try {
    const out = await session.run({ ...feeds, x: floats([rows.length, 4], Float32Array.from(rows.flat())) });
    return { logits: floatData(out[ARROW_OUTPUTS.logits(SPEC.site)]), weights: floatData(out[ARROW_OUTPUTS.weights(SPEC.site)]), norms: floatData(out[ARROW_OUTPUTS.norm(SPEC.site)]), output: floatData(out['y']) };
  } finally {
    await session.dispose();
  }
}

describe('Arrow on a linear map of 4 to 3 with three adapters, against PEFT', () => {
  const scalings = toy.alphas.map((alpha) => alpha / 2);

  it('derives the prototypes exactly', () => {
    const found = experts.map(spectrumOf);
    for (const [e, { direction }] of found.entries()) near(direction.map(Math.abs), toy.cases[0].prototypes[e]);
    near(found[1].direction, [0, 0, 0.881675, 0.471858], 1e-6);
    near(found.map((s) => s.singularValues[0]), [2, 2.757816, 2.828427], 1e-6);
    near(found.map((s) => s.energy), [0.8, 0.950694, 0.8], 1e-6);
    near([found[0].frobenius, found[0].stableRank, found[0].ratio], [2.236068, 1.25, 0.5], 1e-6);
  });

  it('gives similarity, coefficients and output of every case', async () => {
    const plain = toy.cases.filter((c) => !c.gks);
    expect(plain.length).toBeGreaterThanOrEqual(5);
    for (const c of plain) {
      const { logits, weights, output } = await route([c.x], experts, scalings, c.k, c.temperature);
      near(logits, c.similarity);
      near(weights, c.coefficients);
      near(output, c.output);
    }
    near((await route([[0.5, -1, 3, 1]], experts, [1, 1, 1], 2, 1)).output, [1.984379, 3.898438, 6.289066], 1e-6);
    near((await route([[0.5, -1, 3, 1]], experts, scalings, 2, 1)).output, [2.187504, 3.542971, 5.933598], 1e-6);
  });

  it('decides ties for the lower index, keeps exactly k and leaves rows alone', async () => {
    const rows = [[1, 2, 0, -1], [0, 0, 0, 0], [0.5, -1, 3, 1]];
    const { weights, logits, norms } = await route(rows, experts, scalings, 2, 1);
    near(weights.subarray(0, 3), [0.5, 0, 0.5]);
    // A row of zeros ties three ways.
    near(weights.subarray(3, 6), [0.5, 0.5, 0]);
    near(weights.subarray(6), [0, 0.796876, 0.203124], 1e-6);
    near((await route([[1, 2, 0, -1]], experts, scalings, 1, 1)).weights, [1, 0, 0]);
    const cosine = cosineLogits(logits, norms);
    near(cosine.subarray(3, 6), [0, 0, 0]);
    near(cosine.subarray(6), [0.5, 3.116882, 1.75].map((s) => s / Math.hypot(0.5, 1, 3, 1)), 1e-6);
  });

  it('gives an untrained adapter a logit of 0, not of minus infinity', async () => {
    const fresh: LowRank = { ...experts[0], b: new Float32Array(6) };
    const { logits, weights } = await route([[0.5, -1, 3, 1]], [experts[1], fresh], [1, 1], 2, 1);
    expect(logits[1]).toBe(0);
    near(weights, [1 / (1 + Math.exp(-3.116882)), 1 / (1 + Math.exp(3.116882))], 1e-6);
  });

  it('subtracts general knowledge both ways', async () => {
    const theirs = toy.cases.find((c) => c.gks);
    if (!theirs) throw new Error('no case with GenKnowSub');
    const peft = experts.map((e) => subtractFactors(e, [general]));
    near(peft[0].a, theirs.afterwards.A.flat());
    near(peft[0].b, theirs.afterwards.B.flat());
    near(peft[0].a, [0.5, 0, -0.5, 0, 0, 0.5, 0, -0.5]);
    near(product(peft[0]), [0.75, 0, -0.75, 0, 0, 0.25, 0, -0.25, 0, 0, 0, 0]);
    const { logits, weights, output } = await route([theirs.x], peft, scalings, theirs.k, theirs.temperature);
    near(logits, theirs.similarity);
    near(weights, theirs.coefficients);
    near(output, theirs.output);
    const update = subtractUpdates({ factors: experts[0], scaling: 1 }, [{ factors: general, scaling: 1 }]);
    expect(update.rank).toBe(4);
    near(product(update), [1.75, 0, -0.25, 0, 0, 0.75, 0, -0.25, 0, 0, 0, 0]);
    // The same matrix from other factors: PEFT's way changes, the update's does not.
    const turned: LowRank = { ...experts[0], a: Float32Array.from([0, 1, 0, 0, 1, 0, 0, 0]), b: Float32Array.from([0, 2, 1, 0, 0, 0]) };
    near(product(subtractUpdates({ factors: turned, scaling: 1 }, [{ factors: general, scaling: 1 }])), product(update));
    expect(Math.abs(product(subtractFactors(turned, [general]))[0] - 0.75)).toBeGreaterThan(0.1);
  });

  it('compares updates, factors and what they read', () => {
    const cosine = (i: number, j: number): number => innerProduct(experts[i], experts[j]) / Math.sqrt(innerProduct(experts[i], experts[i]) * innerProduct(experts[j], experts[j]));
    near([cosine(0, 1), cosine(0, 2), cosine(1, 2)], [0, 0.141421, 0.559017], 1e-5);
    near([readOverlap(experts[0], experts[1]), readOverlap(experts[0], experts[2])], [0, 3]);
  });
});

interface Case { readonly name: string; readonly k: number; readonly temperature: number; readonly gks?: boolean; readonly base?: boolean; readonly saved?: boolean; readonly sites: number }

/** Runs a prepared router as the engine does: all blocks, all taps of a plan. */
async function runPrepared(model: BoundModel, router: PreparedRouter, rows: readonly Int32Array[]): Promise<ReadonlyMap<string, { readonly logits: Float32Array; readonly weights: Float32Array }>> {
  const pass = new ForwardPass(model, rows, { pool: runner.pool, scheduler: new Scheduler() }, router.attached);
  expect(pass.packs).toHaveLength(1);
  const hidden = await pass.embed(), out = new Map<string, { logits: Float32Array; weights: Float32Array }>();
  for (const block of pass.stack.blocks) {
    const plan = router.plan(block);
    await pass.block(block, hidden, { taps: plan?.taps ?? new Set() }, (pack, outputs) => {
      for (const { site, weights, logits } of plan?.read(outputs, pack.tokens) ?? []) out.set(router.sites[site].id, { weights: Float32Array.from(weights), logits: Float32Array.from(logits ?? []) });
    });
  }
  return out;
}

async function finalLogits(model: BoundModel, router: PreparedRouter, rows: readonly Int32Array[]): Promise<Matrix> {
  return (await runner.taps(model, rows, 'logits', router.attached)).get('logits') as Matrix;
}

function request(model: BoundModel, more: Partial<RouterRequest>): RouterRequest {
  return { model, seed: 0, layers: model.spec.stacks[0].blocks.map((b) => b.index), partition: () => Promise.reject(new Error('no partition is needed')), ...more };
}

for (const name of ['llama', 'gpt2']) {
  const { metadata, matrices } = readMatrices(path.join(FIXTURES, `arrow-${name}.safetensors`));
  const cases = JSON.parse(metadata.cases) as Case[], rows = (JSON.parse(metadata.rows) as number[][]).map((r) => Int32Array.from(r));
  const matrix = (key: string): Matrix => {
    const found = matrices.get(key);
    if (!found) throw new Error(`${key} is not in the golden file`);
    return found;
  };

  describe(`Arrow on the golden ${name} with three adapters, against PEFT`, () => {
    it('was made with adapters that move the model', () => expect(Number(metadata.movedByAdapters)).toBeGreaterThan(0.5));

    for (const c of cases) {
      it(`gives similarity, weights and final logits of ${c.name}: k ${c.k}, T ${c.temperature}${c.gks ? ', GenKnowSub' : ''}`, async () => {
        const model = await openGolden(name), library = await openLibrary(path.join(FIXTURES, `arrow-${name}`));
        expect(library.adapters.map((a) => a.name)).toEqual(name === 'llama' ? ['task_0', 'task_1', 'task_2'] : ['code', 'law', 'maths']);
        const bound = await bindLibrary(model, library, c.gks ? 'peft' : 'none');
        // PEFT's 15 power steps are exact only where the second singular value is well below the first.
        if (!c.gks) expect(Math.max(...bound.sites.flatMap((s) => s.experts.map((e) => e.spectrum.ratio)))).toBeLessThan(0.35);
        const peftName = new Map(bound.sites.map(({ spec }) => [spec.site, model.tensor(spec.weight).name.replace(/\.weight$/, '')]));
        expect(bound.sites).toHaveLength(c.sites);
        const attached = attachArrow(bound, { k: c.k, temperature: c.temperature, mix: true });
        const prepared = await arrowRouter.prepare(request(model, { modules: path.join(FIXTURES, `arrow-${name}`), topK: c.k, temperature: c.temperature }));
        // The saved set says use_gks: its other case is bound by hand.
        const router: PreparedRouter = (library.arrow?.useGks === true) === (c.gks === true) ? prepared : { ...prepared, attached };
        const found = await runPrepared(model, router, rows);
        expect([...found.keys()]).toEqual(bound.sites.map((s) => s.spec.site));
        for (const [site, { logits, weights }] of found) {
          near(logits, matrix(`${c.name}|${peftName.get(site)}|similarity`).data, 1e-4);
          near(weights, matrix(`${c.name}|${peftName.get(site)}|weights`).data, 1e-4);
          for (let t = 0; t < weights.length; t += 3) expect(weights.subarray(t, t + 3).filter((w) => w > 0)).toHaveLength(c.k);
        }
        near((await finalLogits(model, router, rows)).data, matrix(`${c.name}|logits`).data, 1e-4);
      });

      if (c.base) {
        it('gives the similarities of the base activations when adapters are off', async () => {
          const model = await openGolden(name), bound = await bindLibrary(model, await openLibrary(path.join(FIXTURES, `arrow-${name}`)), 'none');
          const prepared = await arrowRouter.prepare(request(model, { modules: path.join(FIXTURES, `arrow-${name}`), baseActivations: true }));
          expect(prepared).toMatchObject({ provenance: 'base-activation', composition: 'none' });
          const router: PreparedRouter = { ...prepared, attached: attachArrow(bound, { k: c.k, temperature: c.temperature, mix: false }) };
          const found = await runPrepared(model, router, rows);
          for (const { spec } of bound.sites) near(found.get(spec.site)?.logits ?? [], matrix(`${c.name}|${model.tensor(spec.weight).name.replace(/\.weight$/, '')}|base`).data, 1e-4);
          const plain = (await runner.taps(model, rows, 'logits')).get('logits') as Matrix;
          expect((await finalLogits(model, router, rows)).data).toEqual(plain.data);
        });
      }
    }
  });
}

it('follows a text that is being written: only what changed is routed again, with the numbers of PEFT', async () => {
  const { metadata, matrices } = readMatrices(path.join(FIXTURES, 'arrow-gpt2.safetensors')), rows = JSON.parse(metadata.rows) as number[][], text = rows[3], before = rows.slice(0, 3).flat().length, changed = 25;
  const model = await openGolden('gpt2'), environment = { pool: runner.pool, scheduler: new Scheduler() };
  const router = await arrowRouter.prepare(request(model, { modules: path.join(FIXTURES, 'arrow-gpt2'), topK: 2, temperature: 0.25 }));
  const live = new LiveRouting(new Decoder(model, environment, router.attached), router, 16);
  expect((await live.update(Int32Array.from(text.map((id, i) => (i === changed ? id - 1 : id))), environment)).reused).toBe(0);
  const { arrays, reused } = await live.update(Int32Array.from(text), environment);
  expect(reused).toBe(changed);
  for (const [s, site] of router.sites.entries()) {
    const linear = linearsOf(model.spec.stacks[0].blocks[site.layer]).find((l) => l.site === site.id);
    const golden = matrices.get(`k2|${model.tensor(linear?.weight ?? '').name.replace(/\.weight$/, '')}|weights`);
    for (let t = 0; t < text.length; t++) {
      const at = (t * router.sites.length + s) * arrays.slots, found = new Float32Array(3);
      for (let i = 0; i < 3; i++) found[arrays.ids[at + i]] = arrays.weights[at + i];
      near(found, golden?.data.subarray((before + t) * 3, (before + t + 1) * 3) ?? [], 1e-4);
    }
  }
});

it('reads the settings of a saved Arrow set and leaves its inert router out', async () => {
  const library = await openLibrary(path.join(FIXTURES, 'arrow-llama'));
  expect(library.arrow).toMatchObject({ topK: 2, temperature: 0.5, useGks: true });
  expect(library.general.map((g) => g.name)).toEqual(['gks_0', 'gks_1']);
  expect(library.skipped.map((s) => s.name)).toEqual(['arrow_router']);
  const model = await openGolden('llama');
  const prepared = await arrowRouter.prepare(request(model, { modules: path.join(FIXTURES, 'arrow-llama') }));
  expect(prepared.sites[0]).toMatchObject({ id: 'blocks.0.attention.q', module: 'attention.q', kind: 'library', semantics: 'truncated', E: 3, k: 2, temperature: 0.5 });
});

