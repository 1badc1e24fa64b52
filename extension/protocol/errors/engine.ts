import { define, EXIT } from './define';

/** The engine process as its owner sees it: the RPC server in `engine/` and the process owner in `host/`. */
export const engineErrors = {
  'engine/build-mismatch': define<{ host: string; engine: string }>(EXIT.cannot, (a) => `The Modulens engine is from another build (${a.engine}) than the extension (${a.host}). Modulens was probably updated while this window was open: reload the window (Developer: Reload Window).`),
  'engine/not-greeted': define<{ method: string }>(EXIT.cannot, (a) => `The Modulens engine got the request "${a.method}" before the greeting that compares builds. Restart the engine (Modulens: Restart Engine).`),
  'engine/unknown-method': define<{ method: string }>(EXIT.cannot, (a) => `The Modulens engine knows no request "${a.method}". Reload the window so that extension and engine come from the same build.`),
  'engine/not-available': define<{ method: string }>(EXIT.cannot, (a) => `This build of Modulens cannot answer "${a.method}". Update Modulens.`),
  'engine/start-failed': define<{ file: string; reason: string }>(EXIT.cannot, (a) => `The Modulens engine (${a.file}) could not be started: ${a.reason}. Look at the log (Modulens: Show Log) and try Modulens: Restart Engine.`),
  'engine/stopped': define<{ how: string; doing: string }>(EXIT.cannot, (a) => `The Modulens engine stopped unexpectedly (${a.how}) while it was doing this: ${a.doing}. Everything that was finished before is kept; run it again to continue from there.`),
  'engine/keeps-stopping': define<{ times: number; last: string }>(EXIT.cannot, (a) => `The Modulens engine stopped ${a.times} times in a row (last: ${a.last}), so it is not started again by itself. Look at the log (Modulens: Show Log), try another device (Modulens: Choose Device), then Modulens: Restart Engine.`),
  'engine/killed': define<{ doing: string; seconds: number }>(EXIT.cannot, (a) => `The Modulens engine did not answer a cancel request within ${a.seconds} seconds while it was doing this: ${a.doing}. It was ended. Everything that was finished before is kept.`),
  'engine/restarted': define<{ doing: string }>(EXIT.interrupted, (a) => `The Modulens engine was restarted while it was doing this: ${a.doing}. Everything that was finished before is kept; run it again to continue from there.`),
  'workspace/untrusted': define<{ what: string }>(EXIT.cannot, (a) => `${a.what} runs a model from this folder, and this workspace is not trusted. Looking at tensors works; to run models, trust the workspace (Workspaces: Manage Workspace Trust).`),
  'workspace/not-local': define<{ uri: string }>(EXIT.usage, (a) => `${a.uri} is not a file on the machine where Modulens runs. Checkpoints are read in place, so copy it to a folder first.`),
} as const;
