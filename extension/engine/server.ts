import { createMessageConnection, IPCMessageReader, IPCMessageWriter } from 'vscode-jsonrpc/node';
import { handlers } from './handlers';
import { RpcServer } from './rpcServer';

/** Time that running operations get to remove their temporary files after the host has gone. */
const FAREWELL_MS = 500;

/** Entry point of the forked engine process: serves the IPC channel to the host and ends with it. */
function main(): void {
  if (!process.send) {
    process.stderr.write('This is the Modulens engine. It is started by the VS Code extension; use cli.js on a command line.\n');
    process.exitCode = 2;
    return;
  }
  const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process));
  const server = new RpcServer({ connection, handlers });
  process.once('disconnect', () => {
    connection.dispose();
    void server.stop(FAREWELL_MS).finally(() => process.exit(0));
  });
  connection.listen();
}

main();
