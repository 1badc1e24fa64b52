#!/usr/bin/env node
/**
 * `npm run package`: builds for one platform and makes its VSIX with vsce (run on the tools' Node, because vsce needs
 * Node 22). Prints the file's path.
 *
 * A target without an ONNX Runtime library (darwin-x64, alpine-x64) gets a package that says so where it matters.
 *
 *   npm run package [-- --target linux-x64] [--out FOLDER]
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ensureTools } from '../e2e/tools/setup.mjs';
import { ensureDependencies, ROOT } from '../setup.mjs';

/** File that `npm run package` writes for a target. */
export const vsixPath = (target = `${process.platform}-${process.arch}`, folder = path.join(ROOT, 'out')) => path.join(folder, `modulens-${target}.vsix`);

const { values } = parseArgs({ options: { target: { type: 'string' }, out: { type: 'string' } } });
ensureDependencies(console.error);
const { build, hostTarget } = await import('../../esbuild.mjs');
const target = values.target ?? hostTarget();
const { buildId } = await build({ minify: true, sourcemap: false, target });
const out = vsixPath(target, values.out === undefined ? undefined : path.resolve(values.out));
fs.mkdirSync(path.dirname(out), { recursive: true });
const tools = ensureTools();
execFileSync(tools.node, [tools.vsce, 'package', '--target', target, '--no-dependencies', '--no-rewrite-relative-links', '--allow-missing-repository', '--no-update-package-json', '--out', out], { cwd: ROOT, stdio: ['ignore', 2, 2] });
console.log(`${path.relative(process.cwd(), out)}: ${(fs.statSync(out).size / 1e6).toFixed(1)} MB, ${target}, build ${buildId}`);
