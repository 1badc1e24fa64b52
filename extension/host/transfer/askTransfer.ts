import * as fs from 'node:fs';
import * as vscode from 'vscode';
import type { ModuleFacts } from '../../protocol/engineRpc';
import { TRANSFER_METHODS, type TransferMethodName, type TransferRequest } from '../../protocol/transfer';
import { TRANSFER_METHOD_WORDS } from '../../protocol/transferPage';
import { SAMPLE_MODULES, SAMPLE_ROOT } from '../ids';
import { describeModule } from '../itemText';
import { nameOf } from '../paths';
import type { Services } from '../services';
import { type BasePlace, moduleFolderOf, orderBases, placesBeside } from './bases';
import { BACK, type PickItem, pickStep, separator } from './steps';

/** An item that opens a dialog instead of being a place. */
const BROWSE = '';

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
  const browse: PickItem<string> = { label: '$(folder-opened) Choose a folder\u2026', description: 'with adapter_config.json', value: BROWSE };
  const sample = SAMPLE_MODULES.map((name): PickItem<string> => ({ label: name, description: 'comes with Modulens, on modulens-sample', value: samplePath(services, name) }));
  const place = (path: string, facts: ModuleFacts | null): PickItem<string> => ({ label: `$(extensions) ${nameOf(path)}`, description: vscode.workspace.asRelativePath(path), ...(facts ? { detail: describeModule(facts) } : {}), value: path });
  const list = (workspace: readonly PickItem<string>[], cache: readonly PickItem<string>[]): readonly PickItem<string>[] => [
    browse, ...(workspace.length > 0 ? [separator<string>('In this workspace'), ...workspace] : []), ...(cache.length > 0 ? [separator<string>('Local Hugging Face cache'), ...cache] : []), separator('Samples'), ...sample,
  ];
  const answer = await pickStep<string>({
    title: 'Transfer: which module?', placeholder: 'A PEFT folder that was trained on one base and shall go to another', at, items: list(services.checkpoints.findings.modules.map((path) => place(path, null)), []),
    more: async (signal) => {
      const { modules } = await services.checkpoints.scan();
      const [described, found] = await Promise.all([services.engine.request('checkpoint/describe', { paths: [...modules] }, signal), searchCache(services, signal)]);
      const facts = new Map(described.map((one) => [one.path, one.module] as const));
      return list(modules.map((path) => place(path, facts.get(path) ?? null)), found.filter(({ kind }) => kind === 'module').map(({ name, path }) => ({ label: name, description: path, value: path })));
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
  const browse: PickItem<string> = { label: '$(folder-opened) Choose a folder\u2026', description: 'with config.json and weights', value: BROWSE };
  const samples = ['modulens-sample', 'modulens-sample-small'].map((name): BasePlace => ({ label: name, path: samplePath(services, name), origin: 'sample' }));
  const workspace = (): readonly BasePlace[] => services.checkpoints.findings.checkpoints.map((path) => ({ label: nameOf(path), path, origin: 'workspace' }));
  const item = ({ label, path, origin }: BasePlace, found: boolean): PickItem<string> => ({ label: `$(layers) ${label}`, description: found ? 'named by the module' : origin === 'sample' ? 'comes with Modulens' : '', detail: origin === 'sample' ? undefined : path, value: path });
  const list = (places: readonly BasePlace[]): readonly PickItem<string>[] => {
    const { named: wanted, others } = orderBases(named, places, without);
    const group = (name: string, origin: BasePlace['origin']): readonly PickItem<string>[] => {
      const members = others.filter((place) => place.origin === origin);
      return members.length > 0 ? [separator(name), ...members.map((place) => item(place, false))] : [];
    };
    return [...wanted.map((place) => item(place, true)), browse, ...group('In this workspace', 'workspace'), ...group('Local Hugging Face cache', 'cache'), ...group('Samples', 'sample')];
  };
  const answer = await pickStep<string>({
    title, placeholder, at, items: list([...beside, ...workspace(), ...samples]),
    more: async (signal) => {
      await services.checkpoints.scan();
      const cache = (await searchCache(services, signal)).filter(({ kind }) => kind === 'checkpoint').map(({ name, path }): BasePlace => ({ label: name, path, origin: 'cache' }));
      return list([...beside, ...workspace(), ...cache, ...samples]);
    },
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
