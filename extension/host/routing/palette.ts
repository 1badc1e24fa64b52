import type { RoutingHead, RoutingSite } from '../../protocol/routing';

/** Eight hues with letters and one for every further expert. */
export const HUES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'other'] as const;
export const OTHER = HUES.length - 1;
/** Strengths of a hue, weak to strong. */
export const STRENGTHS = 4;
/** Tint classes: hue times strength. */
export const CLASSES = HUES.length * STRENGTHS;
/** Instead of a tint in high contrast, weak to strong. */
export const UNDERLINES = ['dotted', 'dashed', 'solid', 'double'] as const;

export type ThemeShade = 'dark' | 'light' | 'highContrast' | 'highContrastLight';

/** The hues as package.json declares them (a test compares): Okabe and Ito's, tuned to 3:1 on each page. */
export const SOLID: Readonly<Record<ThemeShade, readonly string[]>> = {
  dark: ['#2283c4', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#f0e442', '#999999', '#b98d76'],
  light: ['#0072b2', '#c88300', '#009e73', '#ca77a5', '#3a9bce', '#d55e00', '#a19300', '#919191', '#8a6552'],
  highContrast: ['#2b89cb', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d76004', '#f0e442', '#999999', '#c49a84'],
  highContrastLight: ['#0072b2', '#a86400', '#00855c', '#a95a87', '#097cae', '#c55000', '#837400', '#747474', '#7d5a48'],
};

export const solidColorId = (hue: number): string => `modulens.routing.${HUES[hue]}`;
/** Color id of a tint class: `modulens.routing.a1` (weak) to `.a4` (strong). */
export const tintColorId = (tint: number): string => `modulens.routing.${HUES[hueOfClass(tint)]}${(tint % STRENGTHS) + 1}`;
/** CSS variable under which VS Code gives a contributed color to hovers. */
export const solidVariable = (hue: number): string => `var(--vscode-${solidColorId(hue).replaceAll('.', '-')})`;
export const tintClass = (hue: number, strength: number): number => hue * STRENGTHS + strength;
export const hueOfClass = (tint: number): number => Math.floor(tint / STRENGTHS);

/** A, B, ... Z, AA, AB, ... */
export function letterOf(index: number): string {
  const first = Math.floor(index / 26);
  return (first > 0 ? letterOf(first - 1) : '') + String.fromCharCode(65 + (index % 26));
}

/** An expert as it is shown. */
export interface ExpertName {
  /** A-H and further letters; numbers of a trained router. */
  readonly letter: string;
  /** Letter, number, or the adapter's name. */
  readonly label: string;
  readonly hue: number;
}

/** Names an expert of a site. Emergent experts take the letter that follows their tokens over the layers, where it is known. */
export function nameExpert(site: RoutingSite, siteIndex: number, expert: number, letters: readonly (readonly number[])[] | null): ExpertName {
  if (site.kind === 'emergent') {
    const index = letters?.[siteIndex]?.[expert] ?? expert;
    const letter = letterOf(index);
    return { letter, label: letter, hue: Math.min(index, OTHER) };
  }
  const letter = site.kind === 'moe' ? String(expert) : letterOf(expert);
  return { letter, label: site.labels[expert] ?? letter, hue: Math.min(expert, OTHER) };
}

/** `L7`, or `L7 attention.q` where a layer has several sites. */
export function siteTitle(head: RoutingHead, site: number): string {
  const { layer, module } = head.sites[site];
  return head.sites.some((other, i) => i !== site && other.layer === layer) ? `L${layer} ${module}` : `L${layer}`;
}

/** Black or white, whichever reads better on a color. */
export function inkOn(hex: string): '#000000' | '#ffffff' {
  return (luminance(hex) + 0.05) / 0.05 >= 1.05 / (luminance(hex) + 0.05) ? '#000000' : '#ffffff';
}

/** Relative luminance of `#rrggbb` (WCAG 2). */
export function luminance(hex: string): number {
  const channel = (at: number): number => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}
