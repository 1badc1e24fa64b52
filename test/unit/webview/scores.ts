import type { Score } from '../../../extension/protocol/score';

/** A score for tests; whole unless parts are given. */
export function score(parts: Partial<Score> = {}): Score {
  return { value: 0.5, null: 0.1, nullSd: 0.02, nullDraws: 20, z: 20, p: 0.01, n: 4096, nOf: 'tokens', unit: 'ARI', direction: 'greater', nullKind: 'shuffled', interval: [0.45, 0.55], nullInterval: [0.06, 0.14], ...parts };
}
