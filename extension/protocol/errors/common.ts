import { define, EXIT } from './define';

export const commonErrors = {
  internal: define<{ message: string }>(EXIT.cannot, (a) => `Modulens met an error it did not expect: ${a.message}. Please report it with the log (Output: Modulens).`),
  cancelled: define<{ what: string }>(EXIT.interrupted, (a) => `${a.what} was cancelled.`),
  usage: define<{ message: string }>(EXIT.usage, (a) => a.message),
  'output/not-empty': define<{ path: string }>(EXIT.usage, (a) => `${a.path} already exists and is not empty. Choose another place for --out, or pass --overwrite.`),
  'output/is-input': define<{ path: string; input: string }>(EXIT.usage, (a) => `${a.path} is, holds or lies in ${a.input}, which is an input and never written to. Choose another folder for the output.`),
  'output/no-space': define<{ path: string; needed: number; free: number }>(EXIT.cannot, (a) => `${a.path} needs ${Math.ceil(a.needed / 1e6)} MB and its disk has ${Math.floor(a.free / 1e6)} MB free. Free some space or choose a folder on another disk; nothing was written.`),
  'output/disk-full': define<{ path: string }>(EXIT.cannot, (a) => `The disk is full while writing ${a.path}. Free some space and run again; nothing was left behind.`),
  'output/write-failed': define<{ path: string; reason: string }>(EXIT.cannot, (a) => `Could not write ${a.path}: ${a.reason}.`),
} as const;
