import path from 'node:path';
import { statOrNull } from '../../checkpoint/files';
import { ModulensError } from '../../protocol/errors';
import type { RoutableKind } from '../../protocol/routing';
import { KINDS } from './kinds';
import { openLibrary } from './openLibrary';
import { groupsByBase } from './remarks';
import { readUnit, subfolderNames, type Unit } from './units';
import { describeXLora, isXLora } from './xLora';

/**
 * What in a folder or file routes or can be routed, told by settings and by tensor names on disk; each with what can be
 * shown of it today. Names and headers only: no weight is read, no pickle is run, and what cannot be read is said, not thrown.
 */
export async function describeRoutable(target: string): Promise<readonly RoutableKind[]> {
  const root = path.resolve(target), unit = await readUnit(root);
  if (unit === null) return [];
  const isFolder = (await statOrNull(root).catch(() => null))?.isDirectory() === true;
  const own = KINDS.find(({ test }) => test(unit))?.describe(unit) ?? null;
  if (!isFolder) return own ? [own] : [];
  if (isXLora(unit)) return [describeXLora(unit, (await children(root, ['adapter_config.json', 'adapter_model.safetensors', 'adapter_model.bin'])).filter(hasFactors))];
  const library = await describeLibrary(root);
  if (own) return library ? [own, library] : [own];
  if (library) return [library];
  return ofChildren(root);
}

/** LoRAs that can be routed between, with or without a saved Arrow router; null where there are not two. Looks at no other kind, and opens no model. */
export async function describeLibrary(root: string): Promise<RoutableKind | null> {
  const base = { granularity: 'token', composition: 'outputs' } as const;
  try {
    const { adapters, general, arrow, remarks } = await openLibrary(root);
    const experts = adapters.map((a) => a.name), named = experts.length <= 6 ? ` (${experts.join(', ')})` : '', groups = groupsByBase(adapters);
    if (groups.length > 1) {
      const largest = [...groups].sort((a, b) => b.length - a.length)[0];
      return { ...base, kind: 'lora-library', title: 'LoRAs of several bases', router: largest.length > 1 ? 'arrow' : null, experts, complete: true, says: `These are ${experts.length} LoRAs${named}, which by their linear maps belong to ${groups.length} different bases. ${largest.length > 1 ? 'Arrow routes between those that fit the chosen checkpoint.' : 'No two of them fit the same one, so that there is nothing to route between.'}` };
    }
    if (arrow === null) return { ...base, kind: 'lora-library', title: 'Library of LoRAs', router: 'arrow', experts, complete: true, says: [`These are ${experts.length} LoRAs${named}. Arrow can route each token between them at every linear map that they change, without any training.`, ...remarks].join(' ') };
    const subtracted = arrow.useGks ? ` after the general knowledge of ${general.length} ${general.length === 1 ? 'adapter' : 'adapters'} is subtracted` : '';
    return { ...base, kind: 'arrow', title: 'Arrow set', router: 'arrow', experts, complete: true, says: [`This is a set that PEFT's Arrow routes: each token goes to the ${arrow.topK} best of ${experts.length} LoRAs${named} at every linear map, temperature ${arrow.temperature}${subtracted}.`, ...remarks].join(' ') };
  } catch (error) {
    if (!(error instanceof ModulensError)) throw error;
    const loras = await adapterNames(root);
    // One LoRA, or none, is no library; a broken one among several is worth saying.
    if (loras.length < 2) return null;
    return { ...base, kind: 'lora-library', title: 'Library of LoRAs', router: null, experts: loras, complete: false, says: `These are ${loras.length} adapters, but they cannot be routed as they are. ${error.message}` };
  }
}

async function adapterNames(root: string): Promise<readonly string[]> {
  return (await children(root, ['adapter_config.json'])).filter((u) => u.configs.get('adapter_config.json')?.['peft_type'] === 'LORA' && !u.configs.get('adapter_config.json')?.['arrow_config']).map((u) => u.name);
}

/** Kinds of the sub-folders, where the folder itself is none: experts of mttl together, others one by one. */
async function ofChildren(root: string): Promise<readonly RoutableKind[]> {
  const out = new Map<string, RoutableKind>(), mttl: string[] = [];
  const self = await readUnit(root), units = [...(self ? [self] : []), ...(await children(root, []))];
  for (const unit of units) {
    if (isMttl(unit)) {
      mttl.push(unit.name);
      continue;
    }
    if (unit === self) continue;
    const kind = isXLora(unit) ? describeXLora(unit, (await children(unit.path, ['adapter_config.json'])).filter(hasFactors)) : KINDS.find(({ test }) => test(unit))?.describe(unit);
    if (kind && !out.has(kind.kind)) out.set(kind.kind, { ...kind, says: `In ${unit.name}: ${kind.says}` });
  }
  if (mttl.length > 0) out.set('mttl-lora', { kind: 'mttl-lora', title: 'LoRAs of mttl', router: null, granularity: 'token', composition: 'parameters', experts: mttl, complete: true, says: `${mttl.length === 1 ? 'This is a LoRA' : `These are ${mttl.length} LoRAs`} in the layout of mttl, whose factors lie transposed; mttl's Arrow mixes parameters where PEFT's mixes outputs. Convert ${mttl.length === 1 ? 'it' : 'them'} to PEFT's layout to route ${mttl.length === 1 ? 'it' : 'them'} here.` });
  return [...out.values()];
}

/** Units of the sub-folders that hold one of `marks` (all sub-folders where none is given). */
async function children(root: string, marks: readonly string[]): Promise<readonly Unit[]> {
  const out: Unit[] = [];
  for (const name of await subfolderNames(root)) {
    const folder = path.join(root, name);
    if (!(await statOrNull(folder).catch(() => null))?.isDirectory()) continue;
    const marked = marks.length === 0 || (await Promise.all(marks.map((mark) => statOrNull(path.join(folder, mark)).catch(() => null)))).some((s) => s !== null);
    const unit = marked ? await readUnit(folder) : null;
    if (unit) out.push(unit);
  }
  return out;
}

function hasFactors(unit: Unit): boolean {
  return [...unit.tensors.keys()].some((name) => name.includes('.lora_A')) || unit.configs.get('adapter_config.json')?.['peft_type'] === 'LORA';
}

function isMttl(unit: Unit): boolean {
  return unit.configs.has('mttl_config.json') && [...unit.tensors.keys()].some((name) => /lora_[ab]$/.test(name));
}
