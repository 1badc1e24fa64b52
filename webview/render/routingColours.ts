import type { Channels } from './colours';

/** Colours that routing pictures mix, as numbers: page, ink, eight hues, the focus. */
export interface RoutingPalette {
  readonly page: Channels;
  readonly ink: Channels;
  /** Hue i is `hues[i - 1]`. */
  readonly hues: readonly Channels[];
  readonly highContrast: boolean;
}

/** Margin at which a hue is full on the fixed scale. */
export const FULL_MARGIN = 0.45;
/** Share of the hue that a margin of zero keeps. */
const LEAST_TINT = 0.3;
/** Steps of a hue's tint: finer is not seen. */
export const TINT_STEPS = 32;

export function mix(a: Channels, b: Channels, share: number): Channels {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}

export function css(colour: Channels): string {
  return `rgb(${Math.round(colour[0])} ${Math.round(colour[1])} ${Math.round(colour[2])})`;
}

function luminance(colour: Channels): number {
  const [r = 0, g = 0, b = 0] = colour.map((value) => {
    const x = value / 255;
    return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Black or white, whichever is read better on a colour. */
export function inkOn(colour: Channels): string {
  return luminance(colour) > 0.179 ? '#000000' : '#ffffff';
}

/** The hue of an expert: the further from the page, the larger the margin. `hue` counts from 1. */
export function tint(palette: RoutingPalette, hue: number, margin: number, full = FULL_MARGIN): Channels {
  const strength = LEAST_TINT + (1 - LEAST_TINT) * Math.max(0, Math.min(1, full > 0 ? margin / full : 1));
  return mix(palette.page, palette.hues[hue - 1] ?? palette.ink, strength);
}

/** All tints `[8 hues, TINT_STEPS]` as red, green, blue: the table that rasters are painted from. */
export function tintTable(palette: RoutingPalette): Uint8ClampedArray {
  const table = new Uint8ClampedArray(8 * TINT_STEPS * 3);
  for (let hue = 1; hue <= 8; hue++) {
    for (let step = 0; step < TINT_STEPS; step++) table.set(tint(palette, hue, step / (TINT_STEPS - 1), 1).map(Math.round), ((hue - 1) * TINT_STEPS + step) * 3);
  }
  return table;
}

/** Grey of a value that chance explains; `strength` in [0, 1]. */
export function insideGrey(palette: RoutingPalette, strength: number): string {
  return css(mix(palette.page, palette.ink, 0.07 + 0.3 * Math.max(0, Math.min(1, strength))));
}
