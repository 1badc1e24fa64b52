import { define, EXIT } from './define';

/** Probing, partitions, evaluation: the `probe/`, `partition/`, `evaluation/` and `engine/` rooms. */
export const analysisErrors = {
  'analysis/no-ffn': define<{ path: string }>(EXIT.cannot, (a) => `No FFN weights could be recognised in ${a.path}, so there is nothing to split into experts.`),
} as const;
