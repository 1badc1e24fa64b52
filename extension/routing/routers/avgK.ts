import { readKeys } from '../../architecture/ffnWeights';
import { matmulTransposed } from '../../numerics/gemm';
import { avgKRows } from '../../partition/routers';
import { standardisedShares } from '../shares';
import { emergentRouter, STANDARDISED } from './emergent';

/** EMoE's router (arXiv 2310.10908): token times mean key. */
export const avgKRouter = emergentRouter({
  name: 'avg-k', title: 'Avg-k (EMoE)', says: 'Scores an emergent expert by the token\u2019s product with the mean key of its neurons, as EMoE does.', note: STANDARDISED, reads: 'ffn.input', shares: standardisedShares, isSoftmax: true,
  async scorer({ ffn, labels, experts }) {
    const rows = avgKRows(await readKeys(ffn), ffn.dFf, ffn.dModel, labels, experts);
    return (x, tokens) => matmulTransposed(x, rows, tokens, experts, ffn.dModel);
  },
});
