import fs from 'node:fs';
import path from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { attachArrow } from '../../../extension/routing/library/attachArrow';
import { bindLibrary } from '../../../extension/routing/library/bindLibrary';
import { openLibrary } from '../../../extension/routing/library/openLibrary';
import { openGolden, readMatrices, Runner } from '../models/goldenModels';
import { softwareVulkan } from '../../setup.mjs';

// Before ONNX Runtime is loaded: the Vulkan loader reads it when the device is made. A machine's own choice goes first.
const icd = process.env['VK_ICD_FILENAMES'] ?? softwareVulkan();
if (icd === null || !fs.existsSync(icd)) throw new Error('No Vulkan driver for WebGPU: install chromium and libvulkan1 (Debian), or set VK_ICD_FILENAMES.');
process.env['VK_ICD_FILENAMES'] = icd;
// The first graphs on a software adapter wait for its compiler.
vi.setConfig({ testTimeout: 120_000 });

const FIXTURES = path.join(__dirname, '../../fixtures/routing');
const runner = new Runner('webgpu');
afterAll(() => runner.close());

it('Arrow runs wholly on WebGPU, with the final logits of PEFT', async () => {
  const { metadata, matrices } = readMatrices(path.join(FIXTURES, 'arrow-gpt2.safetensors')), model = await openGolden('gpt2');
  const bound = await bindLibrary(model, await openLibrary(path.join(FIXTURES, 'arrow-gpt2')));
  const rows = (JSON.parse(metadata.rows) as number[][]).map((row) => Int32Array.from(row)), expected = matrices.get('k2|logits')?.data ?? new Float32Array(0);
  const found = (await runner.taps(model, rows, 'logits', attachArrow(bound, { k: 2, temperature: 0.25, mix: true }))).get('logits')?.data ?? new Float32Array(0);
  expect(found.length).toBe(expected.length);
  expect(found.length).toBeGreaterThan(0);
  expected.forEach((x, i) => expect(Math.abs(found[i] - x)).toBeLessThan(1e-3));
  expect([...runner.graphs.elsewhere]).toEqual([]);
});
