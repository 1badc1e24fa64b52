import type { BoundModel } from '../architecture/resolve';
import type { StackSpec } from '../architecture/spec';
import { readTensor, readTensorRowSet } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import type { AttachedModules } from '../module/attach';
import { virtualIndex } from './lead';
import type { Pack } from './pack';

/** Reads single rows of large tables by ranges, and keeps what it has read. */
export class RowReader {
  private readonly rows = new Map<number, Float32Array>();
  private whole: Float32Array | null = null;

  constructor(readonly tensor: TensorInfo) {}

  get width(): number {
    return this.tensor.shape[1];
  }

  /** Makes the rows available. */
  async load(ids: Iterable<number>): Promise<void> {
    if (this.whole) return;
    if (!this.tensor.inPlace || this.tensor.bytes <= WHOLE_LIMIT) {
      this.whole = await readTensor(this.tensor);
      return;
    }
    const missing = [...new Set(ids)].filter((id) => id >= 0 && !this.rows.has(id)).sort((a, b) => a - b);
    if (missing.length === 0) return;
    const read = await readTensorRowSet(this.tensor, missing);
    for (const [i, id] of missing.entries()) this.rows.set(id, read.subarray(i * this.width, (i + 1) * this.width));
  }

  row(id: number): Float32Array {
    if (this.whole) return this.whole.subarray(id * this.width, (id + 1) * this.width);
    const row = this.rows.get(id);
    if (!row) throw new Error(`row ${id} of ${this.tensor.name} was not loaded`);
    return row;
  }
}

/** Tables up to this size are read at once. */
const WHOLE_LIMIT = 8 << 20;

/** Gathers and adds the embedding rows of tokens, positions and token type: `[tokens, embedding width]`. */
export class Embedder {
  readonly token: RowReader;
  private readonly position: RowReader | null;
  private readonly tokenType: RowReader | null;

  constructor(model: BoundModel, private readonly stack: StackSpec, private readonly modules: Pick<AttachedModules, 'tokens' | 'lead'> | null = null) {
    const e = stack.embedding;
    this.token = new RowReader(model.tensor(e.token));
    this.position = e.position ? new RowReader(model.tensor(e.position.weight)) : null;
    this.tokenType = e.tokenType ? new RowReader(model.tensor(e.tokenType)) : null;
  }

  /** Rows in the token table: ids at or above this are refused. */
  get vocabulary(): number {
    return this.token.tensor.shape[0];
  }

  /** `past`: position of the pack's first tokens (token by token runs). */
  async rows(pack: Pack): Promise<Float32Array> {
    const { width, scale, position } = this.stack.embedding;
    const offset = position?.offset ?? 0;
    await this.token.load(pack.ids);
    await this.position?.load(Array.from(pack.positions, (p) => p + offset));
    await this.tokenType?.load([0]);
    const out = new Float32Array(pack.tokens * width), type = this.tokenType?.row(0);
    // OPT adds positions after the projection, which only matters where both exist; the widths tell.
    const addPosition = this.position && this.position.width === width ? this.position : null;
    for (let t = 0; t < pack.tokens; t++) {
      const row = this.rowOf(pack.ids[t]), at = t * width, place = addPosition?.row(pack.positions[t] + offset), factor = pack.ids[t] < 0 && this.modules?.lead?.scaled === false ? 1 : scale;
      for (let i = 0; i < width; i++) {
        let x = Math.fround(row[i] * factor);
        if (type) x = Math.fround(x + type[i]);
        if (place) x = Math.fround(x + place[i]);
        out[at + i] = x;
      }
    }
    return out;
  }

  /** A token's row as modules change it; a negative id is a virtual token's. */
  private rowOf(id: number): Float32Array {
    const { tokens, lead } = this.modules ?? {}, { width } = this.stack.embedding;
    if (id < 0 && lead) return lead.rows.subarray(virtualIndex(id) * width, (virtualIndex(id) + 1) * width);
    const row = this.token.row(id);
    return tokens ? tokens(id, row) : row;
  }

  /** Position rows that are as wide as the model and not as the embedding: added after the projection. */
  addLatePositions(pack: Pack, hidden: Float32Array): void {
    if (!this.position || this.position.width === this.stack.embedding.width) return;
    const offset = this.stack.embedding.position?.offset ?? 0, width = this.position.width;
    for (let t = 0; t < pack.tokens; t++) {
      const row = this.position.row(pack.positions[t] + offset);
      for (let i = 0; i < width; i++) hidden[t * width + i] += row[i];
    }
  }
}
