import * as path from 'node:path';

/**
 * The absolute path of a file that another file of the folder names; null when it is absolute or climbs out.
 * Both separators count on every platform, so that a checkpoint is safe or unsafe everywhere alike. Symbolic links inside the folder may lead anywhere, as in the Hugging Face cache.
 */
export function resolveInside(folder: string, name: string): string | null {
  if (name === '' || name.includes('\0') || /^[A-Za-z]:/.test(name) || path.posix.isAbsolute(name) || path.win32.isAbsolute(name)) return null;
  if (name.split(/[\\/]/).includes('..')) return null;
  return path.join(folder, name);
}
