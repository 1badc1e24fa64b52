import { unzipSync } from 'fflate';
import { transformSync } from 'esbuild';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, hostTarget } from '../../esbuild.mjs';

const PAGES = ['analysis', 'tensors', 'routing', 'transfer', 'merge'];

const root = path.resolve(import.meta.dirname, '../..');
const vsix = path.join(root, `out/modulens-${hostTarget()}.vsix`);

/** Ways to reach another machine. Comments are removed before the search. */
const NETWORK = /\bfetch\s*\(|\bXMLHttpRequest\b|\bWebSocket\b|\bEventSource\b|\bsendBeacon\b|\bRTCPeerConnection\b|\bWebTransport\b|["'](?:node:)?(?:https?|http2|net|tls|dgram|dns(?:\/promises)?|undici)["']/g;
const EVALUATION = /\beval\s*\(|\bnew Function\b|[^.\w]Function\s*\(\s*["'`]/g;

/** Libraries that could reach the network; why they do not. A line that no longer applies fails the test. */
const NETWORK_EXCEPTIONS: Readonly<Record<string, { readonly found: readonly string[]; readonly why: string }>> = {
  'vscode-jsonrpc': { found: ["'net'"], why: 'has transports over sockets and pipes; host and engine use only the one over the fork\'s own channel' },
};

let inputs: Record<string, string[]>;
let scratch: string;
let pages: Record<string, string>;

beforeAll(async () => {
  if (!existsSync(vsix)) throw new Error('the package is missing: run npm run package first');
  scratch = mkdtempSync(path.join(tmpdir(), 'modulens-bundles-'));
  ({ inputs } = await build({ minify: true, sourcemap: false, dist: scratch }));
  const entries = unzipSync(readFileSync(vsix));
  pages = Object.fromEntries(PAGES.map(name => [name, Buffer.from(entries[`extension/dist/${name}.js`]).toString('utf8')]));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Code of a file without its comments. */
function codeOf(file: string): string {
  const loader = /\.(m|c)?ts$/.test(file) ? 'ts' : 'js';
  return transformSync(readFileSync(path.join(root, file), 'utf8'), { loader, legalComments: 'none', charset: 'utf8' }).code;
}

const packageOf = (file: string): string | null => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? null;
const scripts = (names: readonly string[]): string[] => [...new Set(names.flatMap(name => inputs[name]))].filter(file => /\.[mc]?[jt]s$/.test(file));

describe('no network', () => {
  it('our code has no way to another machine', () => {
    const ours = ['extension', 'webview'].flatMap(folder => readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map(name => `${folder}/${name}`)).filter(name => name.endsWith('.ts'));
    expect(ours.length).toBeGreaterThan(20);
    const found = ours.flatMap(file => [...codeOf(file).matchAll(NETWORK)].map(match => `${file}: ${match[0]}`));
    expect(found).toEqual([]);
  });

  it('bundled libraries have none either, except those listed here with the reason', () => {
    const found = new Map<string, Set<string>>();
    for (const file of scripts(Object.keys(inputs))) {
      const name = packageOf(file);
      if (name === null) continue;
      for (const match of codeOf(file).matchAll(NETWORK)) found.set(name, (found.get(name) ?? new Set()).add(match[0].replaceAll('"', "'")));
    }
    expect(Object.fromEntries([...found].map(([name, what]) => [name, [...what].sort()]))).toEqual(Object.fromEntries(Object.entries(NETWORK_EXCEPTIONS).map(([name, { found: what }]) => [name, what])));
  });

  it('the search finds what it looks for', () => {
    for (const code of ['fetch("https://x")', 'new WebSocket(u)', "require('node:https')", 'import("http")', "from 'net'"]) expect(code.match(NETWORK), code).not.toBeNull();
  });
});

describe('pages', () => {
  it.each(PAGES)('%s evaluates no code', name => {
    expect(pages[name].length).toBeGreaterThan(1000);
    expect(pages[name].match(EVALUATION)).toBeNull();
  });

  it('hold d3 by its parts, never the whole', () => {
    const files = scripts(PAGES);
    expect(files.filter(file => /node_modules\/d3\//.test(file))).toEqual([]);
    expect(files.some(file => /node_modules\/d3-/.test(file))).toBe(true);
  });

  it('hold nothing of Node and nothing of the engine', () => {
    const rooms = scripts(PAGES).filter(file => file.startsWith('extension/')).map(file => file.split('/')[1]);
    expect([...new Set(rooms)]).toEqual(['protocol']);
  });
});

describe('where things are', () => {
  it('vscode is only in the host, ONNX Runtime only in the engine and the command line', () => {
    const holders = (part: string) => Object.keys(inputs).filter(name => inputs[name].some(file => file.includes(part))).sort();
    expect(holders('node_modules/onnxruntime-node/')).toEqual(['cli', 'engine']);
    expect(holders('extension/host/')).toEqual(['extension']);
    expect(holders('webview/')).toEqual([...PAGES].sort());
  });
});
