import fs from 'node:fs';
import { vi } from 'vitest';
import { softwareVulkan } from '../../setup.mjs';
import { tapSuite } from './tapSuite';

// Before ONNX Runtime is loaded: the Vulkan loader reads it when the device is made. A machine's own choice goes first.
const icd = process.env['VK_ICD_FILENAMES'] ?? softwareVulkan();
if (icd === null || !fs.existsSync(icd)) throw new Error('No Vulkan driver for WebGPU: install chromium and libvulkan1 (Debian), or set VK_ICD_FILENAMES.');
process.env['VK_ICD_FILENAMES'] = icd;

// The first graphs on a software adapter wait for its compiler; on a busy machine that is many seconds.
vi.setConfig({ testTimeout: 120_000 });

tapSuite('webgpu');
