import { ESLint, type Linter } from 'eslint';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import tseslint from 'typescript-eslint';
import { beforeAll, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');
let eslint: ESLint;

beforeAll(() => {
  // Import rules need no types; without them a snippet can be checked under a file name that does not exist.
  const untyped = tseslint.configs.disableTypeChecked as Linter.Config;
  eslint = new ESLint({ cwd: root, overrideConfig: [untyped, { languageOptions: { parserOptions: { project: null, program: null } } }] });
});

/** Rule names that fire for one line of code in a room. */
async function rulesFor(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(`${code}\n`, { filePath: path.join(root, file) });
  expect(result.messages.filter(message => message.fatal)).toEqual([]);
  return result.messages.filter(message => /boundaries|restricted/.test(message.ruleId ?? '')).map(message => message.ruleId ?? '');
}

describe('import rules between rooms', () => {
  it.each([
    ['protocol imports numerics', 'extension/protocol/x.ts', "export * from '../numerics/random';", 'boundaries/dependencies'],
    ['checkpoint imports architecture', 'extension/checkpoint/x.ts', "export * from '../architecture/spec';", 'boundaries/dependencies'],
    ['host imports checkpoint', 'extension/host/x.ts', "export * from '../checkpoint/dtypes';", 'boundaries/dependencies'],
    ['a page imports numerics', 'webview/analysis/x.ts', "import '../../extension/numerics/random';", 'boundaries/dependencies'],
    ['render imports ui', 'webview/render/x.ts', "export * from '../ui/dom';", 'boundaries/dependencies'],
    ['the engine imports a page', 'extension/engine/x.ts', "import '../../webview/ui/dom';", 'boundaries/dependencies'],
    ['dynamic import across rooms', 'extension/checkpoint/x.ts', "void import('../architecture/spec');", 'boundaries/dependencies'],
    ['vscode outside the host', 'extension/engine/x.ts', "import * as vscode from 'vscode'; void vscode;", 'no-restricted-imports'],
    ['a type of vscode outside the host', 'extension/engine/x.ts', "import type { Uri } from 'vscode'; export type U = Uri;", 'no-restricted-imports'],
    ['ONNX Runtime outside runtime', 'extension/probe/x.ts', "import type { Tensor } from 'onnxruntime-node'; export type T = Tensor;", 'no-restricted-imports'],
    ['ONNX Runtime by require', 'extension/engine/x.ts', "require('onnxruntime-node');", 'no-restricted-syntax'],
    ['ONNX Runtime by dynamic import', 'extension/engine/x.ts', "void import('onnxruntime-node');", 'no-restricted-syntax'],
    ['the toolkit outside webview/ui', 'webview/analysis/x.ts', "import '@vscode/webview-ui-toolkit';", 'no-restricted-imports'],
    ['a file inside the toolkit', 'webview/analysis/x.ts', "import '@vscode/webview-ui-toolkit/dist/button/index.js';", 'no-restricted-imports'],
    ['the full d3 bundle', 'webview/ui/x.ts', "import * as d3 from 'd3'; void d3;", 'no-restricted-imports'],
    ['Node in a page', 'webview/ui/x.ts', "import 'node:fs';", 'no-restricted-imports'],
  ])('%s: flagged', async (_name, file, code, rule) => {
    expect(await rulesFor(file, code)).toContain(rule);
  });

  it.each([
    ['checkpoint imports protocol', 'extension/checkpoint/x.ts', "export * from '../protocol/score';"],
    ['checkpoint imports numerics', 'extension/checkpoint/x.ts', "export * from '../numerics/random';"],
    ['engine imports checkpoint', 'extension/engine/x.ts', "export * from '../checkpoint/dtypes';"],
    ['graph reaches checkpoint through architecture', 'extension/graph/x.ts', "export * from '../checkpoint/dtypes';"],
    ['a page imports the contracts', 'webview/analysis/x.ts', "export * from '../../extension/protocol/pageMessages';"],
    ['a page imports ui', 'webview/analysis/x.ts', "export * from '../ui/dom';"],
    ['vscode in the host', 'extension/host/x.ts', "import * as vscode from 'vscode'; void vscode;"],
    ['ONNX Runtime in runtime', 'extension/runtime/x.ts', "import type { Tensor } from 'onnxruntime-node'; export type T = Tensor;"],
    ['the toolkit in webview/ui', 'webview/ui/x.ts', "import '@vscode/webview-ui-toolkit';"],
    ['a d3 submodule', 'webview/ui/x.ts', "import 'd3-scale';"],
    ['Node in checkpoint', 'extension/checkpoint/x.ts', "import 'node:fs';"],
  ])('%s: allowed', async (_name, file, code) => {
    expect(await rulesFor(file, code)).toEqual([]);
  });

  it('knows every room', async () => {
    for (const room of readdirSync(path.join(root, 'extension'))) {
      expect(await rulesFor(`extension/${room}/x.ts`, "export const x = 1;"), room).toEqual([]);
    }
    expect(existsSync(path.join(root, 'extension/elsewhere'))).toBe(false);
    expect(await rulesFor('extension/elsewhere/x.ts', 'export const x = 1;')).toContain('boundaries/no-unknown-files');
  });
});
