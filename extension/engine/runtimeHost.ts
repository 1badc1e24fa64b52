import type { DeviceChoice, DeviceName, DeviceUse } from '../protocol/documents';
import type { ForwardEnvironment } from '../probe/forward';
import { chooseDevice, type ChosenDevice } from '../runtime/device';
import { SessionPool } from '../runtime/pool';
import { Scheduler } from '../runtime/scheduler';
import type { OperationContext } from './context';

/** Sessions, turns and measured devices of this process. One per process: sessions have one owner. */
class RuntimeHost {
  readonly scheduler = new Scheduler();
  private readonly pools = new Map<string, SessionPool>();
  private readonly devices = new Map<string, Promise<ChosenDevice>>();

  /** The device that a request runs on; measured once per process and choice. */
  async device(choice: DeviceChoice | undefined, context: OperationContext): Promise<ChosenDevice> {
    const requested = choice ?? context.settings.device;
    const key = `${requested}|${context.settings.threads}`;
    let chosen = this.devices.get(key);
    if (!chosen) {
      chosen = chooseDevice(requested, context.settings.cacheDir, context.settings.threads, (text) => { context.log('info', text); });
      this.devices.set(key, chosen);
      chosen.catch(() => this.devices.delete(key));
    }
    return chosen;
  }

  /** What a forward pass on the chosen device needs. */
  async environment(choice: DeviceChoice | undefined, context: OperationContext): Promise<{ readonly use: DeviceUse; readonly forward: ForwardEnvironment }> {
    const chosen = await this.device(choice, context);
    return {
      use: { requested: chosen.requested, used: chosen.used, reason: chosen.reason },
      forward: { pool: this.pool(chosen.used, context.settings.threads), scheduler: this.scheduler, signal: context.signal, interactive: context.interactive },
    };
  }

  pool(device: DeviceName, threads: number): SessionPool {
    const key = `${device}|${threads}`;
    let pool = this.pools.get(key);
    if (!pool) this.pools.set(key, (pool = new SessionPool(device, threads)));
    return pool;
  }

  /** Devices chosen so far, for the status. */
  async chosen(): Promise<readonly ChosenDevice[]> {
    const settled = await Promise.allSettled(this.devices.values());
    return settled.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
  }

  async dispose(): Promise<void> {
    for (const pool of this.pools.values()) await pool.clear();
    this.pools.clear();
  }
}

export const runtimeHost = new RuntimeHost();
