#!/usr/bin/env node
/**
 * `npm test`: does its own set-up, then types, lint, package, unit and golden tests, tests of the package, end-to-end
 * tests. Prints `N passed, N failed` as its last line; the exit status is 0 only when nothing failed. Nothing is skipped:
 * a test that did not run counts as failed.
 *
 *   npm test [-- STAGE...]     stages: types lint package unit vsix e2e
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ensureTools } from './e2e/tools/setup.mjs';
import { ensureChromium, ensureDependencies, ROOT } from './setup.mjs';

const STAGES = ['types', 'lint', 'package', 'unit', 'vsix', 'e2e'];
/** A stage that hangs must not hang its caller. */
const STAGE_LIMIT_MS = 20 * 60 * 1000;

const asked = process.argv.slice(2);
const unknown = asked.filter(name => !STAGES.includes(name));
if (unknown.length > 0) {
  console.error(`Unknown stage ${unknown.join(', ')}. Stages: ${STAGES.join(' ')}`);
  process.exit(2);
}
const wanted = asked.length > 0 ? STAGES.filter(name => asked.includes(name)) : STAGES;

const total = { passed: 0, failed: 0 };
const timings = [];
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-test-'));
const began = Date.now();

/** Runs one stage; `work` returns `{passed, failed}` or throws, which counts as one failure. */
function stage(name, work) {
  console.log(`\n== ${name}`);
  const start = Date.now();
  let counts;
  try {
    counts = work() ?? { passed: 0, failed: 0 };
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    counts = { passed: 0, failed: 1 };
  }
  total.passed += counts.passed;
  total.failed += counts.failed;
  timings.push(`${name} ${((Date.now() - start) / 1000).toFixed(1)} s`);
  console.log(`-- ${name}: ${counts.passed} passed, ${counts.failed} failed (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  return counts.failed === 0;
}

function node(args, env = {}) {
  const result = spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env }, timeout: STAGE_LIMIT_MS, killSignal: 'SIGKILL' });
  if (result.error) throw result.error.code === 'ETIMEDOUT' ? new Error(`took longer than ${STAGE_LIMIT_MS / 60000} minutes`) : result.error;
  return result.signal ? 128 : result.status;
}

/** A program whose exit status is the verdict. */
const one = status => (status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });

/** Runs vitest and counts from its JSON report; tests that did not run, files that did not load and a crash of vitest itself are failures. */
function vitest(name, config, env) {
  const report = path.join(scratch, `${name}.json`);
  const status = node(['node_modules/vitest/vitest.mjs', 'run', '--config', config, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], env);
  if (!fs.existsSync(report)) throw new Error(`vitest ended with status ${status} and without a report`);
  const { numPassedTests: passed, numTotalTests: tests, testResults } = JSON.parse(fs.readFileSync(report, 'utf8'));
  const brokenFiles = testResults.filter(file => file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed')).length;
  let failed = tests - passed + brokenFiles;
  if (tests === 0 || (failed === 0 && status !== 0)) {
    console.error(tests === 0 ? `${name}: no test ran` : `${name}: vitest ended with status ${status} although every test passed`);
    failed++;
  }
  return { passed, failed };
}

const ready = stage('dependencies', () => ensureDependencies());
if (!ready) {
  console.error('Without its dependencies nothing else can run.');
} else {
  const needsTools = wanted.some(name => ['package', 'vsix', 'e2e'].includes(name));
  const needsChromium = wanted.some(name => ['unit', 'e2e'].includes(name));
  const chromiumReady = !needsChromium || stage('chromium', () => ensureChromium());
  const toolsReady = !needsTools || stage('tools', () => void ensureTools(console.log));
  if (wanted.includes('types')) stage('types', () => one(node(['node_modules/typescript/bin/tsc', '-p', '.', '--noEmit'])));
  if (wanted.includes('lint')) stage('lint', () => one(node(['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'])));
  const packaged = wanted.includes('package')
    ? stage('package', () => { if (!toolsReady) throw new Error('needs the tools above'); return one(node(['test/package/vsix.mjs'])); })
    : true;
  // Unit and golden tests call the built command line too.
  if (wanted.includes('unit')) stage('unit and golden', () => { if (!packaged) throw new Error('needs the build above'); return vitest('unit', 'vitest.config.mts'); });
  if (wanted.includes('vsix')) stage('vsix', () => { if (!packaged) throw new Error('needs the package above'); return vitest('vsix', 'test/package/vitest.config.mts'); });
  if (wanted.includes('e2e')) stage('e2e', () => { if (!packaged || !chromiumReady || !toolsReady) throw new Error('needs Chromium, the tools and the package above'); return vitest('e2e', 'test/e2e/vitest.config.mts'); });
}

fs.rmSync(scratch, { recursive: true, force: true });
console.log(`\n${timings.join(', ')}; ${((Date.now() - began) / 60000).toFixed(1)} min in all`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
