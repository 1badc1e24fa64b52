/**
 * A forked process that speaks the engine's protocol through the real RPC server, with handlers that behave or
 * misbehave as the path of the request says. Built and forked by engineProcess.test.ts.
 */
import fs from 'node:fs';
import { createMessageConnection, IPCMessageReader, IPCMessageWriter } from 'vscode-jsonrpc/node';
import type { HandlerContext } from '../../../extension/engine/context';
import type { HandlerTable } from '../../../extension/engine/handlers';
import { RpcServer } from '../../../extension/engine/rpcServer';
import { failure } from '../../../extension/protocol/errors';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function behave(path: string, context: HandlerContext): Promise<void> {
  const [verb, argument] = path.split(':');
  switch (verb) {
    case 'crash':
      process.stderr.write('terminate called in the fake engine\n');
      context.progress({ stage: 'layer 3: shuffling tokens', done: 3, total: 12, etaSeconds: null });
      await sleep(150);
      process.kill(process.pid, 'SIGKILL');
      return sleep(10_000);
    case 'crashOnce':
      if (fs.existsSync(argument)) return;
      fs.writeFileSync(argument, '');
      return behave('crash', context);
    case 'block':
      for (const end = Date.now() + 30_000; Date.now() < end; );
      return;
    case 'wait':
      await Promise.race([sleep(Number(argument)), new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error)))]);
      return;
    case 'deaf':
      return sleep(Number(argument));
    case 'fail':
      throw failure('checkpoint/not-found', { path });
    case 'throw':
      throw new TypeError('boom');
  }
}

/** Only what the tests ask for: the real handlers would bring ONNX Runtime along. */
const table: Partial<HandlerTable> = {
  'engine/status': async (_, context) => ({ build: context.settings.cacheDir, pid: process.pid, node: process.versions.node, ort: String(process.execArgv.length), ortError: process.env.NODE_OPTIONS ?? null, devices: [], chosen: null }),
  'checkpoint/inspect': async ({ path }, context) => {
    await behave(path, context);
    return { kind: 'inspect', name: path } as never;
  },
  'analysis/run': async ({ path, run }, context) => {
    context.notify('analysis/layer', { run, layer: { index: 0 } as never });
    context.progress({ stage: 'layer 1', done: 1, total: 2, etaSeconds: 1 });
    await behave(path, context);
    return { kind: 'analyze', interactive: context.interactive } as never;
  },
  'analysis/picture': async () => ({ index: 0, mass: new Float32Array([1, 2, 3]).subarray(1), sizes: new Int32Array([7]) }) as never,
};

if (process.env.FAKE_SILENT) setInterval(() => undefined, 1000);
else if (process.env.FAKE_EXIT) {
  process.stderr.write('cannot find the library\n');
  process.exitCode = Number(process.env.FAKE_EXIT);
} else {
  const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process));
  new RpcServer({ connection, handlers: table as HandlerTable, build: process.env.FAKE_BUILD });
  process.once('disconnect', () => process.exit(0));
  connection.listen();
}
