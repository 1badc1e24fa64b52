import type { RoutingHead, RoutingResult, RoutingSlice } from '../../protocol/routing';

/** A slot of a token at a site, as the router filled it. */
export interface SlotFacts {
  readonly expert: number;
  readonly weight: number;
  readonly logit: number | null;
}

/** Messages between the processes are kept below this, so a trace comes in groups of sites. */
const SLICE_BYTES = 3_000_000;

/** A trace as far as its numbers have come: the head at once, sites group by group. */
export class TraceView {
  private readonly slices: (RoutingSlice | undefined)[];

  constructor(readonly result: RoutingResult) {
    this.slices = new Array<RoutingSlice | undefined>(result.head.sites.length);
  }

  get head(): RoutingHead {
    return this.result.head;
  }

  add(slice: RoutingSlice): void {
    for (let site = slice.from; site < slice.to; site++) this.slices[site] = slice;
  }

  has(site: number): boolean {
    return this.slices[site] !== undefined;
  }

  /** Groups of sites to ask for, the one with `first` first. */
  groups(first: number): readonly { readonly from: number; readonly to: number }[] {
    const { tokens, sites, slots } = this.head;
    const perSite = Math.max(1, tokens.length) * (slots * 10 + 12);
    const size = Math.max(1, Math.floor(SLICE_BYTES / perSite));
    const groups = Array.from({ length: Math.ceil(sites.length / size) }, (_, i) => ({ from: i * size, to: Math.min(sites.length, (i + 1) * size) }));
    return groups.sort((a, b) => Number(first >= b.from && first < b.to) - Number(first >= a.from && first < a.to));
  }

  /** Expert of the first slot; -1 where nothing is known or chosen. */
  top(site: number, token: number): number {
    const slice = this.slices[site];
    if (!slice || this.head.slots === 0) return -1;
    return slice.ids[this.row(slice, site, token) * this.head.slots];
  }

  weight(site: number, token: number): number {
    const slice = this.slices[site];
    return slice && this.head.slots > 0 ? slice.weights[this.row(slice, site, token) * this.head.slots] : Number.NaN;
  }

  margin(site: number, token: number): number {
    const slice = this.slices[site];
    return slice ? slice.margins[this.row(slice, site, token)] : Number.NaN;
  }

  choiceMargin(site: number, token: number): number {
    const slice = this.slices[site];
    return slice ? slice.choiceMargins[this.row(slice, site, token)] : Number.NaN;
  }

  entropy(site: number, token: number): number {
    const slice = this.slices[site];
    return slice ? slice.entropies[this.row(slice, site, token)] : Number.NaN;
  }

  /** Length of what the site reads, where scores grow with it (Arrow); null elsewhere. */
  norm(site: number, token: number): number | null {
    const slice = this.slices[site];
    return slice?.norms ? slice.norms[this.row(slice, site, token)] : null;
  }

  /** All kept slots, best first. */
  slots(site: number, token: number): readonly SlotFacts[] {
    const slice = this.slices[site];
    if (!slice) return [];
    const at = this.row(slice, site, token) * this.head.slots;
    // A site with fewer experts than slots fills the first ones.
    const kept = Math.min(this.head.slots, this.head.sites[site].E);
    const logit = (i: number): number | null => (slice.logits && !Number.isNaN(slice.logits[i]) ? slice.logits[i] : null);
    return Array.from({ length: kept }, (_, i) => ({ expert: slice.ids[at + i], weight: slice.weights[at + i], logit: logit(at + i) }));
  }

  private row(slice: RoutingSlice, site: number, token: number): number {
    return token * (slice.to - slice.from) + site - slice.from;
  }
}
