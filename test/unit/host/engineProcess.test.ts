import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Backoff } from '../../../extension/host/engineBackoff';
import { EngineProcess, type EngineNotification, type EngineState, type EngineTimes } from '../../../extension/host/engineProcess';
import { ModulensError } from '../../../extension/protocol/errors';

let folder: string;
let file: string;
const open: EngineProcess[] = [];
const lines: string[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-engine-'));
  file = path.join(folder, 'fake engine é.js');
  await build({ entryPoints: [path.join(import.meta.dirname, 'fakeEngine.ts')], outfile: file, bundle: true, platform: 'node', format: 'cjs', logLevel: 'error' });
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  for (const engine of open.splice(0)) engine.dispose();
  lines.length = 0;
});

function start(times: Partial<EngineTimes> = {}, env: NodeJS.ProcessEnv = {}, backoff?: Backoff): EngineProcess {
  const engine = new EngineProcess({
    file,
    env: () => ({ ...process.env, NODE_OPTIONS: undefined, ...env }),
    hello: () => ({ build: 'dev', cacheDir: 'cache-folder', cacheBytes: 1 }),
    log: { info: (text) => lines.push(text), warn: (text) => lines.push(text), error: (text) => lines.push(text) },
    times,
    backoff,
  });
  open.push(engine);
  return engine;
}

async function failureOf(work: Promise<unknown>): Promise<ModulensError> {
  const error: unknown = await work.then(
    () => 'no failure',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModulensError);
  return error as ModulensError;
}

describe('starting and asking', () => {
  it('starts on the first request and keeps one process', async () => {
    const engine = start();
    expect(engine.pid).toBeUndefined();
    const states: EngineState[] = [];
    engine.onState((state) => states.push(state));
    const [first, second] = await Promise.all([engine.request('engine/status', {}), engine.request('engine/status', {})]);
    expect(first.pid).toBe(second.pid);
    expect(first.pid).toBe(engine.pid);
    expect(first.build).toBe('cache-folder');
    expect(first.ort).toBe('0');
    expect(states).toEqual(['starting', 'ready', 'busy', 'ready']);
  });

  it('passes typed arrays as they are', async () => {
    const picture = await start().request('analysis/picture', { key: 'k', layer: 0 });
    expect(picture.mass).toBeInstanceOf(Float32Array);
    expect([...picture.mass]).toEqual([2, 3]);
    expect([...picture.sizes]).toEqual([7]);
  });

  it('passes notifications and marks batch work', async () => {
    const engine = start();
    const seen: EngineNotification[] = [];
    engine.onNotification((notification) => seen.push(notification));
    const document = await engine.request('analysis/run', { run: 'r1', path: 'fine', options: {} });
    expect(document).toMatchObject({ interactive: false });
    expect(seen.map(({ name }) => name)).toEqual(['analysis/layer', 'run/progress']);
    expect(seen[1].params).toEqual({ run: 'r1', progress: { stage: 'layer 1', done: 1, total: 2, etaSeconds: 1 } });
  });

  it('rebuilds typed failures and names unexpected ones', async () => {
    const engine = start();
    const missing = await failureOf(engine.request('checkpoint/inspect', { path: 'fail' }));
    expect(missing.code).toBe('checkpoint/not-found');
    expect(missing.args).toEqual({ path: 'fail' });
    const unexpected = await failureOf(engine.request('checkpoint/inspect', { path: 'throw' }));
    expect(unexpected.code).toBe('internal');
    expect(unexpected.message).toContain('boom');
    expect(lines.join('\n')).toMatch(/checkpoint\/inspect: TypeError: boom\n\s+at /);
  });

  it('refuses an engine of another build', async () => {
    const error = await failureOf(start({}, { FAKE_BUILD: 'older' }).request('engine/status', {}));
    expect(error.code).toBe('engine/build-mismatch');
    expect(error.args).toEqual({ host: 'dev', engine: 'older' });
  });

  it('says why a process did not come up', async () => {
    const ended = await failureOf(start({}, { FAKE_EXIT: '3' }).request('engine/status', {}));
    expect(ended.code).toBe('engine/start-failed');
    expect(ended.message).toContain('exit code 3');
    expect(ended.message).toContain('cannot find the library');
    const silent = await failureOf(start({ start: 300 }, { FAKE_SILENT: '1' }).request('engine/status', {}));
    expect(silent.code).toBe('engine/start-failed');
    expect(silent.message).toContain('0.3 seconds');
  });
});

describe('cancelling', () => {
  it('is answered within half a second without ending the process', async () => {
    const engine = start();
    await engine.request('engine/status', {});
    const { pid } = engine;
    for (const work of ['wait:20000', 'deaf:20000']) {
      const controller = new AbortController();
      const running = engine.request('analysis/run', { run: 'r', path: work, options: {} }, controller.signal);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const begun = performance.now();
      controller.abort();
      expect((await failureOf(running)).code).toBe('cancelled');
      expect(performance.now() - begun).toBeLessThan(500);
    }
    expect((await engine.request('engine/status', {})).pid).toBe(pid);
  });

  it('does not start an engine for a request that is cancelled already', async () => {
    const engine = start();
    expect((await failureOf(engine.request('engine/status', {}, AbortSignal.abort()))).code).toBe('cancelled');
    expect(engine.state).toBe('stopped');
  });

  it('kills an engine that does not answer, and asks the other requests again', async () => {
    const engine = start({ cancel: 300 });
    const first = (await engine.request('engine/status', {})).pid;
    const controller = new AbortController();
    const blocked = failureOf(engine.request('analysis/run', { run: 'r', path: 'block', options: {} }, controller.signal));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const other = engine.request('engine/status', {});
    controller.abort();
    const error = await blocked;
    expect(error.code).toBe('engine/killed');
    expect(error.message).toContain('analyzing block');
    expect((await other).pid).not.toBe(first);
    expect(lines.join('\n')).toContain('asked again: looking at the devices');
  });
});

describe('crashes', () => {
  it('says what the engine was doing, and starts a new one for the next request', async () => {
    const engine = start();
    const error = await failureOf(engine.request('analysis/run', { run: 'r', path: 'crash', options: {} }));
    expect(error.code).toBe('engine/stopped');
    expect(error.args.how).toBe('signal SIGKILL; last output: terminate called in the fake engine');
    expect(error.args.doing).toBe('analyzing crash, layer 3: shuffling tokens');
    expect(engine.state).toBe('stopped');
    expect((await engine.request('engine/status', {})).pid).toBeGreaterThan(0);
  });

  it('asks innocent requests again, once', async () => {
    const engine = start();
    await engine.request('engine/status', {});
    const innocent = engine.request('checkpoint/inspect', { path: 'wait:150' });
    const culprit = failureOf(engine.request('analysis/run', { run: 'r', path: 'crash', options: {} }));
    expect((await culprit).code).toBe('engine/stopped');
    expect(await innocent).toMatchObject({ name: 'wait:150' });
  });

  it('blames a lone request for the crash of its second try', async () => {
    const engine = start();
    const marker = path.join(folder, 'once');
    const first = failureOf(engine.request('checkpoint/inspect', { path: `crashOnce:${marker}` }));
    expect((await first).code).toBe('engine/stopped');
    expect(await engine.request('checkpoint/inspect', { path: `crashOnce:${marker}` })).toMatchObject({ kind: 'inspect' });
  });

  it('is left to the user after five crashes in a row', async () => {
    const pauses: number[] = [];
    const engine = start({}, {}, new Backoff(() => 0, async (ms) => void pauses.push(ms)));
    for (let i = 0; i < 6; i++) expect((await failureOf(engine.request('checkpoint/inspect', { path: 'crash' }))).code).toBe('engine/stopped');
    const error = await failureOf(engine.request('checkpoint/inspect', { path: 'fine' }));
    expect(error.code).toBe('engine/keeps-stopping');
    expect(pauses).toEqual([500, 1000, 2000, 4000]);
    await engine.restart();
    expect(await engine.request('checkpoint/inspect', { path: 'fine' })).toMatchObject({ kind: 'inspect' });
  });
});

describe('ending', () => {
  it('ends when idle, not while something is in flight, and starts again on demand', async () => {
    const engine = start({ idle: 150 });
    const first = (await engine.request('engine/status', {})).pid;
    await engine.request('checkpoint/inspect', { path: 'wait:400' });
    expect(engine.pid).toBe(first);
    await new Promise<void>((resolve) => engine.onState((state) => state === 'stopped' && resolve()));
    expect(engine.pid).toBeUndefined();
    expect((await engine.request('engine/status', {})).pid).not.toBe(first);
  });

  it('tells running requests that the user restarted it, and serves new ones at once', async () => {
    const engine = start();
    const first = (await engine.request('engine/status', {})).pid;
    const running = failureOf(engine.request('analysis/run', { run: 'r', path: 'deaf:5000', options: {} }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const restarted = engine.restart();
    const next = engine.request('engine/status', {});
    expect((await running).code).toBe('engine/restarted');
    expect((await next).pid).not.toBe(first);
    await restarted;
    expect(engine.state).toBe('ready');
  });

  it('leaves no process behind when disposed', async () => {
    const engine = start();
    const { pid } = await engine.request('engine/status', {});
    engine.dispose();
    await expect.poll(() => isAlive(pid), { timeout: 3000 }).toBe(false);
    expect((await failureOf(engine.request('engine/status', {}))).code).toBe('engine/start-failed');
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
