import type { Change } from './model';
import type { PageContext } from './context';

const USUAL: readonly Change[] = ['selection', 'hover'];

/** Runs `mark` now and whenever one of the changes happens, until the element has left the page. */
export function follow(context: PageContext, element: Element, mark: () => void, on: readonly Change[] = USUAL): void {
  let placed = false;
  mark();
  const stop = context.model.watch((changes) => {
    if (element.isConnected) placed = true;
    else if (placed) {
      stop();
      return;
    }
    if (on.some((change) => changes.has(change))) mark();
  });
}
