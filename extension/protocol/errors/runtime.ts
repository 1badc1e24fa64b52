import { define, EXIT } from './define';

/** ONNX Runtime, devices, the engine process: the `runtime/` room. */
export const runtimeErrors = {
  'runtime/unavailable': define<{ reason: string }>(EXIT.cannot, (a) => `ONNX Runtime cannot be loaded on this machine (${a.reason}). Viewing and weights-only analysis still work.`),
  'runtime/no-device': define<{ device: string; available: string }>(EXIT.cannot, (a) => `The device "${a.device}" is not available here. Available: ${a.available}. Choose one of these, or "auto".`),
  'runtime/device-failed': define<{ device: string; reason: string }>(EXIT.cannot, (a) => `The device "${a.device}" failed: ${a.reason}. Run again with --device cpu.`),
  'runtime/session': define<{ what: string; device: string; reason: string }>(EXIT.cannot, (a) => `ONNX Runtime could not prepare ${a.what} on ${a.device}: ${a.reason}.`),
  'runtime/run': define<{ what: string; device: string; reason: string }>(EXIT.cannot, (a) => `ONNX Runtime failed while running ${a.what} on ${a.device}: ${a.reason}.`),
  'runtime/not-finite': define<{ what: string; value: string }>(EXIT.cannot, (a) => `${a.what} gave ${a.value} where a finite number was expected. The weights may be damaged or overflow in float32; inspect the tensors for NaN and Inf.`),
} as const;
