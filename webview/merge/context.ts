import type { MapColours } from '../render/mergeMaps';
import type { Bridge } from '../ui/bridge';
import type { Theme } from '../ui/theme';
import type { MergeModel } from './model';

/** What every view of the page works with. */
export interface PageContext {
  readonly model: MergeModel;
  readonly bridge: Bridge;
  readonly theme: Theme;
  /** Colours as numbers, of the theme now. */
  colours(): MapColours;
  /** Opens the table behind a picture. */
  showTable(id: string): void;
  /** Says something to screen readers. */
  announce(text: string): void;
}
