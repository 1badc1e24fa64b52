#!/usr/bin/env node
/**
 * `npm start`: sets itself up, builds, analyzes the sample checkpoint (or PATH), writes out/report.html and opens VS Code
 * with the extension and the checkpoint's folder in it: the desktop's `code` where there is one, otherwise code-server on
 * 127.0.0.1 until Ctrl-C.
 *
 *   npm start [-- [--no-open] [PATH]]     without a terminal attached it stops after the report, as with --no-open
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDependencies, ROOT } from './setup.mjs';

const SAMPLE = 'media/sample/modulens-sample';
const REPORT = path.join(ROOT, 'out/report.html');

const { values, positionals } = readArguments();
const checkpoint = positionals[0] === undefined ? path.join(ROOT, SAMPLE) : path.resolve(process.env.INIT_CWD ?? process.cwd(), positionals[0]);
const interactive = Boolean(process.stdout.isTTY && process.stdin.isTTY);

process.exitCode = await main();

async function main() {
  if (!fs.existsSync(checkpoint)) {
    console.error(`${checkpoint} does not exist. Give a model folder or a .safetensors file.`);
    return 2;
  }
  ensureDependencies(console.log);
  if (node(['esbuild.mjs']) !== 0) return 1;

  fs.mkdirSync(path.dirname(REPORT), { recursive: true });
  fs.rmSync(REPORT, { force: true });
  console.log(`\nAnalyzing ${show(checkpoint)}\n`);
  const status = node(['dist/cli.js', 'analyze', checkpoint, '--html', REPORT]);
  if (status !== 0) return status;
  console.log(`\nReport: ${show(REPORT)}`);
  if (values['no-open'] || !interactive) return 0;
  return commandExists('code') ? openDesktop() : openServer();
}

function openDesktop() {
  console.log(`Opening VS Code with the extension on ${show(path.dirname(checkpoint))}`);
  const windows = process.platform === 'win32';
  const quote = text => (windows ? `"${text}"` : text);
  return spawnSync('code', ['--new-window', `--extensionDevelopmentPath=${quote(ROOT)}`, quote(path.dirname(checkpoint))], { stdio: 'inherit', shell: windows }).status ?? 1;
}

async function openServer() {
  if (process.platform === 'win32') {
    console.log('VS Code\'s `code` command is not on the PATH. Install VS Code, or open the report above.');
    return 0;
  }
  console.log('`code` is not on the PATH: starting code-server, VS Code in the browser. The first time this downloads it from npm.');
  if (node(['test/package/vsix.mjs']) !== 0) return 1;
  const { installVsix, makeSandbox, startServer } = await import('./e2e/lib.mjs');
  const { ensureTools } = await import('./e2e/tools/setup.mjs');
  const tools = ensureTools(console.log);
  const sandbox = makeSandbox({ root: path.join(ROOT, 'out/workbench') });
  installVsix(tools, sandbox, path.join(ROOT, 'out', `modulens-${process.platform}-${process.arch}.vsix`));
  const server = await startServer(tools, sandbox, { port: await freePort(8080) });
  console.log(`\nOpen ${server.url}/?folder=${encodeURIComponent(path.dirname(checkpoint))}\nRight-click ${path.basename(checkpoint)} in the explorer and choose "Modulens: Analyze Modularity". Ctrl-C here stops the server.`);
  const interrupted = new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => resolve('signal'));
  });
  const why = await Promise.race([interrupted, server.exited.then(() => 'exit')]);
  await server.stop();
  console.log(why === 'exit' ? `code-server ended; its log is ${show(server.logPath)}` : 'stopped');
  return why === 'exit' ? 1 : 0;
}

/** The wished port if it is free, else 0 (any). */
async function freePort(port) {
  const { createServer } = await import('node:net');
  return new Promise(resolve => {
    const probe = createServer().once('error', () => resolve(0)).listen(port, '127.0.0.1', () => probe.close(() => resolve(port)));
  });
}

function node(args) {
  const result = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

function commandExists(name) {
  const extensions = process.platform === 'win32' ? ['.cmd', '.exe'] : [''];
  return (process.env.PATH ?? '').split(path.delimiter).some(folder => extensions.some(extension => fs.existsSync(path.join(folder, name + extension))));
}

function show(file) {
  const relative = path.relative(process.cwd(), file);
  return relative !== '' && !relative.startsWith('..') ? relative : file;
}

function readArguments() {
  try {
    const parsed = parseArgs({ options: { 'no-open': { type: 'boolean', default: false } }, allowPositionals: true });
    if (parsed.positionals.length > 1) throw new Error('Give one checkpoint only.');
    return parsed;
  } catch (error) {
    console.error(`${error.message}\nUsage: npm start [-- [--no-open] [PATH]]`);
    process.exit(2);
  }
}
