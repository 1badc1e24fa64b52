import * as vscode from 'vscode';

/** A step was left towards the one before it. */
export const BACK = Symbol('back');

export interface PickItem<T> extends vscode.QuickPickItem {
  readonly value?: T;
}

export interface PickStep<T> {
  readonly title: string;
  readonly placeholder: string;
  /** Position among the steps, from 1; undefined for a single question. */
  readonly at?: readonly [number, number];
  readonly items: readonly PickItem<T>[];
  /** More items for the end of the list, when they are known; the list is usable before, and nothing in it moves. */
  more?(signal: AbortSignal): Promise<readonly PickItem<T>[]>;
}

/** One question of a sequence. Undefined when the user left, BACK when they went back. */
export async function pickStep<T>(step: PickStep<T>): Promise<T | typeof BACK | undefined> {
  const pick = vscode.window.createQuickPick<PickItem<T>>();
  const searching = new AbortController();
  pick.title = step.title;
  pick.placeholder = step.placeholder;
  pick.matchOnDescription = pick.matchOnDetail = true;
  pick.ignoreFocusOut = true;
  if (step.at) {
    [pick.step, pick.totalSteps] = step.at;
    if (step.at[0] > 1) pick.buttons = [vscode.QuickInputButtons.Back];
  }
  pick.items = step.items;
  if (step.more) {
    pick.busy = true;
    step.more(searching.signal).then(
      (items) => {
        if (searching.signal.aborted || items.length === 0) return;
        const active = pick.activeItems;
        pick.keepScrollPosition = true;
        pick.items = [...step.items, ...items];
        pick.activeItems = active;
      },
      () => undefined,
    ).finally(() => {
      if (!searching.signal.aborted) pick.busy = false;
    });
  }
  try {
    return await new Promise<T | typeof BACK | undefined>((resolve) => {
      pick.onDidTriggerButton(() => resolve(BACK));
      pick.onDidAccept(() => {
        const value = pick.selectedItems[0]?.value;
        if (value !== undefined) resolve(value);
      });
      pick.onDidHide(() => resolve(undefined));
      pick.show();
    });
  } finally {
    searching.abort();
    pick.dispose();
  }
}

export const separator = <T>(label: string): PickItem<T> => ({ label, kind: vscode.QuickPickItemKind.Separator });
