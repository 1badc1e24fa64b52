import * as fs from 'node:fs';
import * as vscode from 'vscode';
import { TRANSFER_METHODS, type TransferMethodName, type TransferRequest } from '../../protocol/transfer';
import { TRANSFER_METHOD_WORDS } from '../../protocol/transferPage';
import { SAMPLE_MODULES, SAMPLE_ROOT } from '../ids';
import { nameOf } from '../paths';
import type { Services } from '../services';
import { type BasePlace, moduleFolderOf, orderBases, placesBeside } from './bases';
import { BACK, type PickItem, pickStep, separator } from './steps';

/** An item that opens a dialog instead of being a place. */
const BROWSE = '';
const SAMPLE_BASES = ['modulens-sample', 'modulens-sample-small'];

type Step = readonly [number, number] | undefined;
type Answer = string | typeof BACK | undefined;

/** Asks for module, source base, target base and method, as far as they are not known; back goes back. Undefined when the user left. */
export async function askTransfer(services: Services, clicked: string | undefined): Promise<TransferRequest | undefined> {
  const given = clicked === undefined ? undefined : moduleFolderOf(clicked, isFile);
  const total = given === undefined ? 4 : 3;
  const offset = given === undefined ? 0 : -1;
  const answers: string[] = given === undefined ? [] : [given];
  while (answers.length < 4) {
    const step = answers.length;
    const at = [step + 1 + offset, total] as const;
    const answer = await [askModule, askSource, askTarget, askMethod][step](services, answers, at);
    if (answer === undefined) return undefined;
    if (answer === BACK) answers.pop();
    else answers.push(answer);
    if (answers.length === 0 && given !== undefined) return undefined;
  }
  const [module, from, to, method] = answers;
  return { module, from, to, method: method as TransferMethodName };
}

/** One of the four again, for the page. */
export async function askOne(services: Services, what: 'module' | 'from' | 'to', { module, from, to }: TransferRequest): Promise<string | undefined> {
  const ask = { module: askModule, from: askSource, to: askTarget }[what];
  const answer = await ask(services, [module, from, to], undefined);
  return typeof answer === 'string' ? answer : undefined;
}

async function askModule(services: Services, _answers: readonly string[], at: Step): Promise<Answer> {
  const { modules } = await services.checkpoints.scan();
  const workspace = modules.map((path): PickItem<string> => ({ label: `$(extensions) ${nameOf(path)}`, description: vscode.workspace.asRelativePath(path), value: path }));
  const sample = SAMPLE_MODULES.map((name): PickItem<string> => ({ label: `$(extensions) ${name}`, description: 'comes with Modulens, on modulens-sample', value: samplePath(services, name) }));
  const browse: PickItem<string> = { label: '$(folder-opened) Choose a folder\u2026', description: 'with adapter_config.json', value: BROWSE };
  const answer = await pickStep<string>({
    title: 'Transfer: which module?', placeholder: 'A PEFT folder that was trained on one base and shall go to another', at,
    items: [...(workspace.length > 0 ? [separator<string>('In this workspace'), ...workspace] : []), separator('Elsewhere'), browse, ...sample],
    more: async (signal) => {
      const found = (await searchCache(services, signal)).filter(({ kind }) => kind === 'module');
      return found.length === 0 ? [] : [separator('Local Hugging Face cache'), ...found.map(({ name, path }): PickItem<string> => ({ label: `$(extensions) ${name}`, description: path, value: path }))];
    },
  });
  return answer === BROWSE ? browseFolder('Choose the folder of a PEFT module', 'Transfer This') : answer;
}

async function askSource(services: Services, [module]: readonly string[], at: Step): Promise<Answer> {
  const [described] = await services.engine.request('checkpoint/describe', { paths: [module] });
  const named = described?.module?.base ?? null;
  const beside = placesBeside(module, named).filter(isCheckpoint).map((path): BasePlace => ({ label: nameOf(path), path, origin: 'beside' }));
  return askBase(services, { title: `Transfer: on which base was ${nameOf(module)} trained?`, placeholder: named === null ? 'adapter_config.json names no base' : `adapter_config.json names ${named}`, named, beside, without: [], at });
}

async function askTarget(services: Services, [module, from]: readonly string[], at: Step): Promise<Answer> {
  return askBase(services, { title: `Transfer: to which base shall ${nameOf(module)} go?`, placeholder: `Any checkpoint but ${nameOf(from)}`, named: null, beside: [], without: [from], at });
}

interface BaseQuestion {
  readonly title: string;
  readonly placeholder: string;
  readonly named: string | null;
  readonly beside: readonly BasePlace[];
  readonly without: readonly string[];
  readonly at: Step;
}

async function askBase(services: Services, { title, placeholder, named, beside, without, at }: BaseQuestion): Promise<Answer> {
  const { checkpoints } = await services.checkpoints.scan();
  const workspace = checkpoints.map((path): BasePlace => ({ label: nameOf(path), path, origin: 'workspace' }));
  const samples = SAMPLE_BASES.map((name): BasePlace => ({ label: name, path: samplePath(services, name), origin: 'sample' }));
  const cached = async (signal: AbortSignal): Promise<readonly BasePlace[]> => (await searchCache(services, signal)).filter(({ kind }) => kind === 'checkpoint').map(({ name, path }) => ({ label: name, path, origin: 'cache' }));
  const near = [...beside, ...workspace, ...samples];
  // The named base stands first. Only when it is nowhere near, the list waits for the cache.
  const early = named !== null && orderBases(named, near).named.length === 0 ? await cached(new AbortController().signal) : null;
  const known = orderBases(named, [...near, ...(early ?? [])], without);
  const item = ({ label, path, origin }: BasePlace, found: boolean): PickItem<string> => ({ label: `$(layers) ${label}`, description: [found ? 'named by the module' : '', origin === 'sample' ? 'comes with Modulens' : path].filter(Boolean).join(', '), value: path });
  const group = (name: string, places: readonly BasePlace[], origin: BasePlace['origin']): readonly PickItem<string>[] => {
    const members = places.filter((place) => place.origin === origin);
    return members.length > 0 ? [separator(name), ...members.map((place) => item(place, false))] : [];
  };
  const browse: PickItem<string> = { label: '$(folder-opened) Choose a folder\u2026', description: 'with config.json and weights', value: BROWSE };
  const answer = await pickStep<string>({
    title, placeholder, at,
    items: [...known.named.map((place) => item(place, true)), ...group('In this workspace', known.others, 'workspace'), separator('Elsewhere'), browse, ...known.others.filter(({ origin }) => origin === 'sample').map((place) => item(place, false)), ...group('Local Hugging Face cache', known.others, 'cache')],
    ...(early ? {} : { more: async (signal) => group('Local Hugging Face cache', orderBases(null, await cached(signal), without).others, 'cache') }),
  });
  return answer === BROWSE ? browseFolder('Choose a checkpoint', 'Choose') : answer;
}

async function askMethod(_services: Services, _answers: readonly string[], at: Step): Promise<Answer> {
  return pickStep<string>({
    title: 'Transfer: by which method?', placeholder: 'It can be changed in the plan', at,
    items: TRANSFER_METHODS.map((method, i) => ({ label: TRANSFER_METHOD_WORDS[method].title, description: i === 0 ? 'usual' : '', detail: TRANSFER_METHOD_WORDS[method].says, value: method })),
  });
}

async function searchCache(services: Services, signal: AbortSignal): ReturnType<typeof services.engine.request<'checkpoint/find'>> {
  try {
    return await services.engine.request('checkpoint/find', { folders: [], huggingFaceCache: true }, signal);
  } catch (error) {
    // The rest of the list stays usable.
    if (!signal.aborted) services.log.warn(`the Hugging Face cache could not be searched: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

/** Undefined brings the whole sequence to its end, as closing the list does. */
async function browseFolder(title: string, openLabel: string): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({ title, openLabel, canSelectFolders: true, canSelectFiles: false });
  return chosen?.[0]?.fsPath;
}

function samplePath(services: Services, name: string): string {
  return vscode.Uri.joinPath(services.context.extensionUri, ...SAMPLE_ROOT, name).fsPath;
}

function isFile(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isCheckpoint(path: string): boolean {
  return isFile(`${path}/config.json`);
}
