/** Tells views once per frame what has changed since the last one. */
export class FrameChanges<Change> {
  readonly #views = new Set<(changes: ReadonlySet<Change>) => void>();
  readonly #changes = new Set<Change>();
  readonly #before: () => void;
  #scheduled = false;

  /** `before` is called in a frame with changes, ahead of the views. */
  constructor(before: () => void = () => undefined) {
    this.#before = before;
  }

  /** Calls the view once per frame with what changed, until the returned function is called. */
  watch(view: (changes: ReadonlySet<Change>) => void): () => void {
    this.#views.add(view);
    return () => this.#views.delete(view);
  }

  add(changes: readonly Change[]): void {
    for (const change of changes) this.#changes.add(change);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      const now = new Set(this.#changes);
      this.#changes.clear();
      this.#before();
      for (const view of [...this.#views]) view(now);
    });
  }
}

/** Work that may wait for the next frames: a frame does what fits into its budget, at least one piece, so that it always ends. */
export class FrameQueue<Key> {
  readonly #waiting = new Map<Key, () => void>();
  readonly #budget: number;
  #scheduled = false;

  /** `budget`: milliseconds of one frame. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Work under a name that is waiting already takes the older one's place. */
  put(key: Key, work: () => void): void {
    this.#waiting.set(key, work);
    this.#schedule();
  }

  drop(key: Key): void {
    this.#waiting.delete(key);
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.size === 0) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      const start = performance.now();
      for (const [key, work] of this.#waiting) {
        this.#waiting.delete(key);
        work();
        if (performance.now() - start > this.#budget) break;
      }
      this.#schedule();
    });
  }
}

/**
 * Work that follows the pointer but may lag behind it: it is done when nothing new was put for a moment, and at the latest every `most`
 * milliseconds while things keep coming. What is due goes through a queue, so that no frame gets all of it.
 */
export class RestQueue<Key> {
  readonly #queue: FrameQueue<Key>;
  readonly #waiting = new Map<Key, () => void>();
  readonly #rest: number;
  readonly #most: number;
  #timer = 0;
  #since = 0;

  /** `rest`, `most`: milliseconds. */
  constructor(queue: FrameQueue<Key>, rest: number, most: number) {
    this.#queue = queue;
    this.#rest = rest;
    this.#most = most;
  }

  put(key: Key, work: () => void): void {
    const now = performance.now();
    if (this.#waiting.size === 0) this.#since = now;
    this.#waiting.set(key, work);
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#flush(), Math.max(0, Math.min(this.#rest, this.#since + this.#most - now)));
  }

  #flush(): void {
    for (const [key, work] of this.#waiting) this.#queue.put(key, work);
    this.#waiting.clear();
  }
}
