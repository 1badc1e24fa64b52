import type { ForwardPass } from './forward';
import type { TapSelection } from './taps';
import { type BlockTap, tapWidthOf } from '../graph/block';
import { floatData } from '../graph/hostTensor';

/** Receives a tap's rows [offset, offset + rows) of the run, `[rows, width]`. */
export type TapSink = (name: string, offset: number, data: Float32Array) => Promise<void>;

/** Runs the model as far as the selected taps need and hands out their rows pack by pack. */
export async function runTaps(pass: ForwardPass, selection: TapSelection, sink: TapSink, progress: (done: number, total: number, what: string) => void): Promise<void> {
  const blocks = pass.stack.blocks;
  const needsAll = selection.final || selection.logits;
  const last = needsAll ? blocks.length - 1 : Math.max(-1, ...selection.blocks.keys());
  const hidden = await pass.embed();
  if (selection.embeddings) for (const [i, pack] of pass.packs.entries()) await sink('embeddings', pack.offset, hidden[i]);
  const total = last + 1 + (needsAll ? 1 : 0);
  for (let i = 0; i <= last; i++) {
    progress(i, total, `block ${i}`);
    const taps = selection.blocks.get(i) ?? new Set();
    const writes: Promise<void>[] = [];
    await pass.block(blocks[i], hidden, { taps }, (pack, outputs) => {
      for (const tap of taps) writes.push(sink(`blocks.${i}.${tap}`, pack.offset, floatData(outputs[`tap:${tap}`])));
    });
    await Promise.all(writes);
  }
  if (needsAll) {
    progress(last + 1, total, 'head');
    const { final, decoderInput } = await pass.preHead(hidden, { final: true, head: selection.logits });
    if (selection.final) for (const [i, pack] of pass.packs.entries()) await sink('final', pack.offset, final[i]);
    if (selection.logits) {
      const width = pass.headRows;
      // A pack's rows are put together slice by slice; a tap of logits is the whole matrix by definition.
      const rows = pass.packs.map((pack) => new Float32Array(pack.tokens * width));
      await pass.head(decoderInput, 'logits', (pack, index, [from, to], outputs) => {
        const part = floatData(outputs['logits']);
        for (let t = 0; t < pack.tokens; t++) rows[index].set(part.subarray(t * (to - from), (t + 1) * (to - from)), t * width + from);
      });
      for (const [i, pack] of pass.packs.entries()) await sink('logits', pack.offset, rows[i]);
    }
  }
  progress(total, total, 'done');
}

/** Width of a tap. */
export function tapWidth(pass: ForwardPass, name: string): number {
  if (name === 'logits') return pass.headRows;
  if (name === 'embeddings' || name === 'final') return pass.stack.dModel;
  const match = /^blocks\.(\d+)\.(.+)$/.exec(name);
  if (!match) throw new Error(`no such tap: ${name}`);
  return tapWidthOf(pass.stack.blocks[Number(match[1])], match[2] as BlockTap, pass.stack.dModel);
}

/** Names of the selected taps in the order in which they are written. */
export function tapNames(selection: TapSelection): readonly string[] {
  return [
    ...(selection.embeddings ? ['embeddings'] : []),
    ...[...selection.blocks].sort((a, b) => a[0] - b[0]).flatMap(([i, taps]) => [...taps].map((tap) => `blocks.${i}.${tap}`)),
    ...(selection.final ? ['final'] : []), ...(selection.logits ? ['logits'] : []),
  ];
}
