import type { RoutingHead } from '../../extension/protocol/routing';
import type { Carry } from '../render/routingCarry';
import { carriedNumbers, carryOf } from '../render/routingCarry';
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

/** A trace whose numbers are fetched. */
export interface OpenTrace {
  readonly key: string;
  readonly head: RoutingHead;
  /** Tokens of the first text that were not computed again since the trace before. */
  readonly reused: number;
}

/** Numbers of the trace before, and how many leading tokens of them are those of the trace before exactly. */
interface Old {
  readonly numbers: SiteNumbers;
  readonly exact: number;
}

/**
 * Fetches the sites of a trace a few at a time: first the chosen one and its neighbours, then the rest from there outwards. When a trace
 * takes the place of another with the same sites, the old numbers stay at hand until the new ones are there, and what the engine did not
 * compute again is not fetched again.
 */
export class SliceLoader {
  readonly #bridge: Pick<Bridge, 'call'>;
  readonly #onData: (sites: readonly number[]) => void;
  readonly #wanted: () => number;
  readonly #sites = new Map<number, SiteNumbers>();
  readonly #failed = new Set<number>();
  readonly #loading = new Map<number, PendingCall<unknown>>();
  #old = new Map<number, Old>();
  readonly #carried = new Map<number, SiteNumbers>();
  #carry: Carry | null = null;
  #trace: OpenTrace | null = null;
  #perMessage = 1;
  #mostKept = Infinity;

  /** `onData` hears which sites have new numbers, or none to come. */
  constructor(bridge: Pick<Bridge, 'call'>, onData: (sites: readonly number[]) => void, wanted: () => number) {
    this.#bridge = bridge;
    this.#onData = onData;
    this.#wanted = wanted;
  }

  /** Begins to fetch a trace; numbers of the last one are kept where they fit. Says how tokens of the last one go on in this one. */
  open(trace: OpenTrace | null): Carry | null {
    for (const call of this.#loading.values()) call.cancel();
    this.#loading.clear();
    const whole = (this.#trace?.head.sites.length ?? 0) <= this.#mostKept;
    const carry = trace && this.#trace && whole ? carryOf(this.#trace.head, trace.head, trace.reused) : null;
    const old = new Map<number, Old>();
    for (let site = 0; carry && trace && site < trace.head.sites.length; site++) {
      const fresh = this.#sites.get(site);
      const before = fresh ? null : this.#old.get(site);
      if (fresh) old.set(site, { numbers: fresh, exact: fresh.tokens });
      else if (before) old.set(site, { numbers: this.#carriedOf(site) ?? before.numbers, exact: Math.min(before.exact, this.#carry?.exact ?? 0) });
    }
    this.#old = old;
    this.#carry = carry;
    this.#carried.clear();
    this.#sites.clear();
    this.#failed.clear();
    this.#trace = trace;
    if (!trace) return null;
    this.#mostKept = Math.max(3, Math.floor(KEPT_BYTES / Math.max(1, siteBytes(trace.head))));
    this.#perMessage = Math.max(1, Math.floor(MESSAGE_BYTES / Math.max(1, siteBytes(trace.head, this.#carry?.exact ?? 0))));
    this.pump();
    return carry;
  }

  /** Numbers of this trace. */
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

  /** Numbers of this trace or, until they are here, those of the one before in the places of its tokens (`state` says which they are). */
  shown(site: number): SiteNumbers | null {
    return this.get(site) ?? this.#carriedOf(site);
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
      const firstToken = this.#exactOf(from, to);
      const call = this.#bridge.call('routing/slice', { key: trace.key, from, to, ...(firstToken > 0 ? { firstToken } : {}) });
      this.#loading.set(from, call);
      call.result.then((slice) => {
        if (this.#trace !== trace) return;
        for (const site of sitesOf(slice, trace.head, (s) => this.#carriedOf(s))) {
          this.#sites.set(site.site, site);
          this.#old.delete(site.site);
          this.#carried.delete(site.site);
        }
        while (this.#sites.size > this.#mostKept) this.#sites.delete(this.#sites.keys().next().value ?? 0);
      }, (reason: unknown) => {
        if (reason instanceof CallError && reason.record === null) return;
        for (let site = from; site < to; site++) this.#failed.add(site);
      }).finally(() => {
        if (this.#trace !== trace) return;
        this.#loading.delete(from);
        this.#onData(Array.from({ length: to - from }, (_, i) => from + i));
        this.pump();
      }).catch(() => undefined);
    }
  }

  /** Leading tokens that need not be fetched for any of these sites. */
  #exactOf(from: number, to: number): number {
    let exact = this.#carry?.exact ?? 0;
    for (let site = from; site < to && exact > 0; site++) exact = Math.min(exact, this.#old.get(site)?.exact ?? 0);
    return exact;
  }

  #carriedOf(site: number): SiteNumbers | null {
    const old = this.#old.get(site);
    if (!old || !this.#carry) return null;
    let made = this.#carried.get(site);
    if (!made) this.#carried.set(site, (made = carriedNumbers(old.numbers, this.#carry)));
    return made;
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
