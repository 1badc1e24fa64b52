/** Anything with an end of life, as `vscode.Disposable` but usable without VS Code. */
export interface Disposable {
  dispose(): unknown;
}

/** Disposes its members together; what arrives after the end is disposed at once, so that nothing leaks across an `await`. */
export class Disposables implements Disposable {
  private readonly members: Disposable[] = [];
  private ended = false;

  get isDisposed(): boolean {
    return this.ended;
  }

  add<T extends Disposable>(member: T): T {
    if (this.ended) member.dispose();
    else this.members.push(member);
    return member;
  }

  dispose(): void {
    this.ended = true;
    for (const member of this.members.splice(0).reverse()) member.dispose();
  }
}

/** A small event without VS Code: listeners are called in the order in which they came. */
export class Emitter<T> {
  private readonly listeners = new Set<(value: T) => void>();

  readonly on = (listener: (value: T) => void): Disposable => {
    const own = (value: T): void => listener(value);
    this.listeners.add(own);
    return { dispose: () => this.listeners.delete(own) };
  };

  fire(value: T): void {
    for (const listener of [...this.listeners]) listener(value);
  }
}
