import type { ErrorRecord } from '../../protocol/errors';
import type { RecipeProblem } from '../../protocol/merge';

/** A place in a text, as offsets. */
export interface Offsets {
  readonly from: number;
  readonly to: number;
}

/** Where a failure that knows no place belongs: at the model that it names, else at the method. */
export function placeOfFailure(text: string, { args }: ErrorRecord): Offsets {
  for (const key of ['reference', 'model', 'lora']) {
    const named = (args as Readonly<Record<string, unknown>> | undefined)?.[key];
    if (typeof named !== 'string' || named === '') continue;
    const from = text.indexOf(named);
    if (from >= 0) return { from, to: from + named.length };
  }
  const method = /^(?:["']?merge_method["']?)[ \t]*:[ \t]*/m.exec(text);
  if (!method) return { from: 0, to: Math.max(0, text.search(/\r?\n|$/)) };
  const from = method.index + method[0].length;
  return { from, to: from + (/^[^\r\n#]*/.exec(text.slice(from))?.[0].trimEnd().length ?? 0) };
}

/** The whole line of a problem with a key that can go: null where the key's value goes on below, or shares the line with others. */
export function removableLine(text: string, { code, range }: RecipeProblem): Offsets | null {
  if (code !== 'unknown-key' && code !== 'unknown-parameter' && code !== 'misplaced-parameter' && code !== 'ignored') return null;
  const from = text.lastIndexOf('\n', range.from - 1) + 1;
  if (text.slice(from, range.from).trim() !== '') return null;
  const end = text.indexOf('\n', range.from);
  const to = end < 0 ? text.length : end + 1;
  const below = text.slice(to).split('\n').find((line) => line.trim() !== '' && !line.trimStart().startsWith('#')) ?? '';
  const indent = below.length - below.trimStart().length, own = range.from - from;
  return below.trim() !== '' && (indent > own || (indent === own && /^\s*-(?:\s|$)/.test(below))) ? null : { from, to };
}
