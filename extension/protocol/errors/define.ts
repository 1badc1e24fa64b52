/** Exit codes of the command line by who is at fault. */
export const EXIT = { cannot: 1, usage: 2, input: 3, interrupted: 130 } as const;

export interface ErrorDefinition<A> {
  readonly exit: number;
  readonly text: (args: A) => string;
}

/** One entry of an error catalogue. The text names the file, the thing, what was expected and what to do. */
export function define<A>(exit: number, text: (args: A) => string): ErrorDefinition<A> {
  return { exit, text };
}
