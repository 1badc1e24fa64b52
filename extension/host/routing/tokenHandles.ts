import type { TokenPlace } from './routingLens';

/** Links of hovers that are kept; older ones say that they are old. */
const MOST = 400;

/** Short ids for tokens, for links in hovers: command URIs carry the id, the data stay here. */
export class TokenHandles {
  private readonly places = new Map<string, TokenPlace>();
  private next = 0;

  add(place: TokenPlace): string {
    const id = `t${this.next++}`;
    this.places.set(id, place);
    if (this.places.size > MOST) this.places.delete([...this.places.keys()][0]);
    return id;
  }

  get(id: string): TokenPlace | undefined {
    return this.places.get(id);
  }
}
