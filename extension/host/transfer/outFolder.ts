import type { TransferRequest } from '../../protocol/transfer';
import { nameOf, pathOf, samePlace } from '../paths';

/** What is at a place. `filled`: a folder with something in it. */
export type PlaceKind = 'nothing' | 'empty' | 'filled' | 'file';

/** What may be done with a place as output. `replace`: only after the user has agreed. */
export type OutAnswer = { readonly kind: 'ok' | 'replace'; readonly path: string } | { readonly kind: 'no'; readonly why: string };

/** Names tried after the first one is taken. */
const TRIES = 99;

/** `module-on-target` in a folder, with a number where that is taken. */
export function suggestOut(request: TransferRequest, folder: string, look: (path: string) => PlaceKind): string {
  const plain = `${nameOf(request.module)}-on-${nameOf(request.to)}`.replace(/[<>:"|?*\u0000-\u001f]+/g, '-');
  const at = (n: number): string => pathOf(folder).join(folder, n === 1 ? plain : `${plain}-${n}`);
  for (let n = 1; n <= TRIES; n++) if (['nothing', 'empty'].includes(look(at(n)))) return at(n);
  return at(1);
}

/** Whether a typed path can be the output: absolute, no file, neither an input nor inside one nor around one. */
export function checkOut(text: string, request: TransferRequest, look: (path: string) => PlaceKind): OutAnswer {
  const trimmed = text.trim();
  if (trimmed === '') return { kind: 'no', why: 'Give a folder. It is made if it does not exist.' };
  const style = pathOf(trimmed);
  if (!style.isAbsolute(trimmed)) return { kind: 'no', why: 'Give the whole path, from the root.' };
  const path = style.normalize(trimmed).replace(/(?<=[^\\/:])[\\/]+$/, '');
  if (style.dirname(path) === path) return { kind: 'no', why: 'The root of a disk cannot be the output.' };
  for (const [what, input] of [['the module', request.module], ['the source base', request.from], ['the target base', request.to]] as const) {
    if (samePlace(path, input)) return { kind: 'no', why: `This is ${what}, which is never written to. Choose another folder.` };
    if (isInside(path, input)) return { kind: 'no', why: `This lies inside ${what}, which is never written to. Choose another folder.` };
    if (isInside(input, path)) return { kind: 'no', why: `${what.charAt(0).toUpperCase()}${what.slice(1)} lies in this folder. Choose a folder of its own.` };
  }
  switch (look(path)) {
    case 'file':
      return { kind: 'no', why: 'This is a file. Choose a folder.' };
    case 'filled':
      return { kind: 'replace', path };
    default:
      return { kind: 'ok', path };
  }
}

/** Whether a path lies below a folder. */
export function isInside(path: string, folder: string): boolean {
  const style = pathOf(path);
  for (let at = style.dirname(style.normalize(path)); ; at = style.dirname(at)) {
    if (samePlace(at, folder)) return true;
    if (style.dirname(at) === at) return false;
  }
}
