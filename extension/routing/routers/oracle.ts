import { readKeys, readValues, rowNorms } from '../../architecture/ffnWeights';
import { sumPerExpert } from '../../partition/routers';
import { rowShares } from '../shares';
import { emergentRouter } from './emergent';

/** What a perfect router would know: the squared length of what each expert's neurons write. */
export const oracleRouter = emergentRouter({
  name: 'oracle', title: 'Oracle', says: 'Scores an emergent expert by what it really writes on the token: the upper bound for every router.', note: 'Weight: the expert\u2019s share of the squared output norms of the token.', reads: 'ffn.hidden', shares: rowShares, isSoftmax: false,
  async scorer({ ffn, labels, experts }) {
    const norms = rowNorms((await readValues(ffn)) ?? (await readKeys(ffn)), ffn.dFf);
    return (hidden, tokens) => {
      const mass = new Float32Array(hidden.length);
      for (let t = 0, at = 0; t < tokens; t++) for (let i = 0; i < ffn.dFf; i++, at++) { const out = hidden[at] * norms[i]; mass[at] = out * out; }
      return sumPerExpert(mass, tokens, labels, experts);
    };
  },
});
