import { define, EXIT } from './define';

/** ONNX Runtime, devices, the engine process: the `runtime/` room. */
export const runtimeErrors = {
  'runtime/unavailable': define<{ reason: string }>(EXIT.cannot, (a) => `ONNX Runtime cannot be loaded on this machine (${a.reason}). Viewing and weights-only analysis still work.`),
} as const;
