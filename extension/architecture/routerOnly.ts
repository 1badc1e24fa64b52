import path from 'node:path';
import type { Checkpoint } from '../checkpoint/types';
import { configReader } from './config';
import { moduleformer } from './families/moduleformer';
import { switchTransformers } from './families/switchTransformers';
import type { ConfigReader } from './spec';

/** How a router turns what it reads `[tokens, width]` into logits. Names are of tensors in the checkpoint. */
export type RouterGate =
  /** x W^T + b */
  | { readonly kind: 'linear'; readonly weight: string; readonly bias?: string }
  /** gelu(x W^T + b) V^T, with the exact gelu */
  | { readonly kind: 'mlp'; readonly weight: string; readonly bias: string; readonly out: string }
  /** cosine of x W^T with each centroid, times e^temperature */
  | { readonly kind: 'cosine'; readonly weight: string; readonly centroids: string; readonly temperature: string };

/** A router whose block is not built: it can be computed on hidden states that other software recorded. */
export interface RouterOnlySite {
  /** `blocks.3.ffn`; other stacks prefix their name. */
  readonly id: string;
  readonly layer: number;
  readonly module: string;
  readonly gate: RouterGate;
  readonly experts: number;
  /** Width of what the router reads. */
  readonly width: number;
  readonly k: number;
  /** Tokens of one text that an expert takes; later ones go without it. */
  readonly capacity: number | null;
}

/** A family of which only the routers are built. */
export interface RouterOnlyFamily {
  readonly name: string;
  readonly modelTypes: readonly string[];
  read(config: ConfigReader, shapes: ReadonlyMap<string, readonly number[]>): readonly RouterOnlySite[];
}

/** Adding a family of which only the routers are built is adding a file and its name here. */
const FAMILIES: readonly RouterOnlyFamily[] = [switchTransformers, moduleformer];

/**
 * Routers of a family whose attention is not built; null for all other families.
 * @throws model/config-field
 */
export function routerOnly(checkpoint: Checkpoint): { readonly family: string; readonly sites: readonly RouterOnlySite[] } | null {
  const type = checkpoint.config?.['model_type'], family = FAMILIES.find(({ modelTypes }) => typeof type === 'string' && modelTypes.includes(type));
  if (!family || !checkpoint.config) return null;
  const config = configReader(checkpoint.config, path.join(checkpoint.folder, 'config.json'), String(type));
  const sites = family.read(config, new Map([...checkpoint.tensors.values()].map(({ name, shape }) => [name, shape])));
  return sites.length === 0 ? null : { family: family.name, sites };
}
