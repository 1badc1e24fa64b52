import { ropeTables } from '../../../extension/architecture/rope';
import type { BoundModel } from '../../../extension/architecture/resolve';
import type { BlockSpec } from '../../../extension/architecture/spec';
import { BLOCK_INPUTS, BLOCK_OUTPUTS, buildBlock } from '../../../extension/graph/block';
import { floatData, floats, type HostTensor } from '../../../extension/graph/hostTensor';
import { ForwardPass } from '../../../extension/probe/forward';
import { attentionBias } from '../../../extension/probe/pack';
import type { SessionPool } from '../../../extension/runtime/pool';
import { Scheduler } from '../../../extension/runtime/scheduler';
import type { Matrix } from './goldenModels';

interface Past {
  readonly key: HostTensor;
  readonly value: HostTensor;
}

/**
 * Logits of one row, fed in pieces with the keys and values of what came before. The first piece starts from a past of
 * no tokens; a piece may be one token or several.
 */
export async function logitsInPieces(model: BoundModel, row: Int32Array, pieces: readonly number[], pool: SessionPool): Promise<Matrix> {
  const pass = new ForwardPass(model, [row], { pool, scheduler: new Scheduler() });
  const width = pass.stack.dModel;
  const embedded = (await pass.embed())[0];
  const out = new Float32Array(embedded.length);
  const pasts = new Map<number, Past>();
  let done = 0;
  for (const size of pieces) {
    let hidden: Float32Array = embedded.slice(done * width, (done + size) * width);
    for (const block of pass.stack.blocks) {
      const past = pasts.get(block.index) ?? empty(block);
      const feeds = { [BLOCK_INPUTS.hidden]: floats([size, width], hidden), [BLOCK_INPUTS.pastKey]: past.key, [BLOCK_INPUTS.pastValue]: past.value, ...positionFeeds(pass, block, done, size) };
      const result = await pool.with(`${model.checkpoint.path}|cached block ${block.index}`, () => buildBlock(model, pass.stack, block, { cache: true, gather: pool.device === 'cpu' }), (session) => session.run(feeds));
      hidden = floatData(result[BLOCK_OUTPUTS.hidden]);
      pasts.set(block.index, { key: result[BLOCK_OUTPUTS.presentKey], value: result[BLOCK_OUTPUTS.presentValue] });
    }
    out.set(hidden, done * width);
    done += size;
  }
  if (done !== row.length) throw new Error(`${done} of ${row.length} tokens were fed`);
  const logits = new Float32Array(row.length * pass.headRows);
  const { decoderInput } = await pass.preHead([out], { final: true, head: true });
  await pass.head(decoderInput, 'logits', (_pack, _index, [from, to], outputs) => {
    const part = floatData(outputs['logits']);
    for (let t = 0; t < row.length; t++) logits.set(part.subarray(t * (to - from), (t + 1) * (to - from)), t * pass.headRows + from);
  });
  return { rows: row.length, width: pass.headRows, data: logits };
}

function empty(block: BlockSpec): Past {
  const { kvHeads, headDim, valueDim = headDim } = block.attention;
  return { key: floats([kvHeads, 0, headDim], new Float32Array()), value: floats([kvHeads, 0, valueDim], new Float32Array()) };
}

/** Bias and rotary tables of tokens [done, done + size): the last rows of what the whole row would get. */
function positionFeeds(pass: ForwardPass, block: BlockSpec, done: number, size: number): Record<string, HostTensor> {
  const { window, causal, rope } = block.attention;
  const n = done + size;
  const positions = Float32Array.from({ length: n }, (_, i) => i);
  const whole = attentionBias({ ids: new Int32Array(n), positions, sequences: new Int32Array(n), offset: 0, tokens: n }, causal, window);
  const feeds: Record<string, HostTensor> = { [BLOCK_INPUTS.bias(window)]: floats([size, n], whole.slice(done * n)) };
  const spec = rope === undefined ? undefined : pass.stack.ropes.get(rope);
  if (spec && rope !== undefined) {
    const { cos, sin } = ropeTables(spec, positions.slice(done));
    feeds[BLOCK_INPUTS.cos(rope)] = floats([size, 1, spec.rotaryDim], cos);
    feeds[BLOCK_INPUTS.sin(rope)] = floats([size, 1, spec.rotaryDim], sin);
  }
  return feeds;
}
