import type { ModelFacts } from '../protocol/documents';
import type { ModuleFacts } from '../protocol/engineRpc';
import { nameOf } from './paths';

/** `1.24 GB`, `7.6 MB`, `512 B`: powers of ten, as disks and the Hub count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${Number(value.toPrecision(3))} ${units[power]}`;
}

/** `124 M`, `7.24 B`. */
export function formatCount(count: number): string {
  const units = ['', ' k', ' M', ' B', ' T'];
  const power = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${Number(value.toPrecision(3))}${units[power]}`;
}

/** The dim text beside a checkpoint: `llama · 4 layers · 7.6 MB`. */
export function describeModel(facts: ModelFacts): string {
  const layers = facts.layers === null ? null : `${facts.layers} ${facts.layers === 1 ? 'layer' : 'layers'}`;
  return [facts.family ?? 'unknown family', layers, formatBytes(facts.bytes)].filter((part) => part !== null).join(' · ');
}

/** How the literature writes the kinds that PEFT writes in capitals. */
const KINDS: ReadonlyMap<string, string> = new Map([['LORA', 'LoRA'], ['IA3', 'IA³'], ['PREFIX_TUNING', 'prefix'], ['PROMPT_TUNING', 'prompt']]);

/** The dim text beside a module: `LoRA r 8 · on stories260k`. */
export function describeModule({ kind, rank, base }: ModuleFacts): string {
  const name = KINDS.get(kind.toUpperCase()) ?? kind;
  return [rank === null ? name : `${name} r ${rank}`, base && `on ${nameOf(base)}`].filter((part) => part !== null && part !== '').join(' · ');
}
