import { define, EXIT } from './define';

/** Reading and writing files: the `checkpoint/` room. */
export const checkpointErrors = {
  'checkpoint/not-found': define<{ path: string }>(EXIT.input, (a) => `${a.path} does not exist. Check the path, or open the folder that holds config.json and the weights.`),
} as const;
