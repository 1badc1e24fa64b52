import type { Bridge } from '../ui/bridge';
import type { Theme } from '../ui/theme';
import type { AnalysisModel } from './model';

/** What every view of the page works with. */
export interface PageContext {
  readonly model: AnalysisModel;
  readonly bridge: Bridge;
  readonly theme: Theme;
  /** Opens the table behind a picture. */
  showTable(id: string): void;
  /** Says something to screen readers. */
  announce(text: string): void;
}
