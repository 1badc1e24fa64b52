import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../extension/runtime/scheduler';

describe('turns', () => {
  it('let interactive work go before batch work', async () => {
    const scheduler = new Scheduler(), order: string[] = [];
    const batch = (async () => {
      for (let i = 0; i < 3; i++) {
        await scheduler.turn(undefined);
        order.push(`slice ${i}`);
        if (i === 0) void scheduler.asInteractive(async () => { await wait(20); order.push('hover'); });
      }
    })();
    await batch;
    expect(order).toEqual(['slice 0', 'hover', 'slice 1', 'slice 2']);
  });

  it('do not hold interactive work back', async () => {
    const scheduler = new Scheduler();
    await scheduler.asInteractive(() => scheduler.turn(undefined, true));
  });

  it('go on after interactive work that failed', async () => {
    const scheduler = new Scheduler();
    await expect(scheduler.asInteractive(() => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
    await scheduler.turn(undefined);
  });

  it('end a cancelled run', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(new Scheduler().turn(controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('see a cancellation while they wait for interactive work', async () => {
    const scheduler = new Scheduler(), controller = new AbortController();
    let finish = (): void => undefined;
    const interactive = scheduler.asInteractive(() => new Promise<void>((done) => { finish = done; }));
    const turn = scheduler.turn(controller.signal);
    const outcome = expect(turn).rejects.toMatchObject({ code: 'cancelled' });
    await wait(5);
    controller.abort();
    await Promise.race([outcome, wait(1000).then(() => { throw new Error('the cancelled run still waits'); })]);
    finish();
    await interactive;
  });
});
