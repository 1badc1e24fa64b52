import { define, EXIT } from './define';

/** Families, sites, taps and plugged-in modules: the `architecture/`, `graph/` and `module/` rooms. */
export const modelErrors = {
  'model/unsupported-family': define<{ path: string; family: string; known: string }>(EXIT.cannot, (a) => `${a.path} is of the family "${a.family}", which Modulens cannot run yet. It can run: ${a.known}.`),
} as const;
