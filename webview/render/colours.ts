/** 256 colours, `[256, 3]` bytes of red, green, blue. */
export type Ramp = Uint8ClampedArray;
export type Channels = readonly [number, number, number];

const STEPS = 256;

/** A ramp of 256 colours through evenly spaced stops. */
export function rampOf(stops: readonly Channels[]): Ramp {
  const table = new Uint8ClampedArray(STEPS * 3);
  for (let i = 0; i < STEPS; i++) {
    const at = (i / (STEPS - 1)) * (stops.length - 1);
    const from = Math.min(stops.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) {
      const a = stops[from]?.[c] ?? 0;
      const b = stops[from + 1]?.[c] ?? a;
      table[i * 3 + c] = a + (b - a) * (at - from);
    }
  }
  return table;
}

/** Position of a signed value in a diverging ramp: 0 for -limit, 127.5 for zero; the exponent lifts small values off the page colour. */
export function signedIndex(value: number, limit: number, exponent = 0.7): number {
  const size = limit > 0 ? Math.min(1, Math.abs(value) / limit) ** exponent : 0;
  return Math.round(127.5 + Math.sign(value) * size * 127.5);
}

/** Position of a magnitude in a sequential ramp. */
export function sequentialIndex(value: number, limit: number): number {
  return limit > 0 ? Math.round(Math.max(0, Math.min(1, value / limit)) * (STEPS - 1)) : 0;
}

/** How a number becomes a colour. `blank` is the half width inside which a signed value is drawn as nothing. */
export interface CellScale {
  readonly kind: 'signed' | 'magnitude';
  readonly limit: number;
  readonly blank?: number;
  readonly exponent?: number;
}

/** Cells as pixels `[n, 4]`. Values that are not finite become transparent: marks are drawn over them. */
export function paintCells(values: ArrayLike<number>, scale: CellScale, ramp: Ramp): Uint8ClampedArray {
  const out = new Uint8ClampedArray(values.length * 4);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if (!Number.isFinite(value)) continue;
    const signed = Math.abs(value) < (scale.blank ?? 0) ? 0 : value;
    const at = (scale.kind === 'signed' ? signedIndex(signed, scale.limit, scale.exponent) : sequentialIndex(value, scale.limit)) * 3;
    out[i * 4] = ramp[at] ?? 0;
    out[i * 4 + 1] = ramp[at + 1] ?? 0;
    out[i * 4 + 2] = ramp[at + 2] ?? 0;
    out[i * 4 + 3] = 255;
  }
  return out;
}

/** One colour of a ramp as CSS. */
export function cssOf(ramp: Ramp, index: number): string {
  return `rgb(${ramp[index * 3] ?? 0} ${ramp[index * 3 + 1] ?? 0} ${ramp[index * 3 + 2] ?? 0})`;
}
