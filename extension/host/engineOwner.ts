import * as vscode from 'vscode';
import type { DeviceUse } from '../protocol/documents';
import type { EngineMethod, EngineParams, EngineResult } from '../protocol/engineRpc';
import { BUILD_ID } from '../protocol/version';
import { readSetting } from './contributions';
import { type Disposable, Disposables, Emitter } from './disposables';
import type { EngineClient } from './engineClient';
import { engineEnvironment } from './engineEnvironment';
import type { EngineNotification, EngineProcess, EngineState } from './engineProcess';
import { ENGINE_SETTINGS } from './ids';

const BYTES_PER_MB = 1_000_000;

/** The device that the engine really ran on last, and why. */
export type LastDevice = Pick<DeviceUse, 'used' | 'reason'>;

/** The window's one engine, configured from the settings. The code that runs it is loaded with the first request. */
export class EngineOwner implements EngineClient, Disposable {
  private readonly disposables = new Disposables();
  private readonly notification = new Emitter<EngineNotification>();
  private readonly stateChange = new Emitter<EngineState>();
  readonly onNotification = this.notification.on;
  readonly onState = this.stateChange.on;
  private loading: Promise<EngineProcess> | null = null;
  private engine: EngineProcess | null = null;
  private restartWhenIdle = false;
  lastDevice: LastDevice | null = null;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.disposables.add(
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (ENGINE_SETTINGS.some((setting) => change.affectsConfiguration(setting))) void this.applySettings();
      }),
    );
  }

  get state(): EngineState {
    return this.engine?.state ?? 'stopped';
  }

  get pid(): number | undefined {
    return this.engine?.pid;
  }

  async request<M extends EngineMethod>(method: M, params: EngineParams<M>, signal?: AbortSignal): Promise<EngineResult<M>> {
    return (await this.load()).request(method, params, signal);
  }

  async restart(): Promise<void> {
    this.restartWhenIdle = false;
    await this.engine?.restart();
  }

  dispose(): void {
    this.engine?.dispose();
    this.disposables.dispose();
  }

  private load(): Promise<EngineProcess> {
    this.loading ??= import('./engineProcess').then(({ EngineProcess }) => this.create(EngineProcess));
    return this.loading;
  }

  private create(Process: typeof EngineProcess): EngineProcess {
    const engine = new Process({
      file: this.context.asAbsolutePath('dist/engine.js'),
      env: () => engineEnvironment(process.env, readSetting('modulens.vulkanDriver')),
      hello: () => ({
        build: BUILD_ID,
        cacheDir: vscode.Uri.joinPath(this.context.globalStorageUri, 'results').fsPath,
        cacheBytes: readSetting('modulens.cacheSizeMB') * BYTES_PER_MB,
        threads: readSetting('modulens.threads'),
        device: readSetting('modulens.device'),
      }),
      log: this.log,
    });
    this.engine = this.disposables.add(engine);
    this.disposables.add(engine.onNotification((notification) => this.receive(notification)));
    this.disposables.add(engine.onState((state) => this.follow(state)));
    return engine;
  }

  private receive(notification: EngineNotification): void {
    if (notification.name === 'engine/device') {
      this.lastDevice = notification.params;
      this.log.info(`device: ${notification.params.used ?? 'none'} (${notification.params.reason})`);
    }
    this.notification.fire(notification);
  }

  private follow(state: EngineState): void {
    this.stateChange.fire(state);
    if (state === 'ready' && this.restartWhenIdle) void this.restart();
  }

  /** A running analysis keeps what it started with; the new settings hold from the next start on. */
  private async applySettings(): Promise<void> {
    if (this.state === 'stopped') return;
    this.log.info('engine settings changed' + (this.state === 'busy' ? '; the engine restarts when the current work is done' : ''));
    if (this.state === 'busy' || this.state === 'starting') this.restartWhenIdle = true;
    else await this.restart();
  }
}
