/** Set-up that `npm start` and `npm test` do for themselves on a fresh clone. Uses Node's own modules only. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const CHROMIUM_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', 'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe', 'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe'];
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

const readJson = file => JSON.parse(fs.readFileSync(file, 'utf8'));

/** Whether node_modules holds what package-lock.json asks for on this platform. */
export function dependenciesReady() {
  try {
    const wanted = readJson(path.join(ROOT, 'package-lock.json')).packages;
    const present = readJson(path.join(ROOT, 'node_modules/.package-lock.json')).packages;
    return Object.entries(wanted).every(([key, entry]) => key === '' || entry.optional || present[key]?.version === entry.version);
  } catch {
    return false;
  }
}

/** Runs `npm ci` when node_modules is missing or belongs to another lockfile. No install script runs (see .npmrc). */
export function ensureDependencies(log = console.log) {
  if (dependenciesReady()) return;
  log('installing dependencies (npm ci)');
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  for (const key of Object.keys(env)) if (/^npm_(package|lifecycle|command)/.test(key)) delete env[key];
  const windows = process.platform === 'win32';
  execFileSync(windows ? 'npm.cmd' : 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT, env, stdio: ['ignore', 2, 2], shell: windows });
}

/** Path of a Chromium to test with, or null. MODULENS_CHROMIUM overrides. */
export function findChromium() {
  const candidates = process.env.MODULENS_CHROMIUM ? [process.env.MODULENS_CHROMIUM] : CHROMIUM_PATHS;
  return candidates.find(file => fs.existsSync(file)) ?? null;
}

/** Vulkan driver description of Debian's chromium: a software adapter for WebGPU where there is no GPU. Null elsewhere. */
export const softwareVulkan = () => (fs.existsSync(SWIFTSHADER) ? SWIFTSHADER : null);

const hasVulkanLoader = () => process.platform !== 'linux' || /libvulkan\.so\.1/.test(spawnSync('ldconfig', ['-p'], { encoding: 'utf8', env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` } }).stdout ?? '');

/** Installs Chromium and the Vulkan loader from Debian when they are missing and we may. Throws with what to do otherwise. */
export function ensureChromium(log = console.log) {
  const missing = () => [...(findChromium() ? [] : ['chromium']), ...(hasVulkanLoader() ? [] : ['libvulkan1'])];
  const packages = missing();
  if (packages.length === 0) return;
  const remedy = `Install ${packages.join(' and ')} (Debian: apt-get update && apt-get install --no-install-recommends ${packages.join(' ')})${packages.includes('chromium') ? ', or set MODULENS_CHROMIUM to a Chromium or Chrome executable' : ''}.`;
  if (process.env.MODULENS_CHROMIUM && packages.includes('chromium')) throw new Error(`MODULENS_CHROMIUM=${process.env.MODULENS_CHROMIUM} does not exist.`);
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).error) throw new Error(remedy);
  log(`installing ${packages.join(', ')} (apt-get)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update', '-q'], ['install', '-y', '-q', '--no-install-recommends', ...packages]]) {
    const result = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (result.status !== 0) throw new Error(`apt-get ${args[0]} failed: ${(result.stderr || result.stdout || '').trim().split('\n').at(-1)}\n${remedy}`);
  }
  if (missing().length > 0) throw new Error(remedy);
}
