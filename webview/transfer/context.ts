import type { RoutingPalette } from '../render/routingColours';
import type { Bridge } from '../ui/bridge';
import type { Theme } from '../ui/theme';
import type { TransferModel } from './model';

/** What every view of the page works with. */
export interface PageContext {
  readonly model: TransferModel;
  readonly bridge: Bridge;
  readonly theme: Theme;
  /** Colours as numbers, of the theme now. */
  palette(): RoutingPalette;
  /** Opens the table behind a picture. */
  showTable(id: string): void;
  /** Says something to screen readers. */
  announce(text: string): void;
}
