import { failure } from '../protocol/errors';
import type { Activation, ConfigReader } from './spec';

type Json = Readonly<Record<string, unknown>>;

/** Wraps config.json (`file` is named in errors; `path` is the prefix of nested fields). */
export function configReader(config: Json, file: string, modelType: string, path = ''): ConfigReader {
  const find = (names: readonly string[]): { name: string; value: unknown } | null => {
    for (const name of names) {
      if (Object.hasOwn(config, name) && config[name] !== null && config[name] !== undefined) return { name: path + name, value: config[name] };
    }
    return null;
  };
  const wrong = (name: string, expected: string, value: unknown): never => {
    throw failure('model/config-field', { file, field: name, expected, found: describe(value) });
  };
  const numeric = (names: readonly string[]): number | null => {
    const found = find(names);
    if (!found) return null;
    if (typeof found.value !== 'number' || !Number.isFinite(found.value)) return wrong(found.name, 'a number', found.value);
    return found.value;
  };
  const text = (names: readonly string[]): string | null => {
    const found = find(names);
    if (!found) return null;
    return typeof found.value === 'string' ? found.value : wrong(found.name, 'a string', found.value);
  };
  const missing = (names: readonly string[]): never => {
    throw failure('model/config-field', { file, field: path + names[0], expected: 'a value', found: 'nothing' });
  };
  return {
    modelType,
    number: (...names) => numeric(names) ?? missing(names),
    numberOr: (fallback, ...names) => numeric(names) ?? fallback,
    optionalNumber: (...names) => numeric(names),
    booleanOr: (fallback, ...names) => {
      const found = find(names);
      if (!found) return fallback;
      return typeof found.value === 'boolean' ? found.value : wrong(found.name, 'true or false', found.value);
    },
    string: (...names) => text(names) ?? missing(names),
    stringOr: (fallback, ...names) => text(names) ?? fallback,
    list: (name) => {
      const found = find([name]);
      if (!found) return null;
      return Array.isArray(found.value) ? (found.value as unknown[]) : wrong(found.name, 'a list', found.value);
    },
    object: (name) => {
      const found = find([name]);
      if (!found) return null;
      if (typeof found.value !== 'object' || Array.isArray(found.value)) return wrong(found.name, 'an object', found.value);
      return configReader(found.value as Json, file, modelType, `${path}${name}.`);
    },
    has: (name) => find([name]) !== null,
    unsupported: (field, value, supported) => {
      throw failure('model/config-unsupported', { file, field: path + field, value: describe(value), supported });
    },
  };
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? text.slice(0, 57) + '...' : text;
}

const ACTIVATION_NAMES: Readonly<Record<string, Activation>> = {
  relu: 'relu', relu2: 'relu2', gelu: 'gelu', gelu_python: 'gelu', gelu_new: 'geluTanh', gelu_fast: 'geluTanh', gelu_pytorch_tanh: 'geluTanh', gelu_python_tanh: 'geluTanh',
  quick_gelu: 'quickGelu', silu: 'silu', swish: 'silu', tanh: 'tanh', sigmoid: 'sigmoid',
};

/** The activation that a config names under the first of `names` present. */
export function activationOf(config: ConfigReader, fallback: string, ...names: string[]): Activation {
  const name = config.stringOr(fallback, ...names);
  return Object.hasOwn(ACTIVATION_NAMES, name) ? ACTIVATION_NAMES[name] : config.unsupported(names[0], name, Object.keys(ACTIVATION_NAMES).join(', '));
}

/** A positive whole number within `limit`; counts come from files and are checked before anything is allocated. */
export function count(config: ConfigReader, limit: number, ...names: string[]): number {
  const value = config.number(...names);
  if (!Number.isInteger(value) || value < 1 || value > limit) return config.unsupported(names[0], value, `a whole number from 1 to ${limit}`);
  return value;
}

/** Limits on what a config may ask for; far above any published model, low enough that nothing explodes. */
export const LIMITS = { layers: 4096, experts: 4096, allExperts: 1 << 17, width: 1 << 20, heads: 65536, vocabulary: 1 << 24, context: 1 << 26 } as const;
