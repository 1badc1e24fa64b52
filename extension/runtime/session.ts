import type * as Ort from 'onnxruntime-node';
import { lowerGraph } from '../graph/lower';
import type { Graph } from '../graph/ir';
import type { DeviceName } from '../protocol/documents';
import { failure } from '../protocol/errors';
import { loadOrt } from './ort';
import type { HostTensor } from '../graph/hostTensor';

export interface SessionOptions {
  readonly device: DeviceName;
  /** 0 = the runtime's choice. */
  readonly threads: number;
  /** The session stays and runs often: weights are repacked once for speed. Otherwise they stay mapped in place. */
  readonly stays?: boolean;
}

/** Intermediate values of a block are some four times its inputs and outputs. */
const WORKSPACE_FACTOR = 4;

/** A graph ready to run on one device. */
export class GraphSession {
  private workspace = 0;

  private constructor(readonly name: string, readonly device: DeviceName, private readonly session: Ort.InferenceSession, readonly weightBytes: number, readonly onCpu: string | null) {}

  static async create(graph: Graph, options: SessionOptions): Promise<GraphSession> {
    const ort = loadOrt();
    const lowered = lowerGraph(graph);
    const make = (strict: boolean): Promise<Ort.InferenceSession> => ort.InferenceSession.create(lowered.bytes, {
      executionProviders: [options.device],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // The arena keeps what a run needs for the next run: without it every run pays for fresh pages, a third of a block's time.
      enableCpuMemArena: true,
      ...(options.threads > 0 ? { intraOpNumThreads: options.threads } : {}),
      extra: {
        ...(graph.unpackEachRun ? { optimization: { disable_specified_optimizers: 'ConstantFolding' } } : {}),
        session: {
          ...(lowered.folder === null ? {} : { model_external_initializers_file_folder_path: lowered.folder }),
          ...(options.stays ? {} : { disable_prepacking: '1' }),
          ...(strict ? { disable_cpu_ep_fallback: '1' } : {}),
        },
      },
    });
    try {
      if (options.device === 'cpu') return new GraphSession(graph.name, 'cpu', await make(false), lowered.weightBytes, null);
      try {
        return new GraphSession(graph.name, options.device, await make(true), lowered.weightBytes, null);
      } catch (strictError) {
        return new GraphSession(graph.name, options.device, await make(false), lowered.weightBytes, reasonOf(strictError));
      }
    } catch (error) {
      throw failure('runtime/session', { what: graph.name, device: options.device, reason: reasonOf(error) }, error);
    }
  }

  /**
   * Runs once. Blocks the thread while the device works; callers keep a run short and take turns between runs. Outputs that `into` names
   * are written to its tensors, which must have their shapes; the others are new.
   */
  async run(feeds: Readonly<Record<string, HostTensor>>, into: Readonly<Record<string, HostTensor>> = {}): Promise<Readonly<Record<string, HostTensor>>> {
    const ort = loadOrt();
    const inputs: Record<string, Ort.Tensor> = {};
    for (const name of this.session.inputNames) {
      const tensor = feeds[name];
      if (!tensor) throw new Error(`${this.name}: no value for the input ${name}`);
      inputs[name] = tensorOf(ort, tensor);
    }
    const outputs: Record<string, Ort.Tensor | null> = {};
    for (const name of this.session.outputNames) outputs[name] = name in into ? tensorOf(ort, into[name]) : null;
    try {
      const results = await this.session.run(inputs, outputs);
      const out: Record<string, HostTensor> = {};
      let bytes = 0;
      for (const tensor of [...Object.values(feeds), ...Object.values(results)]) bytes += (tensor.data as ArrayBufferView).byteLength;
      this.workspace = Math.max(this.workspace, WORKSPACE_FACTOR * bytes);
      for (const [name, tensor] of Object.entries(results)) out[name] = { type: tensor.type as HostTensor['type'], dims: tensor.dims, data: tensor.data as HostTensor['data'] };
      return out;
    } catch (error) {
      throw failure('runtime/run', { what: this.name, device: this.device, reason: reasonOf(error) }, error);
    }
  }

  /** Bytes that the session keeps alive: its weights, and what its arena is likely to have kept of the largest run. */
  get keptBytes(): number {
    return this.weightBytes + this.workspace;
  }

  get inputNames(): readonly string[] {
    return this.session.inputNames;
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }
}

function tensorOf(ort: typeof Ort, { type, data, dims }: HostTensor): Ort.Tensor {
  return new ort.Tensor(type as 'float32', data as Float32Array, dims);
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0].slice(0, 400);
}
