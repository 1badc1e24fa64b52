import { unzipSync } from 'fflate';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, hostTarget, nativeFiles, notices, targets } from '../../esbuild.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const target = hostTarget();
const file = path.join(root, `out/modulens-${target}.vsix`);
/** The limit; the marketplace would take more, a download on a train would not. */
const MAX_BYTES = 40e6;
/** Everything that may be in the package. */
const ALLOWED = [
  /^extension\.vsixmanifest$/, /^\[Content_Types\]\.xml$/,
  /^extension\/(package\.json|readme\.md|LICENSE\.txt)$/i,
  /^extension\/dist\/(extension|engine|cli|analysis|tensors|routing|transfer|merge)\.js$/,
  /^extension\/dist\/(analysis|tensors|routing|transfer|merge|codicon)\.css$/,
  /^extension\/dist\/codicon\.ttf$/,
  /^extension\/dist\/THIRD_PARTY_NOTICES\.txt$/,
  new RegExp(`^extension/dist/ort/${target}/[^/]+$`),
  /^extension\/media\/(icons|probe|walkthrough)\/[^/]+$/,
  /^extension\/media\/sample\/([^/]+\.md|(modulens|lora)-[^/]+\/[^/]+)$/,
];
const NATIVE_LIBRARY = /\.(node|dll|dylib|so(\.[0-9.]+)?)$/;

let bytes: Buffer;
let entries: Record<string, Uint8Array>;
let packages: readonly string[];
let buildId: string;
let scratch: string;

beforeAll(async () => {
  if (!existsSync(file)) throw new Error(`${path.relative(root, file)} is missing: run npm run package first`);
  bytes = readFileSync(file);
  entries = unzipSync(bytes);
  scratch = mkdtempSync(path.join(tmpdir(), 'modulens-vsix-'));
  ({ packages, buildId } = await build({ minify: true, sourcemap: false, dist: scratch }));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const names = () => Object.keys(entries).filter(name => !name.endsWith('/'));
const text = (name: string) => Buffer.from(entries[name]).toString('utf8');

describe('the VSIX of this platform', () => {
  it('names its target and its version', () => {
    const manifest = text('extension.vsixmanifest');
    const { version, engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string; engines: { vscode: string } };
    expect(manifest).toContain(`TargetPlatform="${target}"`);
    expect(manifest).toContain(`Version="${version}"`);
    expect(manifest).toContain(engines.vscode);
  });

  it('holds nothing but what is allowed', () => {
    expect(names().filter(name => !ALLOWED.some(pattern => pattern.test(name)))).toEqual([]);
  });

  it('holds no source map, script, training data or licence source', () => {
    expect(names().filter(name => /\.(map|ts|mjs|py|sh)$|media\/(licenses|sample\/train)\/|node_modules\//.test(name))).toEqual([]);
    for (const name of names().filter(one => one.endsWith('.js'))) expect(text(name), name).not.toContain('sourceMappingURL');
  });

  it('holds every bundle, the pages\' styles, the icons and the sample', () => {
    expect(names()).toEqual(expect.arrayContaining([
      ...['extension.js', 'engine.js', 'cli.js', ...['analysis', 'tensors', 'routing', 'transfer', 'merge'].flatMap((page) => [`${page}.js`, `${page}.css`]), 'codicon.css', 'codicon.ttf', 'THIRD_PARTY_NOTICES.txt'].map(name => `extension/dist/${name}`),
      'extension/media/sample/modulens-sample/config.json',
      'extension/media/sample/modulens-sample/model.safetensors',
      'extension/media/sample/lora-dutch/adapter_model.safetensors',
    ]));
  });

  it('holds the files that its manifest points to', () => {
    const manifest = JSON.parse(text('extension/package.json')) as { main: string; icon?: string };
    const referenced = [...JSON.stringify(manifest).matchAll(/"(?:\.\/)?((?:media|dist)\/[^"]+\.(?:svg|png|md|js|css))"/g)].map(match => `extension/${match[1]}`);
    expect(referenced).toContain('extension/dist/extension.js');
    expect(referenced.filter(name => !(name in entries))).toEqual([]);
  });

  it('holds ONNX Runtime for this platform and no other', () => {
    const expected = nativeFiles(target).map(source => `extension/dist/ort/${target}/${path.basename(source)}`);
    expect(expected.length).toBeGreaterThan(0);
    expect(names().filter(name => NATIVE_LIBRARY.test(name)).sort()).toEqual([...expected].sort());
    for (const source of nativeFiles(target)) expect(entries[`extension/dist/ort/${target}/${path.basename(source)}`].length).toBe(statSync(source).size);
  });

  it('is under 40 MB', () => {
    expect(bytes.length).toBeLessThan(MAX_BYTES);
  });

  it('was built in one go: host and engine carry the same build id', () => {
    expect(buildId).toMatch(/^[0-9a-f]{16}$/);
    for (const name of ['extension.js', 'engine.js']) expect(text(`extension/dist/${name}`), name).toContain(`"${buildId}"`);
  });
});

describe('packages of the other platforms', () => {
  it('would be under 40 MB each', () => {
    const own = new Set(nativeFiles(target).map(source => path.basename(source)));
    const shared = names().filter(name => !(name.includes('/ort/') && own.has(path.basename(name)))).reduce((sum, name) => sum + deflateRawSync(entries[name], { level: 6 }).length, 0);
    const sizes = targets().map(one => ({ target: one, bytes: shared + nativeFiles(one).reduce((sum, source) => sum + deflateRawSync(readFileSync(source), { level: 6 }).length, 0) }));
    console.log(sizes.map(one => `${one.target} ${(one.bytes / 1e6).toFixed(1)} MB`).join(', '));
    expect(sizes.map(one => one.target)).toEqual(['darwin-arm64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']);
    for (const one of sizes) expect(one.bytes, one.target).toBeLessThan(MAX_BYTES);
    // The estimate is one: this platform's real package is known.
    const mine = sizes.find(one => one.target === target);
    if (mine) expect(Math.abs(mine.bytes - bytes.length) / bytes.length).toBeLessThan(0.03);
  });
});

describe('third-party notices', () => {
  it('name every bundled package with its version', () => {
    const notice = text('extension/dist/THIRD_PARTY_NOTICES.txt');
    expect(packages).toEqual(expect.arrayContaining(['onnxruntime-node', 'onnxruntime-common', 'vscode-jsonrpc', '@vscode/codicons']));
    for (const name of packages) {
      const { version } = JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string };
      expect(notice).toContain(`\n${name} ${version}\nLicence: `);
    }
  });

  it('use licences that allow redistribution', () => {
    const licences = packages.map(name => (JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as { license: string }).license);
    expect([...new Set(licences)].filter(one => !['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Apache-2.0', 'CC-BY-4.0'].includes(one))).toEqual([]);
  });

  it('hold ONNX Runtime\'s own notices', () => {
    const notice = text('extension/dist/THIRD_PARTY_NOTICES.txt');
    expect(notice).toContain('Inside ONNX Runtime\'s native library');
    expect(notice).toMatch(/Dawn & Tint Authors/);
  });

  it('cannot be made for a package without a licence text', () => {
    expect(() => notices(['natural-compare'], target)).toThrow(/natural-compare 1\.4\.0 has no licence text/);
  });
});
