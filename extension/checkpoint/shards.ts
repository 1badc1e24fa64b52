import * as path from 'node:path';
import { failure } from '../protocol/errors';
import { statOrNull } from './files';
import { resolveInside } from './insidePath';
import { isJsonObject, readJsonObject } from './jsonFile';
import { MAX_INDEX_BYTES, MAX_SHARDS } from './limits';
import type { FileStamp } from './types';

/** A read index: which shard holds which tensor. */
export interface ShardIndex {
  readonly file: string;
  readonly stamp: FileStamp;
  /** Tensor name to absolute shard path. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Absolute, in name order. */
  readonly shards: readonly string[];
}

/**
 * Reads `*.index.json`.
 * @throws checkpoint/index-invalid, checkpoint/index-path for a shard outside the folder, checkpoint/shard-missing
 */
export async function readShardIndex(file: string): Promise<ShardIndex> {
  const { value, stamp } = await readJsonObject(file, MAX_INDEX_BYTES);
  const map = value.weight_map;
  if (!isJsonObject(map)) throw failure('checkpoint/index-invalid', { file, reason: 'weight_map, an object from tensor names to files, is missing' });
  const folder = path.dirname(file);
  const shardOf = new Map<string, string>();
  const known = new Map<string, string>();
  for (const [tensor, target] of Object.entries(map)) {
    if (typeof target !== 'string') throw failure('checkpoint/index-invalid', { file, reason: `the file of tensor "${tensor}" is not a text` });
    let shard = known.get(target);
    if (shard === undefined) {
      const inside = resolveInside(folder, target);
      if (inside === null) throw failure('checkpoint/index-path', { file, tensor, target });
      if (known.size >= MAX_SHARDS) throw failure('checkpoint/index-invalid', { file, reason: `it names more than ${MAX_SHARDS} files` });
      known.set(target, (shard = inside));
    }
    shardOf.set(tensor, shard);
  }
  const shards = [...known.values()].sort();
  for (const shard of shards) if ((await statOrNull(shard)) === null) throw failure('checkpoint/shard-missing', { file, shard: path.basename(shard) });
  return { file, stamp, shardOf, shards };
}

const SHARD_NAME = /^(.+)-(\d{5})-of-(\d{5})(\.safetensors|\.bin)$/;

export interface ShardName {
  /** `model` of `model-00001-of-00003.safetensors`. */
  readonly stem: string;
  readonly number: number;
  readonly count: number;
  readonly extension: string;
}

/** Takes a shard's file name apart; null for other names. */
export function parseShardName(name: string): ShardName | null {
  const match = SHARD_NAME.exec(name);
  return match === null ? null : { stem: match[1], number: Number(match[2]), count: Number(match[3]), extension: match[4] };
}

/** Name of the index that belongs to a shard. */
export function indexNameOf(shard: ShardName): string {
  return `${shard.stem}${shard.extension}.index.json`;
}

/** The file names of a complete set of shards around one of them; null when one is missing. For folders whose index was not copied. */
export function completeSet(shard: ShardName, names: readonly string[]): readonly string[] | null {
  const there = new Set(names);
  const set: string[] = [];
  for (let i = 1; i <= Math.min(shard.count, MAX_SHARDS); i++) {
    const name = `${shard.stem}-${String(i).padStart(5, '0')}-of-${String(shard.count).padStart(5, '0')}${shard.extension}`;
    if (!there.has(name)) return null;
    set.push(name);
  }
  return set.length === shard.count && set.length > 0 ? set : null;
}
