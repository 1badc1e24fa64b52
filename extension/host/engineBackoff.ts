import { failure } from '../protocol/errors';

/** A process that lived this long (ms) was healthy: its crash is the first of a new row. */
const HEALTHY_MS = 60_000;
/** Crashes in a row after which only the user starts it again. */
const LIMIT = 5;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Pauses before restarts: none after the first crash, then 0.5, 1, 2, 4 seconds, then it is left to the user. */
export class Backoff {
  private row = 0;
  private last = '';
  private lastAt = 0;

  constructor(
    private readonly now: () => number = Date.now,
    private readonly sleep: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  ) {}

  /** Notes a crash of a process that lived for `livedMs`. */
  crashed(livedMs: number, how: string): void {
    this.row = livedMs >= HEALTHY_MS ? 1 : this.row + 1;
    this.last = how;
    this.lastAt = this.now();
  }

  reset(): void {
    this.row = 0;
  }

  /** Resolves when a start is allowed; rejects with `engine/keeps-stopping` after too many crashes in a row. */
  async wait(): Promise<void> {
    if (this.row > LIMIT) throw failure('engine/keeps-stopping', { times: this.row, last: this.last });
    if (this.row < 2) return;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.row - 2)) - (this.now() - this.lastAt);
    if (pause > 0) await this.sleep(pause);
  }
}
