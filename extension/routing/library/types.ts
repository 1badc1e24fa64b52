import type { LinearSpec } from '../../architecture/spec';
import type { FileStamp } from '../../checkpoint/types';
import type { LowRank, Spectrum } from '../../numerics/lowRank';
import type { LoraModule } from '../../module/types';
import type { GenKnowSub } from '../../protocol/routingLibrary';

/** `arrow_config` of a saved Arrow set. */
export interface ArrowSettings {
  readonly topK: number;
  readonly temperature: number;
  readonly taskNames: readonly string[];
  readonly generalNames: readonly string[];
  /** Subtract the mean of the general adapters first (GenKnowSub). */
  readonly useGks: boolean;
}

/** An adapter of a library. */
export interface Adapter {
  /** Folder name; with its parent's where two folders are called the same. */
  readonly name: string;
  readonly lora: LoraModule;
}

/** A folder of LoRAs on one base: headers only. */
export interface AdapterLibrary {
  readonly path: string;
  /** Two or more, in the order of their names (of an Arrow set: the order in which PEFT stacks them). */
  readonly adapters: readonly Adapter[];
  /** Adapters of general knowledge: subtracted, not routed to. */
  readonly general: readonly Adapter[];
  /** Null for folders that PEFT's Arrow did not write. */
  readonly arrow: ArrowSettings | null;
  /** Modules in the folder that are no experts, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** What differs from what PEFT accepts, in whole sentences. */
  readonly remarks: readonly string[];
  /** Stamps of the folder and of every file that was read. */
  readonly files: readonly FileStamp[];
}

/** An adapter at one linear map: y += weight * scaling * (x A^T) B^T. */
export interface SiteExpert {
  /** Index into the library's adapters. */
  readonly adapter: number;
  readonly factors: LowRank;
  readonly scaling: number;
  /** Of the update without its scaling, which changes no direction. */
  readonly spectrum: Spectrum;
}

/** The adapters at one linear map of the base; those without factors there are absent. */
export interface LibrarySite {
  readonly spec: LinearSpec;
  readonly layer: number;
  readonly experts: readonly SiteExpert[];
}

/** A library whose factors have been read and placed on a base. */
export interface BoundLibrary {
  readonly library: AdapterLibrary;
  readonly genKnowSub: GenKnowSub;
  /** In the order in which data meets them. */
  readonly sites: readonly LibrarySite[];
}
