import type { RoutingHead } from '../../protocol/routing';
import { EXPERT_HUES, expertCount, hueOf, markOf, type Naming, OTHER_HUE } from '../../protocol/routingNames';

/** Eight hues with letters and one for all experts that have none of their own. */
export const HUES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'other'] as const;
export const OTHER = OTHER_HUE;
/** Strengths of a hue, weak to strong. */
export const STRENGTHS = 4;
/** Tint classes: hue times strength. */
export const CLASSES = HUES.length * STRENGTHS;
/** Instead of a tint in high contrast, weak to strong. */
export const UNDERLINES = ['dotted', 'dashed', 'solid', 'double'] as const;

export type ThemeShade = 'dark' | 'light' | 'highContrast' | 'highContrastLight';

/** The hues as package.json declares them (a test compares): those of the pages, after Okabe and Ito. Expert H and all others are grey. */
export const SOLID: Readonly<Record<ThemeShade, readonly string[]>> = {
  dark: ['#2283c4', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#f0e442', '#999999', '#999999'],
  light: ['#0072b2', '#c88300', '#009e73', '#ca77a5', '#3a9bce', '#d55e00', '#a19300', '#919191', '#919191'],
  highContrast: ['#2b89cb', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d76004', '#f0e442', '#999999', '#999999'],
  highContrastLight: ['#0072b2', '#a86400', '#00855c', '#a95a87', '#097cae', '#c55000', '#837400', '#747474', '#747474'],
};

export const solidColorId = (hue: number): string => `modulens.routing.${HUES[hue]}`;
/** Color id of a tint class: `modulens.routing.a1` (weak) to `.a4` (strong). */
export const tintColorId = (tint: number): string => `modulens.routing.${HUES[hueOfClass(tint)]}${(tint % STRENGTHS) + 1}`;
/** CSS variable under which VS Code gives a contributed color to hovers. */
export const solidVariable = (hue: number): string => `var(--vscode-${solidColorId(hue).replaceAll('.', '-')})`;
export const tintClass = (hue: number, strength: number): number => hue * STRENGTHS + strength;
export const hueOfClass = (tint: number): number => Math.floor(tint / STRENGTHS);

/** An expert as it is shown. */
export interface ExpertName {
  /** A, B, ...; numbers of a trained router. */
  readonly letter: string;
  /** Letter, number, or the adapter's name. */
  readonly label: string;
  readonly hue: number;
}

/** Null before the trace has been summed up. */
export type Names = Naming | null;

/** Names an expert of a site. */
export function nameExpert(head: RoutingHead, site: number, expert: number, names: Names): ExpertName {
  const facts = head.sites[site];
  const index = names?.letters?.[site]?.[expert] ?? expert;
  const mark = markOf(head, facts.kind, index);
  return { letter: mark, label: facts.kind === 'library' ? (facts.labels[expert] ?? mark) : mark, hue: hueOf(head, index, names?.rank ?? null) };
}

/** The letter that a hue stands for at a site; null for the hue of the others. */
export function markOfHue(head: RoutingHead, site: number, hue: number, names: Names): string | null {
  if (hue === OTHER) return null;
  const index = expertCount(head) <= EXPERT_HUES || names === null ? hue : names.rank.indexOf(hue);
  return markOf(head, head.sites[site].kind, index);
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
