import * as vscode from 'vscode';
import { DEVICES, PARTITION_METHODS } from '../protocol/documents';
import type { AnalyzeOptions } from '../protocol/engineRpc';
import { nameOf } from './paths';

type Ask = (options: AnalyzeOptions) => Promise<AnalyzeOptions | undefined>;
interface Field {
  readonly label: string;
  readonly icon: string;
  readonly detail: string;
  value(options: AnalyzeOptions): string;
  readonly ask: Ask;
}

const AUTOMATIC = 'automatic';
/** Above this, an expert would hold a handful of neurons in every model of today. */
const MOST_EXPERTS = 4096;

/** Asks on which text to probe. Undefined when the user changed their mind. */
export const chooseProbe: Ask = async (options) => {
  const picked = await vscode.window.showQuickPick(
    [
      { id: 'default', label: '$(book) Default probe set', detail: 'Labelled texts of several domains that come with Modulens', picked: !options.probe && !options.weightsOnly },
      { id: 'file', label: '$(folder-opened) Choose a file…', detail: 'Text (one text a line) or JSON lines with "text" and optional "label"' },
      { id: 'weights', label: '$(symbol-numeric) Weights only', detail: 'No text: neurons are grouped by their weights alone' },
    ],
    { title: 'Probe: on which text?', placeHolder: `Now: ${describeProbe(options)}` },
  );
  if (!picked) return undefined;
  if (picked.id === 'default') return { ...options, probe: undefined, weightsOnly: false };
  if (picked.id === 'weights') return { ...options, weightsOnly: true };
  const files = await vscode.window.showOpenDialog({ title: 'Choose a probe file', openLabel: 'Probe with this', filters: { 'Texts (.txt, .jsonl)': ['txt', 'jsonl'] } });
  return files && { ...options, probe: files[0].fsPath, weightsOnly: false };
};

const chooseMethod: Ask = async (options) => {
  const details = { keys: 'Balanced k-means on the neurons’ keys; needs no text', coactivation: 'Split of the co-activation graph; needs text', random: 'Control: groups drawn at random, scored on text like the others', contiguous: 'Control: neighbours in the file, scored on text like the others' } as const;
  const picked = await vscode.window.showQuickPick(
    PARTITION_METHODS.map((method) => ({ label: method, detail: details[method], method })),
    { title: 'How to group neurons into experts' },
  );
  return picked && { ...options, method: picked.method };
};

const chooseDevice: Ask = async (options) => {
  const picked = await vscode.window.showQuickPick(
    DEVICES.map((device) => ({ label: device, description: device === 'auto' ? 'the fastest that agrees with the CPU' : '', device })),
    { title: 'Device for this analysis' },
  );
  return picked && { ...options, device: picked.device };
};

const FIELDS: readonly Field[] = [
  { label: 'Probe', icon: 'book', detail: 'Text on which neurons are watched', value: describeProbe, ask: chooseProbe },
  { label: 'Method', icon: 'type-hierarchy', detail: 'How neurons are grouped', value: ({ method }) => method ?? 'keys', ask: chooseMethod },
  { label: 'Experts', icon: 'symbol-array', detail: 'Groups per layer', value: ({ experts }) => numberText(experts), ask: async (options) => withNumber(await askNumber('Experts per layer', options.experts, 2), (experts) => ({ ...options, experts })) },
  { label: 'Top k', icon: 'filter', detail: 'Experts that a router keeps per token', value: ({ topK }) => numberText(topK), ask: async (options) => withNumber(await askNumber('Experts kept per token', options.topK, 1), (topK) => ({ ...options, topK })) },
  { label: 'Layers', icon: 'layers', detail: 'Zero-based, inclusive', value: ({ layers }) => layers ?? 'all', ask: askLayers },
  { label: 'Device', icon: 'circuit-board', detail: 'What runs the model', value: ({ device }) => device ?? 'auto', ask: chooseDevice },
];

/** Shows all options of a run with their values until the user runs or leaves. Undefined when they left. */
export const chooseOptions: Ask = async (initial) => {
  let options = initial;
  for (;;) {
    const run = { label: '$(play) Run', description: 'with the options below', field: null };
    const items = FIELDS.map((field) => ({ label: `$(${field.icon}) ${field.label}`, description: field.value(options), detail: field.detail, field }));
    const picked: { readonly field: Field | null } | undefined = await vscode.window.showQuickPick([run, ...items], { title: 'Analysis options', placeHolder: 'Choose what to change, then Run', ignoreFocusOut: true });
    if (!picked) return undefined;
    if (picked.field === null) return options;
    options = (await picked.field.ask(options)) ?? options;
  }
};

function describeProbe({ probe, weightsOnly }: AnalyzeOptions): string {
  return weightsOnly ? 'weights only' : probe ? nameOf(probe) : 'default probe set';
}

function numberText(value: number | undefined): string {
  return value === undefined ? AUTOMATIC : String(value);
}

function withNumber(answer: number | null | undefined, make: (value: number | undefined) => AnalyzeOptions): AnalyzeOptions | undefined {
  return answer === undefined ? undefined : make(answer ?? undefined);
}

/** A whole number; null = automatic; undefined = left. */
async function askNumber(title: string, current: number | undefined, least: number): Promise<number | null | undefined> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: `A whole number from ${least} to ${MOST_EXPERTS}; empty = ${AUTOMATIC}`,
    value: current === undefined ? '' : String(current),
    validateInput: (value) => (value.trim() === '' || (/^\d+$/.test(value.trim()) && Number(value) >= least && Number(value) <= MOST_EXPERTS) ? undefined : `Give a whole number from ${least} to ${MOST_EXPERTS}, or nothing.`),
  });
  if (text === undefined) return undefined;
  return text.trim() === '' ? null : Number(text);
}

async function askLayers(options: AnalyzeOptions): Promise<AnalyzeOptions | undefined> {
  const text = await vscode.window.showInputBox({
    title: 'Layers',
    prompt: 'For example 0-5,11; zero-based, inclusive; empty = all',
    value: options.layers ?? '',
    validateInput: (value) => (/^\s*$|^\s*\d+(-\d+)?(\s*,\s*\d+(-\d+)?)*\s*$/.test(value) ? undefined : 'Give numbers and ranges separated by commas, for example 0-5,11.'),
  });
  if (text === undefined) return undefined;
  return { ...options, layers: text.trim().replace(/\s+/g, '') || undefined };
}
