import type { FfnWeights } from '../../architecture/ffnWeights';
import { isControl, PARTITION_METHODS, type PartitionMethod } from '../../protocol/documents';
import type { AnalyzeOptions } from '../../protocol/engineRpc';
import { failure } from '../../protocol/errors';

/** Bumped whenever the numbers of an analysis may change. */
export const ANALYSIS_VERSION = 3;

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly method: PartitionMethod;
  readonly experts: number;
  readonly topK: number;
  readonly layers: readonly number[];
  readonly seed: number;
  readonly ablation: boolean;
}

export function resolveOptions(options: AnalyzeOptions, ffn: readonly FfnWeights[], path: string): ResolvedOptions {
  if (ffn.length === 0) throw failure('analysis/no-ffn', { path });
  const neurons = Math.min(...ffn.map((l) => l.dFf));
  const experts = options.experts ?? defaultExperts(neurons);
  if (!Number.isInteger(experts) || experts < 2 || experts > Math.floor(neurons / 2)) throw failure('analysis/experts', { experts, neurons });
  const topK = options.topK ?? Math.max(1, Math.round(experts / 4));
  if (!Number.isInteger(topK) || topK < 1 || topK > experts) throw failure('analysis/top-k', { topK, experts });
  const method = options.method ?? 'keys';
  if (!PARTITION_METHODS.includes(method)) throw failure('usage', { message: `--method ${method} is not one of ${PARTITION_METHODS.join(', ')}.` });
  if (isControl(method) && options.weightsOnly) throw failure('usage', { message: `--method ${method} is a control that is scored on text. Leave out --weights-only, or choose --method keys.` });
  return { method, experts, topK, layers: parseLayers(options.layers, ffn.map((l) => l.index)), seed: options.seed ?? 0, ablation: options.ablation === true };
}

/** Experts by default: about 32 neurons each in narrow layers, about 192 (EMoE's size for GPT-2) in wide ones, a power of two. */
export function defaultExperts(neurons: number): number {
  const power = (x: number): number => 2 ** Math.round(Math.log2(Math.max(1, x)));
  return neurons < 2048 ? Math.min(16, Math.max(4, power(neurons / 32))) : Math.min(64, Math.max(16, power(neurons / 192)));
}

/** `0-5,11`: zero-based, inclusive; undefined = all. */
export function parseLayers(text: string | undefined, known: readonly number[]): readonly number[] {
  if (text === undefined || text.trim() === '') return known;
  const out = new Set<number>();
  const refuse = (): never => { throw failure('analysis/layers', { layers: text, count: known.length }); };
  for (const part of text.split(',')) {
    const match = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part);
    if (!match) return refuse();
    const from = Number(match[1]), to = match[2] === undefined ? from : Number(match[2]);
    if (to < from || !known.includes(from) || !known.includes(to)) return refuse();
    for (let i = from; i <= to; i++) if (known.includes(i)) out.add(i);
  }
  return [...out].sort((a, b) => a - b);
}
