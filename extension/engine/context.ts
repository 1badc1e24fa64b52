import type { DeviceChoice } from '../protocol/documents';
import type { EngineNotifications } from '../protocol/engineRpc';
import type { ReportProgress } from '../protocol/progress';

/** What the user chose once for every operation; the command line and the host fill it in. */
export interface EngineSettings {
  /** Folder of the result store (and of measured device speeds). */
  readonly cacheDir: string;
  /** Size limit of the store in bytes. */
  readonly cacheBytes: number;
  /** Threads for ONNX Runtime; 0 = chosen by the runtime (one core is left to the host where there are more than two). */
  readonly threads: number;
  /** Device to use where the request names none. */
  readonly device: DeviceChoice;
}

export type LogLevel = 'info' | 'warn' | 'error';

/** What every operation gets besides its parameters, from the RPC server and from the command line alike. */
export interface OperationContext {
  /** Aborted on cancellation; operations look at it between slices and pass it down. */
  readonly signal: AbortSignal;
  /** May be called as often as wanted: the receiver throttles. */
  readonly progress: ReportProgress;
  readonly log: (level: LogLevel, text: string) => void;
  readonly settings: EngineSettings;
  /** Someone waits in front of a picture: goes before batch work between two slices. */
  readonly interactive: boolean;
}

/** Sends a notification to the host. */
export type Notify = <N extends keyof EngineNotifications>(name: N, params: EngineNotifications[N]) => void;

/** What an RPC handler gets: the operation's context and the way to tell the host something meanwhile. */
export interface HandlerContext extends OperationContext {
  readonly notify: Notify;
}
