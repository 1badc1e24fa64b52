import { setImmediate as nextTick } from 'node:timers/promises';
import { failure } from '../protocol/errors';

/**
 * Lets interactive requests (hover, tiles, routing) go before batch work. ONNX Runtime blocks the thread while it runs,
 * so the only places where anything else can happen are the turns that batch work takes between its slices.
 */
export class Scheduler {
  private interactive = 0;
  private waiting: (() => void)[] = [];

  /** Runs `work` while batch work stands back. */
  async asInteractive<T>(work: () => Promise<T>): Promise<T> {
    this.interactive++;
    try {
      return await work();
    } finally {
      if (--this.interactive === 0) for (const go of this.waiting.splice(0)) go();
    }
  }

  /** Gives messages, cancellation and interactive requests their turn; called between slices. */
  async turn(signal: AbortSignal | undefined, isInteractive = false): Promise<void> {
    await nextTick();
    if (!isInteractive) while (this.interactive > 0 && !signal?.aborted) await this.pause(signal);
    if (signal?.aborted) throw failure('cancelled', { what: 'The run' });
  }

  /** Until interactive work is over, or the run is cancelled: a cancellation must not wait for a picture. */
  private async pause(signal: AbortSignal | undefined): Promise<void> {
    let release = (): void => undefined;
    const released = new Promise<void>((go) => { release = go; });
    this.waiting.push(release);
    signal?.addEventListener('abort', release, { once: true });
    await released;
    signal?.removeEventListener('abort', release);
  }
}
