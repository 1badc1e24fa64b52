#!/usr/bin/env node
/**
 * Installs the pinned tools of packaging and end-to-end tests (code-server, vsce, Node 24) into a cache folder, once per
 * lockfile, and prints that folder. No install script of any package runs and no compiler is needed.
 *
 * Facts this stands on: code-server's postinstall would compile native modules in two nested folders. Without it, two of
 * them are missed: @vscode/spdlog (no log files) and @vscode/native-watchdog (an error per extension host). Both get a
 * small stand-in below. `npm ci` cannot be used in lib/vscode because upstream's shrinkwrap lacks a peer dependency.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));

/* `exports.x =` and not `module.exports =`: the server loads these with ESM import(), which sees only such names. */
const SPDLOG = `'use strict';
const fs = require('node:fs');
const path = require('node:path');
const LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical'];
const two = (n, w = 2) => String(n).padStart(w, '0');
class Logger {
  constructor(type, name, file) { this.file = file; this.level = 2; this.raw = false; }
  setLevel(level) { this.level = level; }
  getLevel() { return this.level; }
  setPattern() { this.raw = false; }
  clearFormatters() { this.raw = true; }
  flush() {}
  drop() {}
  write(level, text) {
    if (level < this.level) return;
    const d = new Date();
    const stamp = d.getFullYear() + '-' + two(d.getMonth() + 1) + '-' + two(d.getDate()) + ' ' + two(d.getHours()) + ':' + two(d.getMinutes()) + ':' + two(d.getSeconds()) + '.' + two(d.getMilliseconds(), 3);
    fs.appendFileSync(this.file, this.raw ? text : stamp + ' [' + LEVELS[level] + '] ' + text + '\\n');
  }
}
LEVELS.forEach((name, level) => { Logger.prototype[name === 'warning' ? 'warn' : name] = function (text) { this.write(level, text); }; });
const make = async (name, file) => {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.appendFileSync(file, '');
  return new Logger('', name, file);
};
exports.version = 11200;
exports.setLevel = () => {};
exports.setFlushOn = () => {};
exports.Logger = Logger;
exports.createRotatingLogger = make;
exports.createAsyncRotatingLogger = make;
`;
const WATCHDOG = `'use strict';
exports.start = pid => { setInterval(() => { try { process.kill(pid, 0); } catch { process.kill(process.pid, 'SIGKILL'); } }, 1000).unref(); };
exports.exit = code => process.reallyExit(code || 0);
`;

/** Where the tools of this lockfile belong; the folder may not exist yet. */
export function toolsFolder() {
  const hash = createHash('sha256').update(fs.readFileSync(path.join(HERE, 'package-lock.json'))).update(SPDLOG + WATCHDOG + `${process.platform}-${process.arch}`);
  const base = process.env.MODULENS_E2E_CACHE ?? path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'modulens-e2e');
  return path.join(base, hash.digest('hex').slice(0, 12));
}

/** Whether the tools are complete. */
export const toolsReady = () => fs.existsSync(path.join(toolsFolder(), '.complete'));

/** Installs the tools if they are missing. Returns the paths: `{dir, node, codeServer, vsce}`; `node` is the bundled Node 24, or this one where none is published. */
export function ensureTools(log = text => console.error(text)) {
  const dir = toolsFolder();
  if (!toolsReady()) install(dir, log);
  return locate(dir);
}

function locate(dir) {
  const modules = path.join(dir, 'node_modules');
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const bundled = path.join(modules, `node-${platform}-${process.arch}`, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return {
    dir,
    node: fs.existsSync(bundled) ? bundled : process.execPath,
    codeServer: path.join(modules, 'code-server/out/node/entry.js'),
    vsce: path.join(modules, '@vscode/vsce/vsce'),
  };
}

function install(dir, log) {
  const start = Date.now();
  const base = path.dirname(dir);
  fs.mkdirSync(base, { recursive: true });
  const temporary = fs.mkdtempSync(path.join(base, '.tmp-'));
  const lap = text => log(`[tools] ${text} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  try {
    log('[tools] installing code-server, vsce and Node 24 into ' + dir);
    for (const file of ['package.json', 'package-lock.json']) fs.copyFileSync(path.join(HERE, file), path.join(temporary, file));
    npm(temporary, 'ci', '--engine-strict=false');
    lap('npm ci');
    const server = path.join(temporary, 'node_modules/code-server/lib/vscode');
    npm(server, 'install', '--omit=dev', '--no-save');
    npm(path.join(server, 'extensions'), 'install', '--omit=dev', '--no-save');
    fs.writeFileSync(path.join(server, 'node_modules/@vscode/spdlog/index.js'), SPDLOG);
    fs.writeFileSync(path.join(server, 'node_modules/@vscode/native-watchdog/index.js'), WATCHDOG);
    lap('code-server\'s own dependencies');
    const tools = locate(temporary);
    const version = execFileSync(tools.node, [tools.codeServer, '--version'], { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: temporary } }).trim().split('\n').at(-1);
    lap(`code-server ${version}`);
    fs.writeFileSync(path.join(temporary, '.complete'), version + '\n');
    try {
      fs.renameSync(temporary, dir);
    } catch (error) {
      if (!toolsReady()) throw error; // otherwise another process finished first
    }
    removeStale(base, dir);
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}

/** Tools of earlier lockfiles that nobody installed anew for two weeks; younger ones may be in use by another checkout. */
function removeStale(base, keep) {
  const limit = Date.now() - 14 * 24 * 3600 * 1000;
  for (const name of fs.readdirSync(base)) {
    const folder = path.join(base, name);
    if (folder !== keep && fs.statSync(folder).mtimeMs < limit) fs.rmSync(folder, { recursive: true, force: true });
  }
}

function npm(cwd, ...args) {
  const env = { ...process.env, npm_config_ignore_scripts: 'true', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' };
  // A parent `npm run` leaves settings of its own project behind.
  for (const key of Object.keys(env)) if (/^npm_(package|lifecycle|command|execpath|node_execpath)/.test(key)) delete env[key];
  const windows = process.platform === 'win32';
  execFileSync(windows ? 'npm.cmd' : 'npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, env, stdio: ['ignore', 2, 2], shell: windows });
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) console.log(ensureTools().dir);
