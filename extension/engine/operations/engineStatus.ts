import type { DeviceInfo, EngineStatus } from '../../protocol/engineRpc';
import { BUILD_ID } from '../../protocol/version';
import { availableDevices, type ChosenDevice } from '../../runtime/device';
import { ortStatus } from '../../runtime/ort';
import type { OperationContext } from '../context';
import { runtimeHost } from '../runtimeHost';

/** What this engine is and can run on. Loads ONNX Runtime to find out, but measures nothing. */
export async function run(_params: unknown, _context: OperationContext): Promise<EngineStatus> {
  const ort = ortStatus(), chosen = await runtimeHost.chosen();
  const measured = new Map(chosen.flatMap((c) => c.measurements.map((m) => [m.name, m] as const)));
  const cpu = measured.get('cpu')?.milliseconds ?? null;
  const devices = ort.error === null ? availableDevices().map((name): DeviceInfo => {
    const m = measured.get(name);
    return { name, available: m ? m.milliseconds !== null : true, speed: m?.milliseconds && cpu ? cpu / m.milliseconds : null, note: m?.note ?? 'not measured yet' };
  }) : [];
  const last: ChosenDevice | undefined = chosen[chosen.length - 1];
  return { build: BUILD_ID, pid: process.pid, node: process.version, ort: ort.version, ortError: ort.error, devices, chosen: last?.used ?? null };
}
