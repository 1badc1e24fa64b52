import { isMap, isSeq, type Node } from 'yaml';
import type { FilteredSetting, MergeMethodFacts, MergeParameter, PlainSetting, Setting, Settings } from '../../protocol/merge';
import { nearest } from './nearest';
import type { YamlReader } from './yamlReader';

/** Where parameters stand. */
export type Place = 'model' | 'slice' | 'recipe';

/** Reads a `parameters` mapping of a method. */
export function readSettings(yaml: YamlReader, node: Node | null, method: MergeMethodFacts | null, place: Place): Settings {
  const out: Record<string, Setting> = Object.create(null) as Record<string, Setting>;
  if (node === null) return out;
  for (const { key, keyNode, value } of yaml.entries(node, '`parameters`', null)?.values() ?? []) {
    if (!method) continue;
    const parameter = method.parameters.find((p) => p.name === key);
    if (!parameter) {
      const names = method.parameters.map((p) => p.name), suggestion = nearest(key, names), meant = method.parameters.find((p) => p.name === suggestion);
      const without = meant && meant.default !== null ? ` Without it ${meant.scope === 'model' && place === 'model' ? 'this model would be merged' : 'the merge would run'} at ${meant.name} ${String(meant.default)}.` : '';
      yaml.problem('unknown-parameter', `\`${key}\` is not a parameter of \`${method.name}\`.${suggestion ? ` Did you mean \`${suggestion}\`?` : names.length > 0 ? ` It has: ${names.join(', ')}.` : ' It has none.'}${without}`, keyNode, suggestion);
      continue;
    }
    if (parameter.scope === 'merge' && place === 'model') {
      yaml.problem('misplaced-parameter', `\`${key}\` is a setting of the whole merge, not of one model. Put it under the recipe's own \`parameters\`.`, keyNode);
      continue;
    }
    const setting = readSetting(yaml, value, parameter);
    if (setting !== null) out[key] = setting;
  }
  return out;
}

function readSetting(yaml: YamlReader, node: Node | null, parameter: MergeParameter): Setting | null {
  const list = isSeq(node) ? yaml.items(node, `\`${parameter.name}\``) ?? [] : null;
  if (isMap(node) || (list && list.length > 0 && list.every((item) => isMap(item)))) {
    const filters = (list ?? [node as Node]).map((item) => readFiltered(yaml, item, parameter));
    return filters.every((f) => f !== null) ? (filters) : null;
  }
  return readPlain(yaml, node, parameter);
}

function readFiltered(yaml: YamlReader, node: Node, parameter: MergeParameter): FilteredSetting | null {
  const entries = yaml.entries(node, `a value of \`${parameter.name}\``, ['filter', 'value']);
  if (!entries) return null;
  const value = entries.get('value'), filter = entries.get('filter');
  if (!value) {
    yaml.problem('missing', `A value of \`${parameter.name}\` with a filter needs \`value\`.`, node);
    return null;
  }
  const plain = readPlain(yaml, value.value, parameter), text = filter ? yaml.scalar(filter.value) : null;
  if (text !== null && text !== undefined && typeof text !== 'string' && typeof text !== 'number') yaml.problem('type', 'A filter has to be a part of tensor names, such as "mlp".', filter?.value);
  return plain === null ? null : { filter: text === null || text === undefined ? null : String(text), value: plain };
}

function readPlain(yaml: YamlReader, node: Node | null, parameter: MergeParameter): PlainSetting | null {
  if (isSeq(node)) {
    if (parameter.type === 'boolean') {
      yaml.problem('type', `\`${parameter.name}\` is true or false; it cannot run over the layers.`, node);
      return null;
    }
    const numbers = (yaml.items(node, `\`${parameter.name}\``) ?? []).map((item) => readScalar(yaml, item, parameter));
    if (numbers.length === 0) yaml.problem('missing', `The list of \`${parameter.name}\` is empty.`, node);
    return numbers.length > 0 && numbers.every((x) => typeof x === 'number') ? numbers : null;
  }
  return readScalar(yaml, node, parameter);
}

function readScalar(yaml: YamlReader, node: Node | null, { name, type, least, most }: MergeParameter): number | boolean | null {
  const raw = yaml.scalar(node), value = type === 'number' && typeof raw === 'string' && raw.trim() !== '' && Number.isFinite(Number(raw)) ? Number(raw) : raw;
  if (type === 'boolean') {
    if (typeof value === 'boolean') return value;
    const suggestion = /^(yes|on|1)$/i.test(String(value)) ? 'true' : /^(no|off|0)$/i.test(String(value)) ? 'false' : undefined;
    yaml.problem('type', `\`${name}\` has to be true or false.`, node, suggestion);
    return null;
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    yaml.problem('type', `\`${name}\` has to be a number, a list of numbers over the layers, or a list of {filter, value}.`, node);
    return null;
  }
  if ((least !== undefined && value < least) || (most !== undefined && value > most)) {
    yaml.problem('range', `\`${name}\` is ${value}; it has to lie ${most === undefined ? `at ${least} or above` : `between ${least} and ${most}`}.`, node);
    return null;
  }
  return value;
}

/**
 * A setting's value for one tensor. `t` runs from 0 at the first layer to 1 at the last; a list is interpolated at equal steps.
 * Undefined where no filter fits.
 */
export function settingFor(setting: Setting, tensor: string, t: number): number | boolean | undefined {
  if (typeof setting === 'number' || typeof setting === 'boolean') return setting;
  if (isFiltered(setting)) {
    const found = setting.find(({ filter }) => filter === null || filter === '*' || tensor.includes(filter));
    return found === undefined ? undefined : settingFor(found.value, tensor, t);
  }
  const at = t * (setting.length - 1), low = Math.floor(at), high = Math.min(setting.length - 1, low + 1);
  return (1 - (at - low)) * setting[low] + (at - low) * setting[high];
}

function isFiltered(setting: readonly number[] | readonly FilteredSetting[]): setting is readonly FilteredSetting[] {
  return typeof setting[0] === 'object';
}

/** Filters of a setting, for a check that each fits some tensor. */
export function filtersOf(setting: Setting): readonly string[] {
  return typeof setting === 'object' && isFiltered(setting) ? setting.flatMap(({ filter }) => (filter === null || filter === '*' ? [] : [filter])) : [];
}
