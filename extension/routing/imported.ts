import { promises as fs } from 'node:fs';
import { readNpy } from '../checkpoint/npyFile';
import { failure } from '../protocol/errors';
import type { RoutingSite, WeightSemantics } from '../protocol/routing';

/** Largest JSON trace that is read as text. */
const JSON_LIMIT = 256 << 20;

/** Expert choices that another program wrote down `[tokens, sites, k]`. */
export interface ImportedRouting {
  readonly tokens: number;
  readonly k: number;
  readonly sites: readonly RoutingSite[];
  readonly ids: Float64Array;
  /** Null where the file holds only ids: all chosen experts then weigh the same. */
  readonly weights: Float64Array | null;
  /** Texts of the tokens, if it names them. */
  readonly texts: readonly string[] | null;
}

interface Numbers {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/**
 * Reads a trace from elsewhere: `.npy` of expert ids `[tokens, layers, k]` (weights beside it in NAME.weights.npy), or JSON with `ids` in that
 * shape, nested or as `{shape, data}`, and optionally `weights`, `tokens` (texts) and `experts`. A trace of ours is read as well.
 * @throws routing/import naming the file and what is wrong
 */
export async function readImported(file: string): Promise<ImportedRouting> {
  const refuse = (reason: string): never => { throw failure('routing/import', { file, reason }); };
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => { try { return await work(); } catch (error) { return refuse(error instanceof Error ? error.message : String(error)); } };
  if (/\.npy$/i.test(file)) {
    const beside = file.replace(/\.npy$/i, '.weights.npy');
    const ids = await attempt(() => readNpy(file)), hasWeights = await fs.stat(beside).then(() => true, () => false);
    return check({ ids, weights: hasWeights ? await attempt(() => readNpy(beside)) : null, texts: null, experts: null, names: null }, refuse);
  }
  const document = await attempt(async () => {
    const { size } = await fs.stat(file);
    if (size > JSON_LIMIT) throw new Error(`it is larger than ${JSON_LIMIT >> 20} MB; save the ids as .npy`);
    const parsed: unknown = JSON.parse(await fs.readFile(file, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) throw new Error('it is no JSON object');
    return parsed as Record<string, unknown>;
  });
  const ids = numbersOf(document['ids'], 'ids', refuse) ?? refuse('it has no "ids"');
  const texts = Array.isArray(document['tokens']) ? document['tokens'].map((token: unknown) => (typeof token === 'string' ? token : textOf(token))) : null;
  const sites = Array.isArray(document['sites']) ? document['sites'].map((site: unknown) => (isRecord(site) && typeof site['id'] === 'string' ? site['id'] : null)) : null;
  const counts = Array.isArray(document['sites']) ? document['sites'].map((site: unknown) => (isRecord(site) && typeof site['E'] === 'number' ? site['E'] : 0)) : [];
  const experts = typeof document['experts'] === 'number' ? document['experts'] : counts.length > 0 ? Math.max(...counts) : null;
  return check({ ids, weights: numbersOf(document['weights'], 'weights', refuse), texts, experts, names: sites }, refuse);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;
const textOf = (token: unknown): string => (isRecord(token) && typeof token['text'] === 'string' ? token['text'] : '');

function numbersOf(value: unknown, name: string, refuse: (reason: string) => never): Numbers | null {
  if (value === undefined || value === null) return null;
  if (isRecord(value) && !Array.isArray(value)) {
    const { shape, data } = value;
    if (!Array.isArray(shape) || !Array.isArray(data) || !shape.every((n) => Number.isInteger(n) && (n as number) >= 0)) return refuse(`"${name}" has no shape and data`);
    return { shape: shape as number[], data: data.map((x: unknown) => (typeof x === 'number' ? x : NaN)) };
  }
  const shape: number[] = [], flat: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const walk = (part: unknown, depth: number): void => {
    if (!Array.isArray(part)) { flat.push(typeof part === 'number' ? part : NaN); return; }
    if (part.length !== shape[depth]) refuse(`"${name}" is ragged: ${part.length} entries where ${shape[depth]} are expected`);
    for (const child of part) walk(child, depth + 1);
  };
  walk(value, 0);
  return { shape, data: flat };
}

function check(read: { readonly ids: Numbers; readonly weights: Numbers | null; readonly texts: readonly string[] | null; readonly experts: number | null; readonly names: readonly (string | null)[] | null }, refuse: (reason: string) => never): ImportedRouting {
  const { ids, weights, texts } = read;
  const shape = ids.shape.length === 2 ? [ids.shape[0], ids.shape[1], 1] : ids.shape;
  if (shape.length !== 3) return refuse(`the ids have shape [${ids.shape.join(', ')}]; expected [tokens, layers, k]`);
  const [tokens, layers, k] = shape, count = tokens * layers * k;
  if (count === 0 || ids.data.length !== count) return refuse(`${ids.data.length} ids for shape [${shape.join(', ')}]`);
  if (weights && weights.data.length !== count) return refuse(`${weights.data.length} weights for ${count} ids`);
  if (texts && texts.length !== tokens) return refuse(`${texts.length} tokens are named and ${tokens} are routed`);
  let most = 0;
  for (let i = 0; i < count; i++) {
    if (!Number.isInteger(ids.data[i]) || ids.data[i] < 0 || ids.data[i] > 65535) return refuse(`expert ${ids.data[i]} is no number from 0 to 65535`);
    if (weights && !Number.isFinite(weights.data[i])) return refuse('a weight is not a finite number');
    most = Math.max(most, ids.data[i]);
  }
  const E = read.experts ?? most + 1;
  if (!Number.isInteger(E) || most >= E || E > 65536) return refuse(`expert ${most} of ${E}`);
  if (k > E) return refuse(`${k} experts are chosen of ${E}`);
  const semantics = weights ? semanticsOf(weights.data, k) : 'binary';
  const sites = Array.from({ length: layers }, (_, layer): RoutingSite => ({
    id: read.names?.[layer] ?? `blocks.${layer}.ffn`, layer, module: 'ffn', kind: 'imported', semantics, E, labels: Array.from({ length: E }, (__, e) => String(e)), k, temperature: null, scale: 1,
    note: weights ? 'Weight: as the file gives it.' : 'The file holds only which experts were chosen.',
  }));
  return { tokens, k, sites, ids: Float64Array.from(ids.data), weights: weights && Float64Array.from(weights.data), texts };
}

function semanticsOf(weights: ArrayLike<number>, k: number): WeightSemantics {
  let isSimplex = true, isBelow = true;
  for (let row = 0; row < weights.length; row += k) {
    let sum = 0;
    for (let i = 0; i < k; i++) { sum += weights[row + i]; if (weights[row + i] < 0) return 'signed'; }
    if (Math.abs(sum - 1) > 1e-3) isSimplex = false;
    if (sum > 1 + 1e-3) isBelow = false;
  }
  return isSimplex ? 'truncated' : isBelow ? 'sub-simplex' : 'sigmoid';
}
