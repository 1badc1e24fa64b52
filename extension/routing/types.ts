import type { FfnWeights } from '../architecture/ffnWeights';
import type { BoundModel } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import type { FileStamp } from '../checkpoint/types';
import type { BlockOptions, BlockTap } from '../graph/block';
import type { HostTensor } from '../graph/hostTensor';
import type { AttachedModules } from '../module/attach';
import type { Notice } from '../protocol/documents';
import type { Composition, RouterName, RoutingGranularity, RoutingProvenance, RoutingSite, WhatIf } from '../protocol/routing';
import type { GenKnowSub } from '../protocol/routingLibrary';

/** What a router may need; it throws a failure that says what is missing. */
export interface RouterRequest {
  readonly model: BoundModel;
  readonly seed: number;
  /** Blocks to route in, ascending. */
  readonly layers: readonly number[];
  /** FFN weights and expert labels of a layer, from the store or made on demand (emergent routers). */
  readonly partition: (layer: number) => Promise<{ readonly ffn: FfnWeights; readonly labels: Int32Array; readonly experts: number }>;
  /** Experts that a token uses; undefined = the router's own default. */
  readonly topK?: number;
  readonly temperature?: number;
  /** Folder of adapters. */
  readonly modules?: string;
  readonly genKnowSub?: GenKnowSub;
  /** What to change on purpose; a router that cannot do it exactly refuses. */
  readonly whatIf?: WhatIf;
  readonly baseActivations?: boolean;
}

/** Routing of the tokens of one run at one site. */
export interface SiteRouting {
  /** Index into the prepared router's sites. */
  readonly site: number;
  /** `[tokens, E]` */
  readonly weights: Float32Array;
  /** `[tokens, E]`, what the choice was made by (before any bias for the choice). */
  readonly logits: Float32Array | null;
  /** `[tokens, E]`, what the experts are ranked by where that is not the logits (bias, groups). */
  readonly ranking?: Float32Array;
  /** Length of what the site reads `[tokens]`, where logits grow with it (Arrow: the cosine view divides by it). */
  readonly norms?: Float32Array;
}

/** What a block's graph must give, and how its outputs become routing. */
export interface BlockPlan {
  readonly taps: ReadonlySet<BlockTap>;
  /** More outputs, made from taps; `key` tells graphs with different ones apart. */
  readonly extend?: { readonly key: string; readonly build: NonNullable<BlockOptions['extend']> };
  readonly feeds?: Readonly<Record<string, HostTensor>>;
  /** What the FFN's hidden activations are multiplied with `[d_ff]` (neurons that a what-if takes out: 0). */
  readonly mask?: Float32Array;
  /** `outputs` by name (`tap:ffn.input`, and what `build` or a module's hook added). */
  read(outputs: Readonly<Record<string, HostTensor>>, tokens: number): readonly SiteRouting[];
}

/** A router bound to a model. */
export interface PreparedRouter {
  readonly sites: readonly RoutingSite[];
  readonly composition: Composition;
  readonly granularity: RoutingGranularity;
  readonly provenance: RoutingProvenance;
  /** Modules that act during the forward pass. */
  readonly attached: AttachedModules | null;
  /** What the router was made of besides the checkpoint, folders included; one that is kept is made again when they change. */
  readonly files?: readonly FileStamp[];
  /** What whoever reads the trace should know, once for the whole run. */
  readonly warnings?: readonly Notice[];
  /** With a what-if: what was done to the forward pass, in whole sentences. */
  readonly changed?: string;
  /** Null for a block without a site. */
  plan(block: BlockSpec): BlockPlan | null;
}

/** A router: one file in `routers/` that exports one of these. */
export interface Router {
  readonly name: RouterName;
  /** As menus name it. */
  readonly title: string;
  /** What it does, in one sentence. */
  readonly says: string;
  prepare(request: RouterRequest): Promise<PreparedRouter>;
}
