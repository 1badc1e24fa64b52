import type { StackSpec } from '../architecture/spec';
import { BLOCK_TAPS, type BlockTap, tapsOf } from '../graph/block';
import { failure } from '../protocol/errors';

/** Which inner tensors to give out. */
export interface TapSelection {
  readonly embeddings: boolean;
  /** By block index. */
  readonly blocks: ReadonlyMap<number, ReadonlySet<BlockTap>>;
  readonly final: boolean;
  readonly logits: boolean;
}

/**
 * Reads a tap list: `blocks.*.ffn.hidden`, `blocks.0-5.output`, `embeddings`, `final`, `logits`. With `*` or a range, taps
 * that a block lacks are left out; a tap that the model lacks altogether is an error that names those that exist.
 */
export function parseTaps(text: string, stack: StackSpec, hasHead: boolean): TapSelection {
  const blocks = new Map<number, Set<BlockTap>>();
  const selection = { embeddings: false, final: false, logits: false };
  const known = (): string => [`embeddings, final${hasHead ? ', logits' : ''}`, ...BLOCK_TAPS.filter((tap) => stack.blocks.some((b) => tapsOf(b).includes(tap))).map((tap) => `blocks.i.${tap}`)].join(', ') + ` (i from 0 to ${stack.blocks.length - 1}, a range such as 0-5, or *)`;
  const names = text.split(',').map((t) => t.trim()).filter((t) => t !== '');
  if (names.length === 0) throw failure('model/unknown-tap', { tap: text, known: known() });
  for (const name of names) {
    if (name === 'embeddings' || name === 'final') selection[name] = true;
    else if (name === 'logits') {
      if (!hasHead) throw failure('model/unknown-tap', { tap: name, known: known() });
      selection.logits = true;
    } else {
      const match = /^blocks\.(\*|\d+(?:-\d+)?)\.(.+)$/.exec(name);
      const tap = BLOCK_TAPS.find((t) => t === match?.[2]);
      if (!match || !tap) throw failure('model/unknown-tap', { tap: name, known: known() });
      const [from, to] = match[1] === '*' ? [0, stack.blocks.length - 1] : match[1].includes('-') ? match[1].split('-').map(Number) : [Number(match[1]), Number(match[1])];
      let found = false;
      for (let i = from; i <= to && i < stack.blocks.length; i++) {
        if (!tapsOf(stack.blocks[i]).includes(tap)) continue;
        found = true;
        let taps = blocks.get(i);
        if (!taps) blocks.set(i, (taps = new Set()));
        taps.add(tap);
      }
      const single = !match[1].includes('*') && !match[1].includes('-');
      if ((!found && (single || !match[1].includes('*'))) || to >= stack.blocks.length || from > to) throw failure('model/unknown-tap', { tap: name, known: known() });
    }
  }
  return { ...selection, blocks };
}
