/**
 * A long computation cut into short steps: a generator that pauses every few tens of milliseconds and returns its result. The engine
 * answers other requests between steps; the numbers do not depend on where it pauses.
 */
export type Steps<T> = Generator<void, T, void>;

/** Runs all steps at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** How long steps run before others get a turn, in milliseconds. */
const TURN = 40;

/** Runs steps in turns of some 40 ms, with a macrotask between turns. Rejects with the signal's reason when it is aborted. */
export async function finishInTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    signal?.throwIfAborted();
    const end = performance.now() + TURN;
    while (performance.now() < end) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}
