import type { Progress, ReportProgress } from '../protocol/progress';

/** Progress records reach the host at most this often: a status line is not read faster, and each record wakes two processes. */
export const PROGRESS_INTERVAL_MS = 100;

export interface ThrottledProgress {
  readonly report: ReportProgress;
  /** Sends what is still held back. Called when the run ends, so that the last record is never lost. */
  flush(): void;
}

/**
 * Passes on the first record at once, then the newest one every `interval` milliseconds. A held record goes out by a
 * timer, and by the next report when the thread was too busy for the timer.
 */
export function throttleProgress(send: ReportProgress, now: () => number = Date.now, interval = PROGRESS_INTERVAL_MS): ThrottledProgress {
  let last = -Infinity;
  let held: Progress | null = null;
  let timer: NodeJS.Timeout | undefined;
  const deliver = (progress: Progress): void => {
    clearTimeout(timer);
    timer = undefined;
    last = now();
    held = null;
    send(progress);
  };
  const flush = (): void => {
    if (held) deliver(held);
  };
  return {
    report: (progress) => {
      if (now() - last >= interval) return deliver(progress);
      held = progress;
      timer ??= setTimeout(flush, interval).unref();
    },
    flush,
  };
}
