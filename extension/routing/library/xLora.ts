import type { RoutableKind } from '../../protocol/routing';
import type { Unit } from './units';

const CLASSIFIER = /internal_xlora_classifier\.layers\.(\d+)\.(weight|bias)$/;
const FACTOR = /^(.*)\.lora_A(?:\.default)?\.weight$/;
const LAYER = /\.(?:layers|layer|h|block|blocks)\.(\d+)\./;
/** Layers of a classifier that are listed by name; a config may claim any depth. */
const MAX_DEPTH = 64;

/** Whether a folder is an X-LoRA, by settings, file or tensor names. */
export function isXLora(unit: Unit): boolean {
  return unit.configs.get('adapter_config.json')?.['peft_type'] === 'XLORA' || unit.fileNames.has('xlora_classifier.safetensors') || [...unit.tensors.keys()].some((name) => name.includes('internal_xlora_classifier'));
}

/**
 * Describes an X-LoRA and compares what is on disk with what its settings ask for. PEFT 0.21 saves damaged folders: its
 * sub-adapters are called "0", "1", ... and every tensor whose path holds `.0.`, `.1.`, ... of another one is left out,
 * classifier layers and transformer layers alike; loading such a folder raises no warning.
 * @param adapters units of its sub-folders that hold LoRA factors
 */
export function describeXLora(unit: Unit, adapters: readonly Unit[]): RoutableKind {
  const config = unit.configs.get('adapter_config.json') ?? unit.configs.get('xlora_config.json') ?? {};
  const named = Array.isArray(config['adapters']) ? config['adapters'].map(String) : typeof config['adapters'] === 'object' && config['adapters'] !== null ? Object.keys(config['adapters']) : [];
  const experts = named.length > 0 ? named : adapters.map((a) => a.name);
  const damage = [...missingClassifier(unit, config, experts.length), ...missingAdapters(experts, adapters), ...missingFactors(adapters)];
  const what = `an X-LoRA of ${count(experts.length, 'adapter')}: a small network reads the last hidden state of a first pass and gives every token its own weight for each adapter`;
  return {
    kind: 'x-lora', title: 'X-LoRA', router: null, granularity: 'token', composition: 'outputs', experts, complete: damage.length === 0,
    says: damage.length === 0
      ? `This is ${what}. It is complete; running it is not built yet, so its parts can be looked at but not its routing.`
      : `This is ${what}, but it is incomplete: ${damage.join('; ')}. PEFT 0.21 saves X-LoRA folders like this and loads them without a warning, with other results; save it again from the model in memory with a version that keeps every tensor.`,
  };
}

function missingClassifier(unit: Unit, config: Readonly<Record<string, unknown>>, experts: number): readonly string[] {
  const names = [...unit.tensors.keys()];
  if (unit.fileNames.has('xlora_classifier.safetensors')) return names.some((n) => /(^|\.)last\./.test(n)) ? [] : ['its classifier lacks the last layer (last.weight)'];
  const depth = Math.min(MAX_DEPTH, positive(config['xlora_depth'], 1)), step = config['xlora_dropout_p'] === 0 ? 2 : 3;
  const found = new Map<number, readonly number[]>();
  for (const [name, shape] of unit.tensors) {
    const match = CLASSIFIER.exec(name);
    if (match && match[2] === 'weight') found.set(Number(match[1]), shape);
  }
  const expected = Array.from({ length: depth }, (_, i) => (i === 0 ? 0 : i * step)), missing = expected.filter((i) => !found.has(i));
  if (missing.length > 0) return [`${missing.length} of ${count(depth, 'classifier layer')} ${missing.length === 1 ? 'is' : 'are'} missing (${missing.map((i) => `layers.${i}`).join(', ')})`];
  const rows = found.get(expected[depth - 1])?.[0] ?? 0;
  return experts > 0 && (config['layerwise_scalings'] === true ? rows % experts !== 0 : rows !== experts) ? [`its classifier gives ${rows} weights for ${count(experts, 'adapter')}`] : [];
}

function missingAdapters(experts: readonly string[], adapters: readonly Unit[]): readonly string[] {
  const there = adapters.length;
  return there < experts.length ? [`only ${there} of ${experts.length} adapters have a folder with factors`] : [];
}

function missingFactors(adapters: readonly Unit[]): readonly string[] {
  const held = adapters.map((unit) => new Set([...unit.tensors.keys()].flatMap((name) => FACTOR.exec(name)?.[1] ?? [])));
  const all = new Set(held.flatMap((paths) => [...paths]));
  const lacking = adapters.flatMap(({ name }, i) => {
    const gone = [...all].filter((path) => !held[i].has(path));
    if (gone.length === 0) return [];
    const layers = [...new Set(gone.flatMap((path) => LAYER.exec(path)?.[1] ?? []))].map(Number).sort((a, b) => a - b);
    return [`adapter ${name} lacks ${gone.length} of ${all.size} linear maps${layers.length > 0 ? ` (transformer layers ${listed(layers)})` : ''}`];
  });
  return lacking;
}

function listed(layers: readonly number[]): string {
  return layers.length <= 8 ? layers.join(', ') : `${layers.slice(0, 8).join(', ')} and ${layers.length - 8} more`;
}
function positive(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : fallback;
}
function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
