import { NO_SELECTION, type RoutingSelection } from '../../protocol/routing';
import { Emitter } from '../disposables';

/** Who changed the selection: its own view need not be told. */
export type SelectionSource = 'page' | 'editor' | 'lens';

/** The one selection that a document's page and editor share. Hover and cursor preview, a click locks, Esc steps back. */
export class SharedSelection {
  private current: RoutingSelection = NO_SELECTION;
  private readonly change = new Emitter<{ readonly selection: RoutingSelection; readonly source: SelectionSource }>();
  readonly onChange = this.change.on;

  get value(): RoutingSelection {
    return this.current;
  }

  set(selection: RoutingSelection, source: SelectionSource): void {
    if (sameSelection(this.current, selection)) return;
    this.current = selection;
    this.change.fire({ selection, source });
  }

  /** The cursor's token: shown unless something is locked; it never unlocks. */
  preview(token: number | null): void {
    if (!this.current.locked) this.set({ ...this.current, token }, 'editor');
  }

  site(site: number, source: SelectionSource): void {
    this.set({ ...this.current, site }, source);
  }

  pin(token: number): void {
    if (!this.current.pinned.includes(token)) this.set({ ...this.current, pinned: [...this.current.pinned, token] }, 'lens');
  }

  unpin(token: number): void {
    this.set({ ...this.current, pinned: this.current.pinned.filter((one) => one !== token) }, 'lens');
  }

  /** Tokens have new numbers: what pointed to old ones is gone, the row stays. */
  forget(tokenOf: (token: number) => number | null = () => null): void {
    const token = this.current.token === null ? null : tokenOf(this.current.token);
    const pinned = this.current.pinned.map(tokenOf).filter((one) => one !== null);
    this.set({ ...this.current, token, locked: this.current.locked && token !== null, pinned }, 'lens');
  }
}

function sameSelection(a: RoutingSelection, b: RoutingSelection): boolean {
  return a.token === b.token && a.site === b.site && a.expert === b.expert && a.locked === b.locked && a.pinned.length === b.pinned.length && a.pinned.every((token, i) => token === b.pinned[i]);
}

/** A selection as a page sent it, with indices that exist. */
export function checkedSelection(value: RoutingSelection, tokens: number, sites: number): RoutingSelection {
  const index = (number: unknown, count: number): number | null => (Number.isInteger(number) && (number as number) >= 0 && (number as number) < count ? (number as number) : null);
  const pinned = Array.isArray(value.pinned) ? value.pinned.map((token) => index(token, tokens)).filter((token) => token !== null) : [];
  return { token: index(value.token, tokens), site: index(value.site, sites), expert: index(value.expert, 65_536), locked: value.locked === true, pinned: [...new Set(pinned)] };
}
