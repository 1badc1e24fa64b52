import { existsSync, readdirSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { GraphBuilder } from '../graph/builder';
import { DEVICES, type DeviceChoice, type DeviceName } from '../protocol/documents';
import { failure } from '../protocol/errors';
import { loadOrt } from './ort';
import { GraphSession } from './session';
import { floatData, floats } from '../graph/hostTensor';

/** What was measured once about a device of this machine. */
export interface DeviceMeasurement {
  readonly name: DeviceName;
  readonly milliseconds: number | null;
  /** Largest difference from the CPU, relative to the largest value. */
  readonly disagreement: number | null;
  readonly note: string;
}

export interface ChosenDevice {
  readonly requested: DeviceChoice;
  readonly used: DeviceName;
  readonly reason: string;
  readonly measurements: readonly DeviceMeasurement[];
}

/** Numbers further apart than this are wrong, not rounded. */
const TOLERANCE = 1e-4;
const SIZE = 512;
const MEASUREMENT_VERSION = 1;

/** Devices that this build of ONNX Runtime offers, the CPU included. */
export function availableDevices(): readonly DeviceName[] {
  // Providers that are not bundled (CUDA) are listed even where their library was never downloaded.
  const listed = loadOrt().listSupportedBackends().filter((backend) => backend.bundled || existsSync(providerLibrary(backend.name))).map((backend) => backend.name);
  return DEVICES.filter((name): name is DeviceName => name !== 'auto' && (name === 'cpu' || listed.includes(name)));
}

/** Where a provider that comes as a library of its own would lie: beside the binding. */
function providerLibrary(name: string): string {
  const [prefix, suffix] = process.platform === 'win32' ? ['', '.dll'] : process.platform === 'darwin' ? ['lib', '.dylib'] : ['lib', '.so'];
  return path.join(__dirname, 'ort', `${process.platform}-${process.arch}`, `${prefix}onnxruntime_providers_${name}${suffix}`);
}

/**
 * Chooses the device of a run. `auto` measures a short product on each device once per machine and runtime version (kept
 * in `cacheDir`); a device slower than the CPU is never chosen, one whose numbers disagree is refused.
 */
export async function chooseDevice(requested: DeviceChoice, cacheDir: string, threads: number, log: (text: string) => void): Promise<ChosenDevice> {
  const available = availableDevices();
  if (requested === 'cpu') return { requested, used: 'cpu', reason: 'asked for', measurements: [] };
  if (requested !== 'auto') {
    if (!available.includes(requested)) throw failure('runtime/no-device', { device: requested, available: available.join(', ') });
    const reference = await measure('cpu', threads, null);
    const measured = await measure(requested, threads, reference.product);
    if (measured.result.milliseconds === null) throw failure('runtime/device-failed', { device: requested, reason: measured.result.note });
    if ((measured.result.disagreement ?? 0) > TOLERANCE) throw failure('runtime/device-failed', { device: requested, reason: measured.result.note });
    return { requested, used: requested, reason: 'asked for', measurements: [reference.result, measured.result] };
  }
  if (available.length === 1) return { requested, used: 'cpu', reason: 'the only device that this build of ONNX Runtime offers', measurements: [] };
  const measurements = (await readMeasurements(cacheDir)) ?? (await measureAll(available, threads, cacheDir, log));
  const cpu = measurements.find((m) => m.name === 'cpu')?.milliseconds ?? Infinity;
  const usable = measurements.filter((m) => m.milliseconds !== null && (m.disagreement ?? 0) <= TOLERANCE);
  const best = usable.reduce<DeviceMeasurement | null>((a, b) => (a === null || (b.milliseconds ?? Infinity) < (a.milliseconds ?? Infinity) ? b : a), null);
  if (!best || best.name === 'cpu') return { requested, used: 'cpu', reason: usable.length > 1 ? 'measured: no other device is faster' : `no other device can be used (${summary(measurements)})`, measurements };
  return { requested, used: best.name, reason: `measured: ${(cpu / (best.milliseconds ?? cpu)).toFixed(1)} times as fast as the CPU`, measurements };
}

function summary(measurements: readonly DeviceMeasurement[]): string {
  return measurements.filter((m) => m.name !== 'cpu').map((m) => `${m.name}: ${m.note}`).join('; ');
}

async function measureAll(available: readonly DeviceName[], threads: number, cacheDir: string, log: (text: string) => void): Promise<readonly DeviceMeasurement[]> {
  const reference = await measure('cpu', threads, null);
  const out: DeviceMeasurement[] = [reference.result];
  for (const name of available) {
    if (name === 'cpu') continue;
    const measured = (await measure(name, threads, reference.product)).result;
    log(`device ${name}: ${measured.note}`);
    out.push(measured);
  }
  await writeMeasurements(cacheDir, out).catch((error: unknown) => { log(`device measurements were not kept: ${String(error)}`); });
  return out;
}

/**
 * Why WebGPU cannot work on a Linux machine: its only way to the card is Vulkan, and no driver manifest lies where the Vulkan loader looks
 * (github.com/KhronosGroup/Vulkan-Loader, LoaderDriverInterface.md). Null: there is one, or the platform is another. Asking first keeps the
 * loader's own complaints off the terminal.
 */
export function missingVulkan(platform: NodeJS.Platform, env: NodeJS.ProcessEnv, list: (folder: string) => readonly string[]): string | null {
  if (platform !== 'linux') return null;
  if (['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'].some((name) => env[name])) return null;
  const home = env['HOME'] ?? '';
  const bases = [
    env['XDG_CONFIG_HOME'] || `${home}/.config`, ...(env['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':'), '/etc', '/usr/local/etc',
    env['XDG_DATA_HOME'] || `${home}/.local/share`, ...(env['XDG_DATA_DIRS'] || '/usr/local/share:/usr/share').split(':'), '/usr/share', '/usr/local/share', '/usr/local/lib', '/usr/lib', '/run/opengl-driver/share',
  ];
  const found = bases.some((base) => list(path.posix.join(base, 'vulkan/icd.d')).some((name) => name.endsWith('.json')));
  return found ? null : 'no Vulkan driver is installed';
}

function readdirOrNone(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function measure(name: DeviceName, threads: number, reference: Float32Array | null): Promise<{ readonly result: DeviceMeasurement; readonly product: Float32Array }> {
  const missing = name === 'webgpu' ? missingVulkan(process.platform, process.env, readdirOrNone) : null;
  if (missing) return { result: { name, milliseconds: null, disagreement: null, note: missing }, product: new Float32Array() };
  const b = new GraphBuilder(`device check on ${name}`);
  const x = b.input('x', 'float32', [SIZE, SIZE]), y = b.input('y', 'float32', [SIZE, SIZE]);
  let product = b.matmul(x, y, [SIZE, SIZE]);
  const half = b.scalar('scale', 1 / 16);
  for (let i = 0; i < 3; i++) product = b.matmul(b.mul(product, half), y, [SIZE, SIZE]);
  b.output('product', product);
  const left = pattern(1), right = pattern(2);
  try {
    const session = await GraphSession.create(b.build(), { device: name, threads });
    const feeds = { x: floats([SIZE, SIZE], left), y: floats([SIZE, SIZE], right) };
    let out = floatData((await session.run(feeds))['product']);
    let best = Infinity;
    for (let i = 0; i < 3; i++) {
      const start = performance.now();
      out = floatData((await session.run(feeds))['product']);
      best = Math.min(best, performance.now() - start);
    }
    await session.dispose();
    const disagreement = reference ? difference(out, reference) : 0;
    const at = reference ? worst(out, reference) : 0;
    const note = disagreement > TOLERANCE && reference ? `numbers disagree with the CPU (${out[at]} instead of ${reference[at]})` : `${best.toFixed(1)} ms for a test product`;
    return { result: { name, milliseconds: best, disagreement, note }, product: out };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { result: { name, milliseconds: null, disagreement: null, note: /adapter/i.test(reason) ? 'no graphics adapter was found' : reason }, product: new Float32Array() };
  }
}

/** Small whole numbers scaled: the same on every machine, no randomness needed. */
function pattern(seed: number): Float32Array {
  return Float32Array.from({ length: SIZE * SIZE }, (_, i) => (((i * (seed * 7919 + 12) + (i >> 5)) % 61) - 30) / 64);
}
function worst(a: Float32Array, b: Float32Array): number {
  let at = 0, most = -1;
  for (let i = 0; i < b.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    if (!(d <= most)) [at, most] = [i, d];
  }
  return at;
}
function difference(a: Float32Array, b: Float32Array): number {
  let most = 0, scale = 0;
  for (let i = 0; i < b.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    if (Number.isNaN(d)) return Infinity;
    most = Math.max(most, d);
    scale = Math.max(scale, Math.abs(b[i]));
  }
  return most / (scale || 1);
}

function measurementFile(cacheDir: string): string {
  return path.join(cacheDir, 'devices.json');
}
function machineKey(): string {
  return [MEASUREMENT_VERSION, process.platform, process.arch, loadOrt().env.versions.node ?? '', process.env['VK_ICD_FILENAMES'] ?? ''].join('|');
}
async function readMeasurements(cacheDir: string): Promise<readonly DeviceMeasurement[] | null> {
  try {
    const kept = JSON.parse(await fs.readFile(measurementFile(cacheDir), 'utf8')) as { machine?: unknown; measurements?: unknown };
    return kept.machine === machineKey() && Array.isArray(kept.measurements) ? (kept.measurements as DeviceMeasurement[]) : null;
  } catch {
    return null;
  }
}
async function writeMeasurements(cacheDir: string, measurements: readonly DeviceMeasurement[]): Promise<void> {
  await fs.mkdir(cacheDir, { recursive: true });
  const temporary = `${measurementFile(cacheDir)}.${process.pid}.tmp`;
  await fs.writeFile(temporary, JSON.stringify({ machine: machineKey(), measurements }));
  await fs.rename(temporary, measurementFile(cacheDir));
}
