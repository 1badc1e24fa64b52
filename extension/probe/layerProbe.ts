import { type BlockSpec, requireFfn } from '../architecture/spec';
import { floatData, floats, type HostTensor } from '../graph/hostTensor';
import type { ProbeArrays } from './arrays';
import type { ForwardPass } from './forward';
import type { Pack } from './pack';
import type { ProbePlan } from './plan';

/** Activations of one layer's FFN on one half of the probe; dropped tokens are not in it. */
export interface HalfActivations {
  readonly tokens: number;
  /** Hidden activations, what the down projection multiplies `[tokens, d_ff]`. */
  readonly hidden: Float32Array;
  /** What the FFN reads `[tokens, d_model]`. */
  readonly input: Float32Array;
  /** Sequence of each token, and its place in it. */
  readonly sequence: Int32Array;
  readonly position: Int32Array;
}

/** Where the tokens of a run go: half and row, or nowhere. */
export class TokenRouting {
  readonly counts: readonly [number, number];
  private readonly half: Int8Array;
  private readonly row: Int32Array;
  readonly sequences: readonly [Int32Array, Int32Array];
  readonly positions: readonly [Int32Array, Int32Array];

  constructor(plan: ProbePlan) {
    const total = plan.sequences.reduce((sum, s) => sum + s.length, 0);
    this.half = new Int8Array(total).fill(-1);
    this.row = new Int32Array(total);
    const counts: [number, number] = [0, 0], sequences: [number[], number[]] = [[], []], positions: [number[], number[]] = [[], []];
    let at = 0;
    plan.sequences.forEach((ids, s) => {
      const half = plan.half[s] as 0 | 1;
      for (let i = 0; i < ids.length; i++, at++) {
        if (plan.dropped[s][i]) continue;
        this.half[at] = half;
        this.row[at] = counts[half]++;
        sequences[half].push(s);
        positions[half].push(i);
      }
    });
    this.counts = counts;
    this.sequences = [Int32Array.from(sequences[0]), Int32Array.from(sequences[1])];
    this.positions = [Int32Array.from(positions[0]), Int32Array.from(positions[1])];
  }

  /** Copies the kept rows of a pack `[pack tokens, width]` to their half. */
  scatter(offset: number, tokens: number, width: number, data: Float32Array, targets: readonly [Float32Array, Float32Array]): void {
    for (let t = 0; t < tokens; t++) {
      const half = this.half[offset + t];
      if (half >= 0) targets[half].set(data.subarray(t * width, (t + 1) * width), this.row[offset + t] * width);
    }
  }
}

/** Runs one block on the whole probe (advancing `hidden` to the next block) and collects its FFN's input and hidden activations, in arrays of `arrays`. */
export async function probeLayer(pass: ForwardPass, block: BlockSpec, hidden: Float32Array[], routing: TokenRouting, last: boolean, arrays: ProbeArrays): Promise<readonly [HalfActivations, HalfActivations]> {
  const width = requireFfn(block).up.outWidth, d = pass.stack.dModel;
  const both = (name: string, columns: number): readonly [Float32Array, Float32Array] => {
    const one = (half: 0 | 1): Float32Array => arrays.take(`${name} ${half}`, routing.counts[half] * columns);
    return [one(0), one(1)];
  };
  const activations = both('hidden', width), inputs = both('input', d);
  const into = ({ tokens }: Pack): Record<string, HostTensor> => Object.fromEntries([['tap:ffn.hidden', width], ['tap:ffn.input', d]].map(([tap, columns]) => [tap, floats([tokens, Number(columns)], arrays.take(`${tap} ${tokens}`, tokens * Number(columns)))]));
  await pass.block(block, hidden, { taps: new Set(['ffn.input', 'ffn.hidden']), stopAtHidden: last, into }, (pack, outputs) => {
    routing.scatter(pack.offset, pack.tokens, width, floatData(outputs['tap:ffn.hidden']), activations);
    routing.scatter(pack.offset, pack.tokens, d, floatData(outputs['tap:ffn.input']), inputs);
  });
  const half = (h: 0 | 1): HalfActivations => ({ tokens: routing.counts[h], hidden: activations[h], input: inputs[h], sequence: routing.sequences[h], position: routing.positions[h] });
  return [half(0), half(1)];
}
