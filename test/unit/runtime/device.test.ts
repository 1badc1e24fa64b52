import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { availableDevices, chooseDevice, missingVulkan } from '../../../extension/runtime/device';
import { ortStatus } from '../../../extension/runtime/ort';

let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-device-')); });
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

describe('choosing a device', () => {
  it('takes the CPU when asked for, without measuring', async () => {
    expect(await chooseDevice('cpu', scratch, 1, () => undefined)).toEqual({ requested: 'cpu', used: 'cpu', reason: 'asked for', measurements: [] });
    expect(fs.readdirSync(scratch)).toEqual([]);
  });

  it('knows the CPU and which version runs', () => {
    expect(availableDevices()).toContain('cpu');
    expect(ortStatus().version).toMatch(/^\d+\.\d+/);
  });

  it('refuses a device that is not here, naming those that are', async () => {
    const missing = (['coreml', 'dml', 'cuda'] as const).find((name) => !availableDevices().includes(name));
    if (!missing) throw new Error('this machine has every device');
    await expect(chooseDevice(missing, scratch, 1, () => undefined)).rejects.toMatchObject({ code: 'runtime/no-device', message: expect.stringContaining('cpu') as string });
  });

  it('never chooses a device slower than the CPU, one that failed or one that disagrees, and measures once', async () => {
    const file = path.join(scratch, 'devices.json');
    const first = await chooseDevice('auto', scratch, 1, () => undefined);
    expect(first.requested).toBe('auto');
    if (availableDevices().length === 1) {
      expect(first.used).toBe('cpu');
      return;
    }
    const kept = JSON.parse(fs.readFileSync(file, 'utf8')) as { machine: string };
    const choose = async (other: { milliseconds: number | null; disagreement: number | null }): Promise<string> => {
      const measurements = [{ name: 'cpu', milliseconds: 10, disagreement: 0, note: '' }, { name: 'webgpu', note: '', ...other }];
      fs.writeFileSync(file, JSON.stringify({ machine: kept.machine, measurements }));
      return (await chooseDevice('auto', scratch, 1, () => undefined)).used;
    };
    expect(await choose({ milliseconds: 2, disagreement: 1e-6 })).toBe('webgpu');
    expect(await choose({ milliseconds: 20, disagreement: 1e-6 })).toBe('cpu');
    expect(await choose({ milliseconds: 2, disagreement: 1e-3 })).toBe('cpu');
    expect(await choose({ milliseconds: null, disagreement: null })).toBe('cpu');
  }, 60_000);
});

describe('looking for a Vulkan driver', () => {
  const at = (...folders: readonly string[]) => (folder: string): readonly string[] => (folders.includes(folder) ? ['nvidia_icd.json'] : []);

  it('knows the places of the loader', () => {
    expect(missingVulkan('linux', {}, at('/usr/share/vulkan/icd.d'))).toBeNull();
    expect(missingVulkan('linux', {}, at('/etc/vulkan/icd.d'))).toBeNull();
    expect(missingVulkan('linux', { HOME: '/home/a' }, at('/home/a/.local/share/vulkan/icd.d'))).toBeNull();
    expect(missingVulkan('linux', { XDG_DATA_DIRS: '/nix/share:/opt/x' }, at('/opt/x/vulkan/icd.d'))).toBeNull();
    expect(missingVulkan('linux', { VK_ICD_FILENAMES: '/any.json' }, at())).toBeNull();
  });

  it('says that there is none, on Linux only', () => {
    expect(missingVulkan('linux', { HOME: '/home/a' }, at())).toMatch(/Vulkan/);
    expect(missingVulkan('linux', {}, (folder) => (folder.startsWith('/usr/share') ? ['README'] : []))).toMatch(/Vulkan/);
    for (const platform of ['darwin', 'win32'] as const) expect(missingVulkan(platform, {}, at())).toBeNull();
  });
});
