import * as vscode from 'vscode';
import type { MergeMethodFacts } from '../../protocol/merge';
import { nameOf, pathOf, samePlace } from '../paths';
import { pickCheckpoint } from '../pickCheckpoint';
import { mergeRecipe } from './mergeRun';
import type { Merging } from './merging';
import { inputsOf } from './recipeWords';
import { writeRecipe } from './writeRecipe';

/** Asks how to merge what was selected: method, base, and whether at once or with a recipe to edit first. */
export async function mergeSelection(merging: Merging, paths: readonly string[]): Promise<void> {
  const selected = paths.length > 0 ? paths : await pickModels(merging);
  if (!selected || selected.length === 0) return;
  const modules = selected.filter((path) => isModule(merging, path)), checkpoints = selected.filter((path) => !modules.includes(path));
  const choice = await chooseInputs(merging, checkpoints, modules);
  if (!choice) return;
  const text = writeRecipe(choice);
  const now = await vscode.window.showQuickPick(
    [
      { label: '$(edit) Edit the recipe first', detail: 'Weights, layers, filters, types; then Check, Preview and Merge above its first line', now: false },
      { label: '$(play) Merge now', detail: choice.method.says, now: true },
    ],
    { title: `Merge by ${choice.method.title}`, ignoreFocusOut: true },
  );
  if (!now) return;
  if (now.now) await mergeRecipe(merging, { text, file: null }, nameOf(selected[0]));
  else await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ language: 'yaml', content: text }));
}

interface Inputs {
  readonly method: MergeMethodFacts;
  readonly models: readonly string[];
  readonly base: string | null;
}

async function chooseInputs(merging: Merging, checkpoints: readonly string[], modules: readonly string[]): Promise<Inputs | undefined> {
  const methods = await merging.engine.methods();
  const count = checkpoints.length + modules.length;
  const fits = ({ models: [least, most], base }: MergeMethodFacts): boolean => [count, ...(modules.length === 0 && base !== 'unused' ? [count - 1] : [])].some((n) => n >= least && (most === null || n <= most));
  const picked = await vscode.window.showQuickPick(
    methods.filter(fits).map((method) => ({ label: method.title, description: `${method.name} \u00b7 ${inputsOf(method)}`, detail: `${method.formula} \u2014 ${method.says}`, method })),
    { title: `Merge ${count} ${modules.length === count ? 'modules' : 'models'}: how?`, matchOnDescription: true, matchOnDetail: true, ignoreFocusOut: true },
  );
  if (!picked) return undefined;
  const { method } = picked;
  const [least, most] = method.models;
  if (modules.length > 0) {
    // A LoRA is merged as the checkpoint that it makes of its base.
    const base = await chooseBase(merging, checkpoints, `Base of ${modules.map(nameOf).join(', ')}`);
    if (base === undefined) return undefined;
    return { method, models: [...checkpoints.filter((path) => !samePlace(path, base)), ...modules.map((module) => `${base}+${module}`)], base: method.base === 'unused' ? null : base };
  }
  const mayBeBase = method.base !== 'unused' && count - 1 >= least;
  if (method.base === 'unused' || (method.base === 'optional' && count >= least && (most === null || count <= most))) return { method, models: checkpoints, base: null };
  const base = await chooseBase(merging, mayBeBase ? checkpoints : [], 'Base model: which one did the others start from?');
  return base === undefined ? undefined : { method, models: checkpoints.filter((path) => !samePlace(path, base)), base };
}

async function chooseBase(merging: Merging, among: readonly string[], title: string): Promise<string | undefined> {
  if (among.length === 0) return pickCheckpoint(merging.services, title);
  const other = { label: '$(folder-opened) Another checkpoint\u2026', description: '', path: null as string | null };
  const items = [...among.map((path) => ({ label: nameOf(path), description: vscode.workspace.asRelativePath(path), path: path })), other];
  const picked = await vscode.window.showQuickPick(items, { title, ignoreFocusOut: true });
  return picked && (picked.path ?? pickCheckpoint(merging.services, title));
}

/** Two or more checkpoints and modules of the workspace. */
export async function pickModels(merging: Merging): Promise<readonly string[] | undefined> {
  const { checkpoints, modules } = await merging.services.checkpoints.scan();
  const items = [...checkpoints.map((path) => ({ label: nameOf(path), description: vscode.workspace.asRelativePath(path), path })), ...modules.map((path) => ({ label: nameOf(path), description: `LoRA \u00b7 ${vscode.workspace.asRelativePath(path)}`, path }))];
  if (items.length === 0) {
    await vscode.window.showInformationMessage('This workspace holds no checkpoint and no module. Open a folder with models, or a merge recipe (a .yml file with merge_method).');
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(items, { title: 'Which models?', placeHolder: 'Choose two or more checkpoints or modules', canPickMany: true, ignoreFocusOut: true });
  return picked?.map(({ path }) => path);
}

/** Whether a place is a PEFT folder, as far as the workspace's search knows. */
export function isModule(merging: Merging, path: string): boolean {
  return merging.services.checkpoints.findings.modules.some((module) => samePlace(module, path)) || nameOf(path) === 'adapter_model.safetensors' || nameOf(path) === 'adapter_config.json';
}

/** The folder that a selected file stands for. */
export function folderOf(path: string): string {
  return /^(adapter_model\.(safetensors|bin)|adapter_config\.json|config\.json|model(-\d+-of-\d+)?\.safetensors|.*\.index\.json)$/.test(nameOf(path)) ? pathOf(path).dirname(path) : path;
}
