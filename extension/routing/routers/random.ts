import { readKeys } from '../../architecture/ffnWeights';
import { matmulTransposed } from '../../numerics/gemm';
import { Random } from '../../numerics/random';
import { standardisedShares } from '../shares';
import { emergentRouter, STANDARDISED } from './emergent';

/** Control: token times the key of one arbitrary neuron of each expert. */
export const randomRouter = emergentRouter({
  name: 'random', title: 'Random (control)', says: 'A control: scores an expert by the key of one arbitrary neuron of it.', note: STANDARDISED, reads: 'ffn.input', shares: standardisedShares, isSoftmax: true,
  async scorer({ ffn, labels, experts }, seed) {
    const keys = await readKeys(ffn), draw = new Random(seed, 'randomRouter', ffn.index), rows = new Float32Array(experts * ffn.dModel);
    for (let e = 0; e < experts; e++) {
      const members = Array.from(labels.keys()).filter((i) => labels[i] === e), from = members[draw.integer(members.length)] * ffn.dModel;
      rows.set(keys.subarray(from, from + ffn.dModel), e * ffn.dModel);
    }
    return (x, tokens) => matmulTransposed(x, rows, tokens, experts, ffn.dModel);
  },
});
