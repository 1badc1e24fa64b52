import * as vscode from 'vscode';
import type { DeviceChoice } from '../protocol/documents';
import type { DeviceInfo, EngineStatus } from '../protocol/engineRpc';
import { readSetting, writeSetting } from './contributions';
import type { Services } from './services';

interface Item extends vscode.QuickPickItem {
  readonly device?: DeviceChoice;
}

/** Asks for the device of all analyses and writes it to the user's settings. */
export async function chooseDevice({ engine }: Services): Promise<void> {
  const status = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'Modulens: looking at the devices' }, () => engine.request('engine/status', {}));
  if (status.ortError !== null) {
    await vscode.window.showWarningMessage(`Models cannot run on this machine: ${status.ortError} Viewing and weights-only analysis still work.`);
    return;
  }
  const current = readSetting('modulens.device');
  const picked = await vscode.window.showQuickPick(itemsOf(status, current), { title: 'Device for analyses', placeHolder: `Now: ${current}${status.chosen ? `, which runs on ${status.chosen}` : ''}`, matchOnDetail: true });
  if (picked?.device && picked.device !== current) await writeSetting('modulens.device', picked.device, vscode.ConfigurationTarget.Global);
}

function itemsOf(status: EngineStatus, current: DeviceChoice): Item[] {
  const mark = (device: DeviceChoice): string => (device === current ? ' $(check)' : '');
  return [
    { label: `auto${mark('auto')}`, description: status.chosen ? `runs on ${status.chosen}` : '', detail: 'Measured once on this machine: the fastest device whose numbers agree with the CPU', device: 'auto' },
    ...status.devices.filter(({ available }) => available).map((device): Item => ({ label: `${device.name}${mark(device.name)}`, description: speedOf(device), detail: device.note, device: device.name })),
  ];
}

function speedOf({ name, speed }: DeviceInfo): string {
  if (name === 'cpu' || speed === null) return '';
  return `${speed.toPrecision(2)} times the CPU's speed`;
}
