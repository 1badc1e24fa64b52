import { linearsOf, type BoundModel } from '../../architecture/resolve';
import type { LinearSpec } from '../../architecture/spec';
import { elementCount } from '../../checkpoint/dtypes';
import { readTensor } from '../../checkpoint/readTensor';
import { linearFinder } from '../../module/attach';
import type { LoraSite } from '../../module/types';
import { type LowRank, spectrumOf } from '../../numerics/lowRank';
import { failure } from '../../protocol/errors';
import { subtractFactors, subtractUpdates } from './genKnowSub';
import type { Adapter, AdapterLibrary, BoundLibrary, GenKnowSub, LibrarySite, SiteExpert } from './types';

/** Bytes of factors as float32 that are held at once: ten adapters of rank 16 on every linear map of a 7B model take 1.3 GB. */
const MAX_FACTOR_BYTES = 4 * 1024 ** 3;

/**
 * Reads the factors of a library and places each on the linear map of `model` that it was trained for. Directions and
 * singular values are exact (`spectrumOf`), after general knowledge has been subtracted.
 * @param genKnowSub by default what the Arrow set's settings say
 * @throws routing/library for an adapter of another base, for subtraction without equal ranks, for more than 4 GB of factors
 */
export async function bindLibrary(model: BoundModel, library: AdapterLibrary, genKnowSub: GenKnowSub = library.arrow?.useGks ? 'peft' : 'none'): Promise<BoundLibrary> {
  const members = [...library.adapters, ...(genKnowSub === 'none' ? [] : library.general)];
  if (genKnowSub !== 'none' && library.general.length === 0) throw failure('routing/library', { path: library.path, reason: 'it holds no general adapters (gks_0, gks_1, ...) whose knowledge could be subtracted. Route without subtraction' });
  const bytes = members.reduce((sum, { lora }) => sum + lora.sites.reduce((n, s) => n + 4 * (elementCount(s.a.shape) + elementCount(s.b.shape)), 0), 0);
  if (bytes > MAX_FACTOR_BYTES) throw failure('routing/library', { path: library.path, reason: `its factors take ${(bytes / 1024 ** 3).toFixed(1)} GB in memory, more than ${MAX_FACTOR_BYTES / 1024 ** 3} GB. Route between fewer adapters at a time` });
  const find = linearFinder(model);
  const placed = new Map<Adapter, ReadonlyMap<string, LoraSite>>();
  for (const adapter of members) placed.set(adapter, place(adapter, find, library.path));
  const byWeight = new Map<string, readonly SiteExpert[]>();
  const sites: LibrarySite[] = [];
  for (const block of model.spec.stacks[0].blocks) {
    const specs = linearsOf(block);
    // Reading waits for the disk, so a block's maps wait together.
    await Promise.all(specs.map(async (spec) => { if (!byWeight.has(spec.weight)) byWeight.set(spec.weight, await expertsAt(spec, library, placed, genKnowSub)); }));
    for (const spec of specs) {
      const experts = byWeight.get(spec.weight) ?? [];
      if (experts.length > 0) sites.push({ spec, layer: block.index, experts });
    }
  }
  return { library, genKnowSub, sites };
}

/** An adapter's factors by the weight that they change. */
function place({ name, lora }: Adapter, find: (target: string) => LinearSpec | undefined, path: string): ReadonlyMap<string, LoraSite> {
  const out = new Map<string, LoraSite>();
  for (const site of lora.sites) {
    const spec = find(site.target);
    if (!spec) throw failure('routing/library', { path, reason: `the adapter "${name}" changes "${site.target}", which is no linear map of this checkpoint. Choose the checkpoint that it was trained on, or move the adapter elsewhere` });
    const expected = [site.rank, spec.inWidth, spec.outWidth, site.rank], found = [...site.a.shape, ...site.b.shape];
    if (expected.some((n, i) => found[i] !== n)) throw failure('routing/library', { path, reason: `the adapter "${name}" has factors from ${site.a.shape[1]} to ${site.b.shape[0]} features for "${site.target}", but this checkpoint's map goes from ${spec.inWidth} to ${spec.outWidth}. Choose the checkpoint that it was trained on, or move the adapter elsewhere` });
    out.set(spec.weight, site);
  }
  return out;
}

async function expertsAt(spec: LinearSpec, library: AdapterLibrary, placed: ReadonlyMap<Adapter, ReadonlyMap<string, LoraSite>>, genKnowSub: GenKnowSub): Promise<readonly SiteExpert[]> {
  const general: { readonly factors: LowRank; readonly scaling: number }[] = [];
  if (genKnowSub !== 'none') {
    for (const adapter of library.general) {
      const site = placed.get(adapter)?.get(spec.weight);
      if (site) general.push({ factors: await readFactors(site), scaling: site.scaling });
    }
  }
  const out: SiteExpert[] = [];
  for (const [index, adapter] of library.adapters.entries()) {
    const site = placed.get(adapter)?.get(spec.weight);
    if (!site) continue;
    const own = await readFactors(site);
    if (genKnowSub === 'peft' && general.some((g) => g.factors.rank !== own.rank)) throw failure('routing/library', { path: library.path, reason: `"${adapter.name}" has rank ${own.rank} at ${spec.site} and a general adapter has another, so that PEFT's subtraction of factors is not possible. Use adapters of one rank` });
    const factors = general.length === 0 ? own : genKnowSub === 'peft' ? subtractFactors(own, general.map((g) => g.factors)) : subtractUpdates({ factors: own, scaling: site.scaling }, general);
    out.push({ adapter: index, factors, scaling: site.scaling, spectrum: spectrumOf(factors) });
    // Large libraries take seconds of arithmetic; others get a turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return out;
}

async function readFactors(site: LoraSite): Promise<LowRank> {
  return { rank: site.rank, inWidth: site.a.shape[1], outWidth: site.b.shape[0], a: await readTensor(site.a), b: await readTensor(site.b) };
}
