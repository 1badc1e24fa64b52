import type { Graph } from '../graph/ir';
import type { DeviceName } from '../protocol/documents';
import { GraphSession } from './session';

/**
 * Bytes that idle sessions may keep alive: a small model as a whole. A larger one runs block by block, and making a block's
 * session again costs less than a hundredth of running it, so that more would cost memory and save nothing.
 */
const DEFAULT_BUDGET = 64 << 20;
/** Bytes of idle sessions that were asked to stay: those of a text that is being written, which run again at each key. */
const STAYING_BUDGET = 1 << 30;

interface Entry {
  readonly session: Promise<GraphSession>;
  readonly stays: boolean;
  borrowers: number;
  used: number;
  ready: GraphSession | null;
}

const bytesOf = (entry: Entry): number => entry.ready?.keptBytes ?? 0;

/** The one owner of sessions. Callers borrow; what was not used longest goes first when the budget is exceeded. */
export class SessionPool {
  private readonly entries = new Map<string, Entry>();
  private clock = 0;

  constructor(readonly device: DeviceName, readonly threads: number, private readonly budget = DEFAULT_BUDGET, private readonly stayingBudget = STAYING_BUDGET) {}

  /** Borrows the session of `key` (made by `build` when it is not there) for the time of `use`. */
  async with<T>(key: string, build: () => Promise<Graph>, use: (session: GraphSession) => Promise<T>, options: { readonly stays?: boolean } = {}): Promise<T> {
    let entry = this.entries.get(key);
    if (!entry) {
      const made: Entry = { session: build().then((graph) => GraphSession.create(graph, { device: this.device, threads: this.threads, stays: options.stays ?? false })), stays: options.stays ?? false, borrowers: 0, used: 0, ready: null };
      this.entries.set(key, made);
      made.session.then((session) => { made.ready = session; }, () => { this.entries.delete(key); });
      entry = made;
    }
    entry.borrowers++;
    entry.used = ++this.clock;
    try {
      return await use(await entry.session);
    } finally {
      entry.borrowers--;
      await this.trim(entry.stays);
    }
  }

  private async trim(stays: boolean): Promise<void> {
    let total = [...this.entries.values()].filter((e) => e.stays === stays).reduce((sum, e) => sum + bytesOf(e), 0);
    const idle = [...this.entries].filter(([, e]) => e.borrowers === 0 && e.stays === stays).sort((a, b) => a[1].used - b[1].used);
    for (const [key, entry] of idle) {
      if (total <= (stays ? this.stayingBudget : this.budget)) return;
      this.entries.delete(key);
      total -= bytesOf(entry);
      await entry.session.then((s) => s.dispose(), () => undefined);
    }
  }

  async clear(): Promise<void> {
    const all = [...this.entries.values()];
    this.entries.clear();
    for (const entry of all) await entry.session.then((s) => s.dispose(), () => undefined);
  }
}
