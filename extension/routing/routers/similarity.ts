import { readKeys } from '../../architecture/ffnWeights';
import { unitRows } from '../../partition/keys';
import { similarityMeans, similarityToMeans } from '../../partition/routers';
import { standardisedShares } from '../shares';
import { emergentRouter, STANDARDISED } from './emergent';

/** MoEfication's router (arXiv 2110.01786): minus the distance of the unit token to the mean unit key. */
export const similarityRouter = emergentRouter({
  name: 'similarity', title: 'Similarity (MoEfication)', says: 'Scores an emergent expert by how near the token lies to the mean of its unit keys, as MoEfication does.', note: STANDARDISED, reads: 'ffn.input', shares: standardisedShares, isSoftmax: true,
  async scorer({ ffn, labels, experts }) {
    const means = similarityMeans(await readKeys(ffn), ffn.dFf, ffn.dModel, labels, experts);
    return (x, tokens) => similarityToMeans(unitRows(x, tokens, ffn.dModel), tokens, ffn.dModel, means, experts);
  },
});
