import { unzipSync } from 'fflate';
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createMessageConnection, IPCMessageReader, IPCMessageWriter, type MessageConnection } from 'vscode-jsonrpc/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build as bundle, hostTarget } from '../../esbuild.mjs';
import type { AnalysisDocument, InspectDocument } from '../../extension/protocol/documents';
import type { EngineStatus } from '../../extension/protocol/engineRpc';
import type { ErrorRecord } from '../../extension/protocol/errors';

const root = path.resolve(import.meta.dirname, '../..');
const checkpoint = path.join(root, 'test/fixtures/stories260k');
const vsix = path.join(root, `out/modulens-${hostTarget()}.vsix`);

/** The package as it is on a machine that ONNX Runtime has no binary for: everything but dist/ort. */
let extension: string;
let cache: string;

beforeAll(() => {
  if (!existsSync(vsix)) throw new Error('the package is missing: run npm run package first');
  extension = mkdtempSync(path.join(tmpdir(), 'modulens-without-ort-'));
  cache = path.join(extension, 'cache');
  for (const [name, content] of Object.entries(unzipSync(readFileSync(vsix)))) {
    if (!name.startsWith('extension/') || name.includes('/ort/') || name.endsWith('/')) continue;
    const file = path.join(extension, name.slice('extension/'.length));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
});
afterAll(() => rmSync(extension, { recursive: true, force: true }));

function cli(...args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [path.join(extension, 'dist/cli.js'), ...args, '--cache-dir', cache], { encoding: 'utf8', maxBuffer: 1 << 28 });
}

describe('the command line without ONNX Runtime', () => {
  it('inspects, in under a second', () => {
    // The best of some, because tests share their cores.
    let milliseconds = Infinity;
    let last = { status: null as number | null, stdout: '', stderr: '' };
    for (let i = 0; i < 5 && milliseconds >= 1000; i++) {
      const start = Date.now();
      last = cli('inspect', checkpoint, '--json');
      milliseconds = Math.min(milliseconds, Date.now() - start);
    }
    const { status, stdout, stderr } = last;
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect((JSON.parse(stdout) as InspectDocument).family).toBe('llama');
    expect(milliseconds).toBeLessThan(1000);
  });

  it('analyzes the weights and says why there was no probe', () => {
    const { status, stdout, stderr } = cli('analyze', checkpoint, '--json', '--layers', '0', '--quiet');
    expect(status, stderr).toBe(0);
    const document = JSON.parse(stdout) as AnalysisDocument;
    expect(document.probe).toBeNull();
    expect(document.probeMissing).toMatch(/ONNX Runtime/);
    expect(document.device.used).toBeNull();
    expect(document.layers[0].scores.stability?.nullDraws).toBeGreaterThanOrEqual(5);
  });

  it('refuses to evaluate with a typed error', () => {
    const { status, stdout } = cli('evaluate', checkpoint, '--data', path.join(root, 'test/fixtures/banking77-slice.jsonl'), '--json');
    expect(status).toBe(1);
    const { error } = JSON.parse(stdout) as { error: ErrorRecord };
    expect(error.code).toBe('runtime/unavailable');
    expect(error.message).toMatch(/onnxruntime_binding\.node/);
  });
});

describe('the engine without ONNX Runtime', () => {
  let child: ChildProcess;
  let rpc: MessageConnection;

  beforeAll(async () => {
    child = fork(path.join(extension, 'dist/engine.js'), [], { execArgv: [], serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    rpc = createMessageConnection(new IPCMessageReader(child), new IPCMessageWriter(child));
    rpc.listen();
    const { buildId: build } = await bundle({ only: ['engine'], minify: true, sourcemap: false, dist: path.join(extension, 'rebuilt') });
    await rpc.sendRequest('engine/hello', { build, cacheDir: cache, cacheBytes: 1e8, threads: 0 });
  });
  afterAll(() => {
    rpc?.dispose();
    child?.kill('SIGKILL');
  });

  it('starts, and says why it cannot run models', async () => {
    const status = await rpc.sendRequest<EngineStatus>('engine/status', {});
    expect(status.ort).toBeNull();
    expect(status.ortError).toMatch(/onnxruntime_binding\.node/);
    expect(status.pid).toBe(child.pid);
  });

  it('still reads checkpoints', async () => {
    const document = await rpc.sendRequest<InspectDocument>('checkpoint/inspect', { path: checkpoint });
    expect(document.tensors.length).toBeGreaterThan(10);
  });
});
