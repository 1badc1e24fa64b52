import * as vscode from 'vscode';
import { Disposables } from '../disposables';
import { CLASSES, hueOfClass, HUES, solidColorId, SOLID, STRENGTHS, type ThemeShade, tintColorId, UNDERLINES } from './palette';

const closed = vscode.DecorationRangeBehavior.ClosedClosed;

/** Colour theme as our colours know it. */
export function themeShade(): ThemeShade {
  switch (vscode.window.activeColorTheme.kind) {
    case vscode.ColorThemeKind.Light:
      return 'light';
    case vscode.ColorThemeKind.HighContrast:
      return 'highContrast';
    case vscode.ColorThemeKind.HighContrastLight:
      return 'highContrastLight';
    default:
      return 'dark';
  }
}

export const isHighContrast = (shade: ThemeShade): boolean => shade === 'highContrast' || shade === 'highContrastLight';

/** All decoration types of the lens: made once, used for every document, disposed together. */
export class LensDecorations extends Disposables {
  readonly shade = themeShade();
  /** One per tint class: a background, or in high contrast an underline. */
  readonly tints = Array.from({ length: CLASSES }, (_, tint) => this.type(isHighContrast(this.shade) ? { textDecoration: `underline ${UNDERLINES[tint % STRENGTHS]} ${SOLID[this.shade][hueOfClass(tint)]}` } : { backgroundColor: new vscode.ThemeColor(tintColorId(tint)) }));
  /** One per hue: where the first expert changes. */
  readonly ruler = HUES.map((_, hue) => this.type({ overviewRulerColor: new vscode.ThemeColor(solidColorId(hue)), overviewRulerLane: vscode.OverviewRulerLane.Center }));
  /** A letter before a run, in high contrast. */
  readonly letter = this.type({});
  readonly stale = this.type({ textDecoration: 'underline dashed var(--vscode-descriptionForeground)' });
  /** Text behind a line. */
  readonly summary = this.type({ after: { color: new vscode.ThemeColor('editorCodeLens.foreground'), margin: '0 0 0 3ch' } });
  /** The token that is looked at in the page. */
  readonly preview = this.type({ border: '1px dashed', borderColor: new vscode.ThemeColor('focusBorder') });
  readonly locked = this.type({ border: '1px solid', borderColor: new vscode.ThemeColor('focusBorder') });
  readonly pinned = this.type({ border: '1px dotted', borderColor: new vscode.ThemeColor('editorCodeLens.foreground') });

  private type(options: vscode.DecorationRenderOptions): vscode.TextEditorDecorationType {
    return this.add(vscode.window.createTextEditorDecorationType({ ...options, rangeBehavior: closed }));
  }
}
