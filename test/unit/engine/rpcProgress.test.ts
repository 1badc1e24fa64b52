import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PROGRESS_INTERVAL_MS, throttleProgress } from '../../../extension/engine/rpcProgress';

const step = (done: number) => ({ stage: `step ${done}`, done, total: 9, etaSeconds: null });

describe('throttleProgress', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('sends the first at once and then the newest per interval', () => {
    const sent: number[] = [];
    const progress = throttleProgress(({ done }) => sent.push(done));
    for (let done = 1; done <= 5; done++) progress.report(step(done));
    expect(sent).toEqual([1]);
    vi.advanceTimersByTime(PROGRESS_INTERVAL_MS);
    expect(sent).toEqual([1, 5]);
  });

  it('does not need the timer when the thread is busy', () => {
    const sent: number[] = [];
    let now = 0;
    const progress = throttleProgress(({ done }) => sent.push(done), () => now);
    progress.report(step(1));
    progress.report(step(2));
    now = 500;
    progress.report(step(3));
    vi.runAllTimers();
    expect(sent).toEqual([1, 3]);
  });

  it('loses nothing at the end and sends nothing twice', () => {
    const sent: number[] = [];
    const progress = throttleProgress(({ done }) => sent.push(done));
    progress.report(step(1));
    progress.report(step(2));
    progress.flush();
    progress.flush();
    vi.runAllTimers();
    expect(sent).toEqual([1, 2]);
  });
});
