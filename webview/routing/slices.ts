import type { RoutingHead } from '../../extension/protocol/routing';
import type { SiteNumbers } from '../render/routingTrace';
import { siteBytes, sitesOf } from '../render/routingTrace';
import type { Bridge, PendingCall } from '../ui/bridge';
import { CallError } from '../ui/bridge';

/** One message holds at most this many bytes (the engine's limit is 4 MB; less keeps a frame's work small). */
const MESSAGE_BYTES = 1 << 20;
/** Numbers that are kept; what was looked at longest ago goes first. */
const KEPT_BYTES = 192 << 20;
/** Messages under way at a time. */
const AT_ONCE = 2;

/** Fetches the sites of a trace a few at a time: first the chosen one and its neighbours, then the rest from there outwards. */
export class SliceLoader {
  readonly #bridge: Bridge;
  readonly #onData: () => void;
  readonly #wanted: () => number;
  readonly #sites = new Map<number, SiteNumbers>();
  readonly #failed = new Set<number>();
  readonly #loading = new Map<number, PendingCall<unknown>>();
  #trace: { readonly key: string; readonly head: RoutingHead } | null = null;
  #perMessage = 1;
  #mostKept = Infinity;

  constructor(bridge: Bridge, onData: () => void, wanted: () => number) {
    this.#bridge = bridge;
    this.#onData = onData;
    this.#wanted = wanted;
  }

  /** Forgets the last trace and begins to fetch another. */
  open(trace: { readonly key: string; readonly head: RoutingHead } | null): void {
    for (const call of this.#loading.values()) call.cancel();
    this.#loading.clear();
    this.#sites.clear();
    this.#failed.clear();
    this.#trace = trace;
    if (!trace) return;
    const bytes = Math.max(1, siteBytes(trace.head));
    this.#perMessage = Math.max(1, Math.floor(MESSAGE_BYTES / bytes));
    this.#mostKept = Math.max(3, Math.floor(KEPT_BYTES / bytes));
    this.pump();
  }

  get(site: number): SiteNumbers | null {
    const found = this.#sites.get(site);
    if (!found) return null;
    // Last asked for = last in the map = kept longest.
    if (this.#trace && this.#trace.head.sites.length > this.#mostKept) {
      this.#sites.delete(site);
      this.#sites.set(site, found);
    }
    return found;
  }

  /** Whether the numbers of a site could not be had. */
  failed(site: number): boolean {
    return this.#failed.has(site);
  }

  get complete(): boolean {
    return this.#trace !== null && this.#sites.size === this.#trace.head.sites.length;
  }

  /** Starts what fits; called again whenever the chosen site changes. */
  pump(): void {
    const trace = this.#trace;
    if (!trace) return;
    while (this.#loading.size < AT_ONCE) {
      const from = this.#next(trace.head.sites.length);
      if (from < 0) return;
      const to = Math.min(trace.head.sites.length, from + this.#perMessage);
      const call = this.#bridge.call('routing/slice', { key: trace.key, from, to });
      this.#loading.set(from, call);
      call.result.then((slice) => {
        if (this.#trace !== trace) return;
        for (const site of sitesOf(slice, trace.head)) this.#sites.set(site.site, site);
        while (this.#sites.size > this.#mostKept) this.#sites.delete(this.#sites.keys().next().value ?? 0);
      }, (reason: unknown) => {
        if (reason instanceof CallError && reason.record === null) return;
        for (let site = from; site < to; site++) this.#failed.add(site);
      }).finally(() => {
        if (this.#trace !== trace) return;
        this.#loading.delete(from);
        this.#onData();
        this.pump();
      }).catch(() => undefined);
    }
  }

  /** First site of the message that should be fetched next; -1 when there is none. */
  #next(sites: number): number {
    const wanted = this.#wanted();
    const block = (site: number): number => Math.floor(site / this.#perMessage) * this.#perMessage;
    const roomLeft = this.#sites.size + this.#loading.size * this.#perMessage < this.#mostKept;
    for (let distance = 0; distance < sites; distance++) {
      // What would push out other sites is fetched only when it is looked at.
      if (distance > 1 && !roomLeft) return -1;
      for (const site of [wanted + distance, wanted - distance]) {
        if (site < 0 || site >= sites || this.#sites.has(site) || this.#failed.has(site) || this.#loading.has(block(site))) continue;
        return block(site);
      }
    }
    return -1;
  }
}
