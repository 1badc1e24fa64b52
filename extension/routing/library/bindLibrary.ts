import { linearsOf, type BoundModel } from '../../architecture/resolve';
import type { LinearSpec } from '../../architecture/spec';
import { elementCount } from '../../checkpoint/dtypes';
import { readTensor } from '../../checkpoint/readTensor';
import { linearFinder } from '../../module/attach';
import type { LoraSite } from '../../module/types';
import { type LowRank, spectrumOf } from '../../numerics/lowRank';
import { failure } from '../../protocol/errors';
import { subtractFactors, subtractUpdates } from './genKnowSub';
import { remarksOn } from './remarks';
import type { GenKnowSub } from '../../protocol/routingLibrary';
import type { Adapter, AdapterLibrary, BoundLibrary, LibrarySite, SiteExpert } from './types';

/** Bytes of factors as float32 that are held at once: ten adapters of rank 16 on every linear map of a 7B model take 1.3 GB. */
const MAX_FACTOR_BYTES = 4 * 1024 ** 3;

/**
 * Reads the factors of a library and places each on the linear map of `model` that it was trained for. Directions and
 * singular values are exact (`spectrumOf`), after general knowledge has been subtracted. Adapters of which nothing fits
 * belong to another base: they are left out and named in `skipped` and `remarks`.
 * @param genKnowSub by default what the Arrow set's settings say
 * @throws routing/library where fewer than two adapters fit, for one that fits in part, for subtraction without equal
 * ranks, for more than 4 GB of factors
 */
export async function bindLibrary(model: BoundModel, folder: AdapterLibrary, genKnowSub: GenKnowSub = folder.arrow?.useGks ? 'peft' : 'none'): Promise<BoundLibrary> {
  const find = linearFinder(model), placed = new Map<Adapter, ReadonlyMap<string, LoraSite>>(), foreign: { readonly name: string; readonly reason: string }[] = [];
  for (const adapter of [...folder.adapters, ...(genKnowSub === 'none' ? [] : folder.general)]) {
    const { fitting, misfit } = place(adapter, find);
    if (misfit === null) placed.set(adapter, fitting);
    else if (fitting.size === 0) foreign.push({ name: adapter.name, reason: misfit });
    else throw failure('routing/library', { path: folder.path, reason: `the adapter "${adapter.name}" fits this checkpoint only in part: ${misfit}. Move its folder elsewhere to route between the others` });
  }
  const library = fittingPart(folder, placed, foreign);
  if (genKnowSub !== 'none' && library.general.length === 0) throw failure('routing/library', { path: library.path, reason: 'it holds no general adapters (gks_0, gks_1, ...) of this base whose knowledge could be subtracted. Route without subtraction' });
  const bytes = [...placed.keys()].reduce((sum, { lora }) => sum + lora.sites.reduce((n, s) => n + 4 * (elementCount(s.a.shape) + elementCount(s.b.shape)), 0), 0);
  if (bytes > MAX_FACTOR_BYTES) throw failure('routing/library', { path: library.path, reason: `its factors take ${(bytes / 1024 ** 3).toFixed(1)} GB in memory, more than ${MAX_FACTOR_BYTES / 1024 ** 3} GB. Route between fewer adapters at a time` });
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

/** An adapter's factors by the weight that they change, and the first thing about it that does not fit. */
function place({ lora }: Adapter, find: (target: string) => LinearSpec | undefined): { readonly fitting: ReadonlyMap<string, LoraSite>; readonly misfit: string | null } {
  const fitting = new Map<string, LoraSite>();
  let misfit: string | null = null;
  for (const site of lora.sites) {
    const spec = find(site.target), expected = [site.rank, spec?.inWidth, spec?.outWidth, site.rank], found = [...site.a.shape, ...site.b.shape];
    if (spec && expected.every((n, i) => found[i] === n)) fitting.set(spec.weight, site);
    else misfit ??= spec ? `its factors for "${site.target}" go from ${site.a.shape[1]} to ${site.b.shape[0]} features, and the checkpoint's linear map from ${spec.inWidth} to ${spec.outWidth}` : `it changes "${site.target}", which is no linear map of the checkpoint`;
  }
  return { fitting, misfit };
}

/** The library without the adapters of other bases. */
function fittingPart(folder: AdapterLibrary, placed: ReadonlyMap<Adapter, unknown>, foreign: readonly { readonly name: string; readonly reason: string }[]): AdapterLibrary {
  if (foreign.length === 0) return folder;
  const adapters = folder.adapters.filter((a) => placed.has(a));
  if (adapters.length < 2) throw failure('routing/library', { path: folder.path, reason: `${adapters.length === 0 ? 'none' : 'one'} of its ${folder.adapters.length} adapters fits this checkpoint, and routing needs two (${foreign.map(({ name, reason }) => `"${name}": ${reason}`).join('; ')}). Choose the checkpoint that the adapters were trained on, or another folder` });
  const left = `Left out, because they belong to another base: ${foreign.map((f) => f.name).join(', ')}.`;
  return { ...folder, adapters, general: folder.general.filter((a) => placed.has(a)), skipped: [...folder.skipped, ...foreign], remarks: [...remarksOn(adapters), left] };
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
