import type { BoundModel } from '../architecture/resolve';
import { BLOCK_INPUTS } from '../graph/block';
import { floats } from '../graph/hostTensor';
import { type ForwardEnvironment, ForwardPass } from '../probe/forward';
import { logProbabilities } from './scoring';

/** Texts on which ablation is measured, with everything that does not change between groups computed once. */
export class AblationSetting {
  private constructor(private readonly model: BoundModel, private readonly pass: ForwardPass, private readonly layer: number, private readonly entering: readonly Float32Array[], private readonly sequences: readonly Int32Array[], private readonly fill: Float32Array) {}

  /** Runs the texts up to the layer. `fill` is what an ablated neuron is set to (its mean activation) `[d_ff]`. */
  static async prepare(model: BoundModel, environment: ForwardEnvironment, layer: number, sequences: readonly Int32Array[], fill: Float32Array): Promise<AblationSetting> {
    const pass = new ForwardPass(model, sequences, environment);
    const hidden = await pass.embed();
    for (const block of pass.stack.blocks.slice(0, layer)) await pass.block(block, hidden, {});
    return new AblationSetting(model, pass, layer, hidden, sequences, fill);
  }

  /** Sum of negative log-likelihoods per sequence, in nats, with the neurons of `group` set to their means. */
  async loss(group: ArrayLike<number>): Promise<Float64Array> {
    const width = this.fill.length, mask = new Float32Array(width).fill(1), fill = new Float32Array(width);
    for (let i = 0; i < group.length; i++) { mask[group[i]] = 0; fill[group[i]] = this.fill[group[i]]; }
    const hidden = [...this.entering], [ablated, ...rest] = this.pass.stack.blocks.slice(this.layer);
    await this.pass.block(ablated, hidden, { mask: true, feeds: { [BLOCK_INPUTS.mask]: floats([width], mask), [BLOCK_INPUTS.fill]: floats([width], fill) } });
    for (const block of rest) await this.pass.block(block, hidden, {});
    const { decoderInput } = await this.pass.preHead(hidden, { final: true, head: true });
    const targets = this.sequences.map((ids) => Array.from({ length: ids.length - 1 }, (_, i) => ({ row: i, id: ids[i + 1] })));
    const scores = await logProbabilities(this.model, this.pass, decoderInput, targets);
    return Float64Array.from(scores, (row) => -row.reduce((sum, x) => sum + x, 0));
  }

  /** Scored tokens per sequence. */
  get tokens(): Int32Array {
    return Int32Array.from(this.sequences, (ids) => ids.length - 1);
  }
}
