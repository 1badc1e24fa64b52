import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { assertUnchanged } from '../../checkpoint/files';
import type { FileStamp } from '../../checkpoint/types';
import { finishInTurns, type Steps } from '../../numerics/steps';
import { type JsonArray, SCHEMA_VERSION } from '../../protocol/documents';
import { failure, ModulensError } from '../../protocol/errors';
import { type GenKnowSub, LIBRARY_SIMILARITIES, type LibraryDocument, type LibraryFacts, type LibraryOverlaps, type LibraryOverlapsOf, type LibraryRequest, type LibrarySubtraction } from '../../protocol/routingLibrary';
import { VERSION } from '../../protocol/version';
import { bindLibrary } from '../../routing/library/bindLibrary';
import { compareBindings, overlapsAt, weightsSteps } from '../../routing/library/describeWeights';
import { openLibrary } from '../../routing/library/openLibrary';
import type { AdapterLibrary, BoundLibrary } from '../../routing/library/types';
import type { BoundModel } from '../../architecture/resolve';
import { parseLayers } from '../analysis/options';
import type { OperationContext } from '../context';
import { describeModel, requireModel } from '../modelFacts';

/** Numbers of overlaps that a document prints. */
const MOST_OVERLAPS = 2_000_000;

/** Bytes of factors that stay in memory for the next question. */
const KEPT_BYTES = 512 << 20;

/** A library whose factors are in memory. */
interface OpenBinding {
  readonly name: string;
  readonly files: readonly FileStamp[];
  readonly model: BoundModel;
  readonly hash: string;
  readonly kind: string;
  readonly bound: BoundLibrary;
}
let kept: OpenBinding | null = null;

/** What the weights of a folder of adapters say. @throws routing/library, and what opening throws */
export async function run(request: LibraryRequest, context: OperationContext): Promise<LibraryFacts> {
  const began = performance.now(), open = await bind(request, context), { bound, model } = open, blocks = model.spec.stacks[0].blocks.map((block) => block.index);
  const layers = parseLayers(request.layers, blocks), { library } = bound, n = library.adapters.length;
  const found = await finishInTurns(counted(weightsSteps(bound, { layers, by: request.by ?? 'update', seed: request.seed ?? 0 }), ((n * (n - 1)) / 2) * (LIBRARY_SIMILARITIES.length + layers.length), context), context.signal);
  return {
    ...found, schema: 'modulens-library-1', model: { hash: open.hash, kind: open.kind, name: model.checkpoint.name }, subtraction: await subtraction(model, library, bound),
    warnings: library.remarks.map((message) => ({ code: 'routing/library', message })), seconds: (performance.now() - began) / 1000,
  };
}

/** The steps, counted for the progress. */
function* counted<T>(steps: Steps<T>, pairs: number, { progress }: OperationContext): Steps<T> {
  for (let done = 0; ; done++) {
    const step = steps.next();
    if (step.done === true) return step.value;
    progress({ stage: 'comparing adapters', done: Math.min(done, pairs), total: pairs, etaSeconds: null });
    yield;
  }
}

/** How the adapters lie to each other at one site. @throws routing/library for a site that none of them changes */
export async function overlaps({ site, ...request }: LibraryRequest & { readonly site: string }, context: OperationContext): Promise<LibraryOverlaps> {
  const { bound } = await bind(request, context), found = bound.sites.find(({ spec }) => spec.site === site);
  if (!found) throw failure('routing/library', { path: request.modules, reason: `none of its adapters changes ${site.slice(0, 80)}. Choose one of ${bound.sites.length} linear maps that they change, such as ${bound.sites[0]?.spec.site ?? 'none'}` });
  return overlapsAt(bound, found);
}

/** `modulens route --library-facts`. */
export async function libraryDocument(request: LibraryRequest, context: OperationContext): Promise<LibraryDocument> {
  const { warnings, seconds, facts, similarity, byLayer, ...rest } = await run(request, context), { bound } = await bind(request, context);
  const n = rest.adapters.length, s = rest.sites.length, chosen = bound.sites.filter(({ spec }) => rest.sites.some(({ id }) => id === spec.site));
  const count = chosen.reduce((sum, { experts }) => sum + 3 * experts.length ** 2, 0), fits = count <= MOST_OVERLAPS;
  const square = (values: Float32Array, size: number): JsonArray => jsonArray(values, [size, size]);
  const printed = (one: LibraryOverlaps): LibraryOverlapsOf<JsonArray> => { const E = one.adapters.length; return { ...one, cosine: square(one.cosine, E), direction: square(one.direction, E), readOverlap: square(one.readOverlap, E) }; };
  const bySite = (values: Float32Array): JsonArray => jsonArray(values, [s, n], 'null: the adapter has no factors there');
  return {
    schemaVersion: SCHEMA_VERSION, kind: 'library', program: { name: 'modulens', version: VERSION }, timings: { total: seconds }, seed: request.seed ?? 0, ...rest,
    warnings: fits ? warnings : [...warnings, { code: 'routing/library', message: `Overlaps of ${s} linear maps are ${count} numbers and were left out. Ask for fewer layers with --layers to see them.` }],
    facts: { rank: bySite(facts.rank), scaling: bySite(facts.scaling), sigma1: bySite(facts.sigma1), ratio: bySite(facts.ratio), energy: bySite(facts.energy), stableRank: bySite(facts.stableRank), frobenius: bySite(facts.frobenius) },
    similarity: similarity.map(({ matrix, ...one }) => ({ ...one, matrix: matrix && square(matrix, n) })),
    byLayer: byLayer && { layers: byLayer.layers, matrices: jsonArray(byLayer.matrices, [byLayer.layers.length, n, n]) },
    overlaps: fits ? chosen.map((site) => printed(overlapsAt(bound, site))) : null,
  };
}

async function bind({ path, modules, genKnowSub }: LibraryRequest, context: OperationContext): Promise<OpenBinding> {
  const name = JSON.stringify([path, modules, genKnowSub ?? null]);
  if (kept?.name === name) {
    const known = kept;
    const same = await assertUnchanged(known.files).then(() => true, () => false);
    if (same) return known;
  }
  kept = null;
  context.progress({ stage: 'reading adapters', done: 0, total: 1, etaSeconds: null });
  const described = await describeModel(await openCheckpoint(path)), model = requireModel(described);
  const bound = await bindLibrary(model, await openLibrary(modules), genKnowSub);
  const open: OpenBinding = { name, files: [...model.checkpoint.files, ...bound.library.files], model, bound, hash: described.facts.fingerprint, kind: described.facts.family ?? 'unknown' };
  if (bytesOf(bound) <= KEPT_BYTES) kept = open;
  return open;
}

function bytesOf({ sites }: BoundLibrary): number {
  return sites.reduce((sum, { experts }) => sum + experts.reduce((own, { factors: { a, b } }) => own + a.byteLength + b.byteLength, 0), 0);
}

const SUBTRACTION = 'PEFT subtracts the mean A of the general adapters from A and the mean B from B, which is not the update less the mean update and depends on the basis in which the factors happen to lie. Subtracting the updates themselves does not.';

/** Both ways to subtract general knowledge side by side; null where there is none. */
async function subtraction(model: BoundModel, library: AdapterLibrary, used: BoundLibrary): Promise<LibrarySubtraction | null> {
  if (library.general.length === 0) return null;
  const way = (kind: GenKnowSub): Promise<BoundLibrary> => (used.genKnowSub === kind ? Promise.resolve(used) : bindLibrary(model, library, kind));
  const none = await way('none'), update = await way('update');
  let peft: BoundLibrary | null = null, peftWhy: string | undefined;
  try {
    peft = await way('peft');
  } catch (error) {
    if (!(error instanceof ModulensError)) throw error;
    peftWhy = error.message;
  }
  const before = compareBindings(none, update), between = peft && compareBindings(peft, update);
  return {
    general: library.general.map(({ name }) => name), used: used.genKnowSub, says: SUBTRACTION, ...(peftWhy === undefined ? {} : { peftWhy }),
    adapters: library.adapters.map(({ name }, i) => ({ name, none: before[i].one, update: before[i].two, peft: between?.[i].one ?? null, cosine: between?.[i].cosine ?? null })),
  };
}

function jsonArray(values: Float32Array, shape: readonly number[], why = ''): JsonArray {
  let lost = false;
  const data = Array.from(values, (x) => { if (Number.isFinite(x)) return Number(x.toPrecision(9)); lost = true; return null; });
  return { dtype: 'float32', shape, data, ...(lost ? { why } : {}) };
}
