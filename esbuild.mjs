#!/usr/bin/env node
/**
 * Builds `dist/`: the extension host, the engine, the command line and the pages, ONNX Runtime's native library for one
 * platform, the icon font, and THIRD_PARTY_NOTICES.txt.
 *
 *   node esbuild.mjs [--only cli,engine] [--minify] [--no-sourcemap] [--target linux-x64]
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const NODE_MODULES = path.join(ROOT, 'node_modules');
const NATIVE = path.join(NODE_MODULES, 'onnxruntime-node/bin/napi-v6');
const LICENCES = path.join(ROOT, 'media/licenses');

const NODE_BUNDLES = {
  extension: { entry: 'extension/host/main.ts', external: ['vscode'] },
  engine: { entry: 'extension/engine/server.ts' },
  cli: { entry: 'extension/engine/cli.ts', banner: { js: '#!/usr/bin/env node' } },
};
const PAGES = { analysis: 'webview/analysis/main.ts', tensors: 'webview/tensors/main.ts', routing: 'webview/routing/main.ts', transfer: 'webview/transfer/main.ts', merge: 'webview/merge/main.ts' };

/** This machine's target in the spelling of VS Code packages. */
export const hostTarget = () => `${process.platform}-${process.arch}`;

/**
 * Platforms that onnxruntime-node has a native library for.
 * @type {() => string[]}
 */
export const targets = () => fs.readdirSync(NATIVE).flatMap(platform => fs.readdirSync(path.join(NATIVE, platform)).map(arch => `${platform}-${arch}`)).sort();

/**
 * Native files of one target. macOS carries the same library under two names; the binding links only the short one.
 * @param {string} target
 * @returns {string[]}
 */
export function nativeFiles(target) {
  const folder = path.join(NATIVE, ...target.split('-'));
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder).filter(name => !/^libonnxruntime\.\d+\.\d+\.\d+\.dylib$/.test(name)).map(name => path.join(folder, name));
}

/**
 * Lines of packages that cannot stay as they are. The build fails when upstream writes such a line in another way.
 * - onnxruntime-node finds its binding beside its own files; in a bundle it lies in dist/ort/<platform>-<arch>.
 * - fast-element falls back to `new Function` where there is no globalThis; pages must be free of evaluated code.
 */
const REWRITES = [
  {
    filter: /onnxruntime-node[\\/]dist[\\/]binding\.js$/,
    from: /require\(`\.\.\/bin\/napi-v6\/\$\{process\.platform\}\/\$\{process\.arch\}\/onnxruntime_binding\.node`\)/,
    to: "require(require('node:path').join(__dirname, 'ort', process.platform + '-' + process.arch, 'onnxruntime_binding.node'))",
  },
  { filter: /fast-element[\\/]dist[\\/]esm[\\/]platform\.js$/, from: /new Function\("return this"\)\(\)/, to: 'globalThis' },
];

const rewritePlugin = {
  name: 'rewrite',
  setup(build) {
    for (const { filter, from, to } of REWRITES) {
      build.onLoad({ filter }, args => {
        const source = fs.readFileSync(args.path, 'utf8');
        if (!from.test(source)) return { errors: [{ text: `${path.relative(ROOT, args.path)} has changed: ${from} is not in it. Adapt REWRITES in esbuild.mjs.` }] };
        return { contents: source.replace(from, () => to), loader: 'js' };
      });
    }
  },
};

/**
 * Builds; `packages` are the names of the bundled packages.
 * @param {{only?: string[], minify?: boolean, sourcemap?: boolean, target?: string, dist?: string}} [options]
 * @returns {Promise<{buildId: string, version: string, packages: string[], inputs: Record<string, string[]>}>} `inputs`: by
 *   bundle, the files whose code is in it
 */
export async function build({ only, minify = false, sourcemap = true, target = hostTarget(), dist = path.join(ROOT, 'dist') } = {}) {
  const names = only ?? [...Object.keys(NODE_BUNDLES), ...Object.keys(PAGES)];
  const entries = { ...Object.fromEntries(Object.entries(NODE_BUNDLES).map(([name, bundle]) => [name, bundle.entry])), ...PAGES };
  const unknown = names.filter(name => !(name in entries));
  if (unknown.length > 0) throw new Error(`--only: unknown bundle ${unknown.join(', ')}. Known: ${Object.keys(entries).join(', ')}.`);
  const missing = names.filter(name => !fs.existsSync(path.join(ROOT, entries[name])));
  if (missing.length > 0) throw new Error(`Missing entry file ${missing.map(name => entries[name]).join(', ')}. Build the others with --only ${names.filter(name => !missing.includes(name)).join(',') || 'NAME'}.`);

  const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const buildId = contentId([minify, version]);
  const common = {
    absWorkingDir: ROOT, bundle: true, metafile: true, minify, sourcemap: sourcemap ? 'linked' : false, sourcesContent: false, charset: 'utf8', legalComments: 'none', logLevel: 'warning',
    define: { __MODULENS_VERSION__: JSON.stringify(version), __MODULENS_BUILD__: JSON.stringify(buildId) },
  };
  fs.mkdirSync(dist, { recursive: true });
  const results = await Promise.all(names.map(name => name in PAGES
    ? esbuild.build({ ...common, entryPoints: { [name]: PAGES[name] }, outdir: dist, platform: 'browser', format: 'iife', target: ['chrome128'], plugins: [rewritePlugin], loader: { '.ttf': 'file', '.svg': 'text' } })
    : esbuild.build({ ...common, entryPoints: { [name]: NODE_BUNDLES[name].entry }, outdir: dist, platform: 'node', format: 'cjs', target: 'node20', external: NODE_BUNDLES[name].external ?? [], banner: NODE_BUNDLES[name].banner, plugins: [rewritePlugin] })));
  if (names.includes('cli')) fs.chmodSync(path.join(dist, 'cli.js'), 0o755);

  const inputs = Object.fromEntries(results.map((result, i) => [names[i], filesWithCode(result.metafile)]));
  const packages = [...new Set(Object.values(inputs).flat().map(packageName).filter(name => name !== null))];
  if (packages.includes('onnxruntime-node')) copyNative(target, dist);
  for (const file of ['codicon.css', 'codicon.ttf']) fs.copyFileSync(path.join(NODE_MODULES, '@vscode/codicons/dist', file), path.join(dist, file));
  packages.push('@vscode/codicons');
  packages.sort();
  if (only === undefined) fs.writeFileSync(path.join(dist, 'THIRD_PARTY_NOTICES.txt'), notices(packages, target));
  return { buildId, version, packages, inputs };
}

/** Files that are in a bundle, without those that were dropped because nothing of them is used. */
const filesWithCode = metafile => [...new Set(Object.values(metafile.outputs).flatMap(output => Object.entries(output.inputs)).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file))];

/** Identifies what was built: the same sources give the same id, so host, engine and pages of one build agree. */
function contentId(extra) {
  const hash = createHash('sha256').update(JSON.stringify(extra));
  const files = ['extension', 'webview'].flatMap(folder => fs.readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile()).map(entry => path.join(entry.parentPath ?? entry.path, entry.name))).sort();
  for (const file of [...files, path.join(ROOT, 'package-lock.json'), path.join(ROOT, 'esbuild.mjs')]) hash.update(path.relative(ROOT, file)).update('\0').update(fs.readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Puts the native library of the target, and no other, into dist/ort. */
function copyNative(target, dist) {
  const files = nativeFiles(target);
  if (files.length === 0) console.warn(`onnxruntime-node ${packageOf('onnxruntime-node').version} has no library for ${target}: what needs it will say so.`);
  const ort = path.join(dist, 'ort');
  for (const other of fs.existsSync(ort) ? fs.readdirSync(ort) : []) if (other !== target) fs.rmSync(path.join(ort, other), { recursive: true, force: true });
  fs.mkdirSync(path.join(ort, target), { recursive: true });
  for (const file of files) {
    const copy = path.join(ort, target, path.basename(file));
    // A running engine maps the library: never rewrite one that is right already.
    if (fs.existsSync(copy) && fs.statSync(copy).size === fs.statSync(file).size) continue;
    fs.copyFileSync(file, copy + '.part');
    fs.renameSync(copy + '.part', copy);
  }
}

const packageOf = name => JSON.parse(fs.readFileSync(path.join(NODE_MODULES, name, 'package.json'), 'utf8'));

/** `node_modules/@a/b/c.js` -> `@a/b`; null for our own files. A nested package keeps its path (`a/node_modules/b`). */
function packageName(input) {
  const first = input.indexOf('node_modules/');
  if (first < 0) return null;
  return /^(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(input.slice(first + 'node_modules/'.length))[0];
}

/** Licence files of a package: its own, or ours where it ships none. Empty when neither exists. */
function licenceFiles(name) {
  const folder = path.join(NODE_MODULES, name);
  const own = fs.readdirSync(folder).filter(file => /^(licen[cs]e|copying|notice|third.?party|copyright)/i.test(file) && fs.statSync(path.join(folder, file)).isFile()).sort();
  if (own.some(file => /^(licen[cs]e|copying)/i.test(file))) return own.map(file => path.join(folder, file));
  return /^(onnxruntime-(node|common)|@microsoft\/fast-.+)$/.test(name) ? [path.join(LICENCES, 'microsoft-mit.txt')] : [];
}

/**
 * Text of THIRD_PARTY_NOTICES.txt. Throws when a bundled package has no licence text.
 * @param {readonly string[]} packages
 * @param {string} target
 * @returns {string}
 */
export function notices(packages, target) {
  const rule = '\n' + '='.repeat(100) + '\n';
  const parts = packages.map(name => {
    const { version, license, homepage } = packageOf(name);
    const files = licenceFiles(name);
    if (files.length === 0 || typeof license !== 'string') throw new Error(`The bundled package ${name} ${version} has no licence text. Add one to media/licenses and to licenceFiles() in esbuild.mjs.`);
    return `${name} ${version}\nLicence: ${license}${homepage ? `\n${homepage}` : ''}\n\n${files.map(file => fs.readFileSync(file, 'utf8').trim()).join('\n\n')}\n`;
  });
  if (packages.includes('onnxruntime-node')) {
    const { version } = packageOf('onnxruntime-node');
    const file = path.join(LICENCES, `onnxruntime-${version}-third-party.txt`);
    if (!fs.existsSync(file)) throw new Error(`${path.relative(ROOT, file)} is missing: ONNX Runtime ${version} needs its own third-party notices (media/licenses/README.md).`);
    parts.push(`Inside ONNX Runtime's native library (${version})\n\n${fs.readFileSync(file, 'utf8').trim()}\n`);
    if (target.startsWith('win32')) parts.push('DirectML.dll, dxcompiler.dll and dxil.dll come with onnxruntime-node, unchanged, under the terms that Microsoft publishes for the packages Microsoft.AI.DirectML and Microsoft.Direct3D.DXC (DirectX Shader Compiler: University of Illinois/NCSA Open Source License).\n');
  }
  return `Modulens contains the following third-party software.\n${rule}${parts.join(rule)}`;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { only: { type: 'string' }, minify: { type: 'boolean' }, 'no-sourcemap': { type: 'boolean' }, target: { type: 'string' } } });
  try {
    const start = Date.now();
    const { buildId } = await build({ only: values.only?.split(',').map(name => name.trim()), minify: values.minify, sourcemap: !values['no-sourcemap'], target: values.target });
    console.log(`built dist/ (${buildId}) in ${Date.now() - start} ms`);
  } catch (error) {
    // esbuild has printed its own messages already.
    if (!Array.isArray(error.errors)) console.error(error.message);
    process.exitCode = 1;
  }
}
