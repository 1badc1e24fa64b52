/**
 * Harness of the end-to-end tests: the packaged extension in a real VS Code (code-server) driven in a real Chromium.
 * Everything listens on 127.0.0.1 and lives under one temporary folder; every other host is blocked.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findChromium, ROOT } from '../setup.mjs';
import { ensureTools } from './tools/setup.mjs';

/* Generous, because continuous integration shares its cores; a passing run needs a tenth of this. */
const SERVER_START_MS = 120_000;
const WORKBENCH_MS = 150_000;
const STEP_MS = 60_000;

/** Settings that keep VS Code quiet and repeatable. */
export const SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.reduceMotion': 'on',
  'workbench.editor.enablePreview': false,
  'workbench.editor.empty.hint': 'hidden',
  'chat.disableAIFeatures': true,
  'chat.commandCenter.enabled': false,
  'window.commandCenter': false,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'npm.fetchOnlinePackageInfo': false,
  'json.schemaDownload.enable': false,
  'editor.cursorBlinking': 'solid',
};

/** Tools of the tests; throws with the remedy when one is missing (there is no way to skip). */
export function findTools() {
  const chromium = findChromium();
  if (chromium === null) throw new Error('No Chromium. Debian: apt-get update && apt-get install --no-install-recommends chromium libvulkan1; or set MODULENS_CHROMIUM.');
  return { ...ensureTools(), chromium };
}

/** A fresh VS Code home: user data, extensions, an empty workspace folder. */
export function makeSandbox({ settings = {}, root = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-e2e-')) } = {}) {
  const sandbox = {
    root,
    data: path.join(root, 'data'),
    extensions: path.join(root, 'extensions'),
    workspace: path.join(root, 'workspace'),
    home: path.join(root, 'home'),
    remove: () => fs.rmSync(root, { recursive: true, force: true, maxRetries: 3 }),
  };
  for (const folder of [path.join(sandbox.data, 'User'), sandbox.extensions, sandbox.workspace, sandbox.home]) fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(sandbox.data, 'User/settings.json'), JSON.stringify({ ...SETTINGS, ...settings }, null, 1));
  fs.writeFileSync(path.join(root, 'config.yaml'), '');
  return sandbox;
}

/** A small environment: nothing of a surrounding VS Code, no marketplace. */
const serverEnv = (sandbox, extra = {}) => ({ PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: sandbox.home, XDG_RUNTIME_DIR: sandbox.root, TMPDIR: os.tmpdir(), EXTENSIONS_GALLERY: '{}', ...extra });
const serverArgs = (tools, sandbox) => [tools.codeServer, '--config', path.join(sandbox.root, 'config.yaml'), '--user-data-dir', sandbox.data, '--extensions-dir', sandbox.extensions];

/** Installs a VSIX into the sandbox. Returns what code-server printed. */
export function installVsix(tools, sandbox, vsix) {
  return execFileSync(tools.node, [...serverArgs(tools, sandbox), '--install-extension', vsix], { env: serverEnv(sandbox), encoding: 'utf8' });
}

/* Servers are process groups of their own: take them down with us, whatever happens. */
const live = new Set();
const reap = () => {
  for (const pid of live) signalGroup(pid, 'SIGKILL');
};
process.on('exit', reap);

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}

/** Starts code-server. `options` are `--vscode-option` values; `port` 0 picks a free one. */
export async function startServer(tools, sandbox, { env = {}, options = [], port = 0 } = {}) {
  const logPath = path.join(sandbox.root, `server-${Date.now()}.log`);
  const logFile = fs.openSync(logPath, 'a');
  const args = [...serverArgs(tools, sandbox), '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', '--disable-getting-started-override', '--ignore-last-opened', '--reconnection-grace-time', '3', ...options.flatMap(option => ['--vscode-option', option])];
  const child = spawn(tools.node, args, { env: serverEnv(sandbox, env), stdio: ['ignore', logFile, logFile], detached: true });
  fs.closeSync(logFile);
  live.add(child.pid);
  let exited = null;
  child.once('exit', (code, signal) => {
    exited = signal ?? code;
    live.delete(child.pid);
  });
  const log = () => fs.readFileSync(logPath, 'utf8');
  const limit = Date.now() + SERVER_START_MS;
  let url;
  while (url === undefined) {
    if (exited !== null) throw new Error(`code-server ended (${exited}) before it listened:\n${log()}`);
    if (Date.now() > limit) {
      signalGroup(child.pid, 'SIGKILL');
      throw new Error(`code-server did not listen within ${SERVER_START_MS / 1000} s:\n${log()}`);
    }
    url = /HTTP server listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(log())?.[1];
    if (url === undefined) await sleep(50);
  }
  return {
    url,
    pid: child.pid,
    logPath,
    exited: new Promise(resolve => child.once('exit', resolve)),
    async stop() {
      if (exited !== null) return;
      const done = new Promise(resolve => child.once('exit', resolve));
      signalGroup(child.pid, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), 5000);
      await done;
      clearTimeout(timer);
      signalGroup(child.pid, 'SIGKILL');
    },
  };
}

export async function launchBrowser(tools) {
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath: tools.chromium,
    headless: true,
    chromiumSandbox: false,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-features=Translate,OptimizationHints,MediaRouter', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
}

/** A page that records what must not happen: console errors, page errors, requests to other hosts. */
export async function newPage(browser, { viewport = { width: 1440, height: 900 }, deviceScaleFactor = 1 } = {}) {
  const context = await browser.newContext({ viewport, deviceScaleFactor, reducedMotion: 'reduce' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  const capture = { console: [], errors: [], external: [] };
  page.on('console', message => {
    if (message.type() === 'error') capture.console.push(`${message.text()} @${message.location()?.url ?? ''}`.slice(0, 600));
  });
  page.on('pageerror', error => capture.errors.push(String(error)));
  page.on('request', request => {
    const { protocol, hostname } = new URL(request.url());
    // Pages of extensions live under vscode-cdn.net, which a service worker answers on this machine.
    if (/^(https?|wss?):$/.test(protocol) && hostname !== '127.0.0.1' && !hostname.endsWith('.vscode-cdn.net')) capture.external.push(request.url().slice(0, 200));
  });
  return { context, page, capture };
}

/** VS Code's own complaints here: code-server lacks its closed `vsda` module, nobody signs in to GitHub, and a busy machine is slow to save. */
const KNOWN_NOISE = /vsda|authentication provider 'github'|Aborted onWillSaveTextDocument-event/;

/** Console and page errors that are ours. */
export const unexpectedErrors = capture => [...capture.errors, ...capture.console.filter(line => !KNOWN_NOISE.test(line))];

export async function openFolder(page, url, folder) {
  const address = new URL(`${url}/`);
  address.searchParams.set('folder', folder);
  await page.goto(address.toString(), { waitUntil: 'commit' });
  await page.locator('.monaco-workbench').waitFor({ timeout: WORKBENCH_MS });
  await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor({ timeout: WORKBENCH_MS });
}

/** Runs a command through the palette by its title. */
export async function runCommand(page, title) {
  await page.keyboard.press('F1');
  const input = page.locator('.quick-input-widget input[type=text]:visible').first();
  await input.waitFor();
  await input.fill(`>${title}`);
  // The best match need not be the first.
  await page.locator('.quick-input-widget .monaco-list-row').filter({ has: page.locator('.label-name', { hasText: new RegExp(`^${escapeText(title)}$`) }) }).click();
}

const escapeText = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A row of the explorer by its exact name. */
export const treeRow = (page, name) => page.locator('.explorer-folders-view .monaco-list-row').filter({ has: page.locator('.label-name', { hasText: new RegExp(`^${escapeText(name)}$`) }) });

/** Chooses an item of a row's context menu with the mouse, as a user does. */
export async function contextMenu(page, row, item) {
  for (let attempt = 0; ; attempt++) {
    await row.click({ button: 'right' });
    const menu = page.locator('.context-view .monaco-menu');
    await menu.waitFor();
    const entry = menu.locator('.action-item').filter({ hasText: item }).first();
    // Contributed items come with the extension scan; a menu opened earlier never gets them, so open it again.
    if (await entry.waitFor({ timeout: 3000 }).then(() => true, () => false)) {
      await page.waitForTimeout(150); // VS Code ignores mouse-up in a menu's first 100 ms.
      await entry.hover();
      await entry.click();
      if (await menu.waitFor({ state: 'detached', timeout: 3000 }).then(() => true, () => false)) return;
    }
    const seen = await menu.innerText().catch(() => '(closed)');
    await page.keyboard.press('Escape');
    if (attempt >= 5) throw new Error(`No usable item "${item}" in the context menu; it held: ${seen}`);
  }
}

/** Titles of a row's context menu; closes it again. */
export async function contextMenuItems(page, row) {
  await row.click({ button: 'right' });
  const menu = page.locator('.context-view .monaco-menu');
  await menu.waitFor();
  await page.waitForTimeout(500);
  const items = await menu.locator('.action-label').allInnerTexts();
  await page.keyboard.press('Escape');
  return items.map(text => text.trim()).filter(text => text !== '');
}

/** Document of the visible extension page: VS Code's shell frame, then ours. Hidden ones stay in the DOM. */
export const webview = page => page.frameLocator('iframe.webview.ready:visible').frameLocator('iframe#active-frame');

/** The Frame behind `webview(page)`, for scripts such as axe. */
export async function webviewFrame(page) {
  const handle = await webview(page).locator('body').elementHandle();
  return handle.ownerFrame();
}

/** Processes under a pid, itself included: `{pid, mib, command}`. Linux only. */
export function processTree(root) {
  const children = new Map();
  const facts = new Map();
  for (const pid of fs.readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      children.set(parent, [...(children.get(parent) ?? []), pid]);
      const resident = Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
      facts.set(pid, { pid: Number(pid), mib: Math.round(resident / 1024), command: fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() });
    } catch {
      // The process ended while we looked.
    }
  }
  const out = [];
  const walk = pid => {
    if (facts.has(pid)) out.push(facts.get(pid));
    for (const child of children.get(pid) ?? []) walk(child);
  };
  walk(String(root));
  return out;
}

/** Our engine processes under a server. */
export const engines = server => processTree(server.pid).filter(one => /dist\/engine\.js/.test(one.command));

/** Log files of VS Code and of the extension's output channels. */
export function logFiles(sandbox) {
  const folder = path.join(sandbox.data, 'logs');
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.log')).map(name => path.join(folder, name));
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Waits until `probe` gives something truthy; returns it. */
export async function until(probe, { timeout = 30_000, every = 50, what = 'a condition' } = {}) {
  const limit = Date.now() + timeout;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > limit) throw new Error(`waited ${timeout / 1000} s for ${what}`);
    await sleep(every);
  }
}

/** The package that `npm run package` made for this machine. */
export const VSIX = path.join(ROOT, 'out', `modulens-${process.platform}-${process.arch}.vsix`);

/** Pictures for a person to look at; ignored by git. */
export const PICTURES = path.join(ROOT, 'test/e2e/out');

/**
 * Everything a test file needs: the package installed in a fresh VS Code with a workspace that `fill` has put files into,
 * opened in a browser.
 * @param {{fill: (workspace: string) => void, settings?: Record<string, unknown>, viewport?: {width: number, height: number}, env?: Record<string, string>}} options
 */
export async function openWorkbench({ fill, settings, viewport, env }) {
  const tools = findTools();
  if (!fs.existsSync(VSIX)) throw new Error(`${path.relative(ROOT, VSIX)} is missing: run npm run package first`);
  fs.mkdirSync(PICTURES, { recursive: true });
  const sandbox = makeSandbox({ settings });
  let server, browser;
  const close = async () => {
    await browser?.close();
    await server?.stop();
    if (!process.env.MODULENS_E2E_KEEP) sandbox.remove();
  };
  try {
    fill(sandbox.workspace);
    installVsix(tools, sandbox, VSIX);
    server = await startServer(tools, sandbox, { env });
    browser = await launchBrowser(tools);
    const { context, page, capture } = await newPage(browser, { viewport });
    await openFolder(page, server.url, sandbox.workspace);
    return { tools, sandbox, server, browser, context, page, capture, close, picture: name => page.screenshot({ path: path.join(PICTURES, `${name}.png`) }) };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Chooses a colour theme by its name in the list. */
export async function chooseTheme(page, label) {
  await runCommand(page, 'Preferences: Color Theme');
  const input = page.locator('.quick-input-widget input[type=text]:visible').first();
  // The command's own list replaces that of the palette.
  const rows = page.locator('.quick-input-widget .monaco-list-row');
  await rows.filter({ hasText: 'Preferences: Color Theme' }).first().waitFor({ state: 'hidden' });
  await rows.first().waitFor();
  await input.fill(label);
  await page.locator('.quick-input-widget .monaco-list-row').first().filter({ hasText: label }).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-widget').first().waitFor({ state: 'hidden' });
}
