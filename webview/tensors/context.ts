import type { Bridge } from '../ui/bridge';
import type { Theme } from '../ui/theme';
import type { TensorsModel } from './model';

/** What every view of the page works with. */
export interface PageContext {
  readonly model: TensorsModel;
  readonly bridge: Bridge;
  readonly theme: Theme;
  showTable(id: string): void;
}
