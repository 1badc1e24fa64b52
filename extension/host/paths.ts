import * as path from 'node:path';

/** The last part of a path, whatever its platform ("C:\models\gpt2" -> "gpt2"). */
export function nameOf(file: string): string {
  const trimmed = file.replace(/[\\/]+$/, '');
  return trimmed.split(/[\\/]/).at(-1) || file;
}

/** Path arithmetic that suits the form of the path itself, so that Windows paths can be handled (and tested) anywhere. */
export function pathOf(file: string): typeof path.posix {
  return /^[A-Za-z]:[\\/]|^\\\\/.test(file) ? path.win32 : path.posix;
}

/** Compares places: Windows and macOS file systems usually ignore case. */
export function samePlace(a: string, b: string, platform: NodeJS.Platform = process.platform): boolean {
  const fold = (file: string): string => {
    const plain = pathOf(file).normalize(file).replace(/[\\/]+$/, '');
    return platform === 'win32' || platform === 'darwin' ? plain.toLowerCase() : plain;
  };
  return fold(a) === fold(b);
}
