import type * as Ort from 'onnxruntime-node';
import { failure } from '../protocol/errors';

let loaded: typeof Ort | null = null;
let reason: string | null = null;

/**
 * ONNX Runtime, loaded on first use: `inspect` and weights-only work never touch it, and a machine without a binary
 * (macOS x64, musl, Windows without the VC++ runtime) gets a typed error instead of an engine that does not start.
 */
export function loadOrt(): typeof Ort {
  if (loaded) return loaded;
  if (reason === null && process.env['MODULENS_NO_ORT']) reason = 'switched off by MODULENS_NO_ORT';
  if (reason === null) {
    try {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- lazy on purpose: the binding is native
      loaded = require('onnxruntime-node') as typeof Ort;
      // A provider that is missing is told once by us; the runtime's own lines would stand between a user's results.
      loaded.env.logLevel = 'fatal';
      return loaded;
    } catch (error) {
      reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    }
  }
  throw failure('runtime/unavailable', { reason: reason ?? 'unknown' });
}

/** Version of ONNX Runtime, or why it cannot be used. */
export function ortStatus(): { readonly version: string | null; readonly error: string | null } {
  try {
    return { version: loadOrt().env.versions.node ?? 'unknown', error: null };
  } catch {
    return { version: null, error: reason };
  }
}
