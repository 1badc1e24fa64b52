import * as vscode from 'vscode';
import type { MergeMethodFacts, RecipeProblem } from '../../protocol/merge';
import { setContext } from '../contributions';
import { Disposables } from '../disposables';
import { COMMANDS } from '../ids';
import { nameOf, pathOf } from '../paths';
import type { Merging } from './merging';
import { completionsAt, explain, type NamedModels, type RecipeCompletion } from './recipeCompletion';
import { placeAt, placeOfWord } from './recipePlace';
import { placeOfFailure, removableLine } from './recipeProblems';
import { RecipeState, resultLine, type RecipeText } from './recipeState';
import { isRecipe, methodIn } from './recipeText';

const SCHEMES = ['file', 'untitled', 'vscode-remote'];
const YAML_FILES: vscode.DocumentSelector = SCHEMES.flatMap((scheme) => [{ scheme, language: 'yaml' }, { scheme, pattern: '**/*.{yml,yaml}' }]);
const SOURCE = 'modulens';
const KINDS: Readonly<Record<RecipeCompletion['kind'], vscode.CompletionItemKind>> = { key: vscode.CompletionItemKind.Property, method: vscode.CompletionItemKind.Method, parameter: vscode.CompletionItemKind.Field, value: vscode.CompletionItemKind.Value, model: vscode.CompletionItemKind.File };

/** Merge recipes in the text editor: problems while typing, quick fixes, completion, explanations, and the lens above the first line. Registered at once; engine and rest are made for the first recipe. */
export class RecipeEditor extends Disposables implements vscode.CodeLensProvider, vscode.HoverProvider, vscode.CompletionItemProvider, vscode.CodeActionProvider {
  private readonly lensChange = this.add(new vscode.EventEmitter<void>());
  readonly onDidChangeCodeLenses = this.lensChange.event;
  private readonly diagnostics = this.add(vscode.languages.createDiagnosticCollection(SOURCE));
  private readonly states = new Map<string, RecipeState>();
  private merging: Merging | null = null;

  constructor(private readonly load: () => Promise<Merging>) {
    super();
    this.add(vscode.languages.registerCodeLensProvider(YAML_FILES, this));
    this.add(vscode.languages.registerHoverProvider(YAML_FILES, this));
    this.add(vscode.languages.registerCompletionItemProvider(YAML_FILES, this, ' ', '/', '+', '{'));
    this.add(vscode.languages.registerCodeActionsProvider(YAML_FILES, this, { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] }));
    this.add(vscode.workspace.onDidOpenTextDocument((document) => this.look(document)));
    this.add(vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => contentChanges.length > 0 && this.look(document)));
    this.add(vscode.workspace.onDidCloseTextDocument((document) => this.forget(document.uri)));
    this.add(vscode.workspace.onDidGrantWorkspaceTrust(() => this.lookAtAll()));
    this.add(vscode.window.onDidChangeActiveTextEditor(() => this.follow()));
    this.add({ dispose: () => [...this.states.values()].forEach((state) => state.dispose()) });
  }

  /** Looks at what is open already. */
  lookAtAll(): void {
    vscode.workspace.textDocuments.forEach((document) => this.look(document));
    this.follow();
  }

  /** Checks a text now, whatever its file is called; shows what is found. Resolves with its state. */
  async check(document: vscode.TextDocument): Promise<RecipeState> {
    const state = await this.stateOf(document);
    await state.check(recipeOf(document));
    return state;
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    if (!this.isShown(document)) return [];
    const lens = (title: string, command = '', tooltip?: string, ...args: unknown[]): vscode.CodeLens => new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), { title, command, tooltip, arguments: args });
    if (!vscode.workspace.isTrusted) return [lens('Merge recipe: checked and merged only in a trusted workspace', 'workbench.trust.manage')];
    const state = this.states.get(document.uri.toString());
    const bad = state === undefined || state.errors > 0 || state.failure !== null;
    return [
      lens('Check', COMMANDS.checkRecipe, 'Read the recipe and the headers of its models', document.uri),
      bad ? lens('Preview') : lens('Preview', COMMANDS.previewMerge, 'What the merge would do, and how the models lie to each other; nothing is written', document.uri),
      // Without a command a lens is plain text: it cannot be clicked.
      bad ? lens('Merge') : lens('Merge', COMMANDS.merge, 'Choose a folder and merge', document.uri),
      state && state.errors > 0 ? lens(resultLine(state), 'workbench.actions.view.problems') : lens(state ? resultLine(state) : 'checking\u2026'),
    ];
  }

  async provideHover(document: vscode.TextDocument, position: vscode.Position): Promise<vscode.Hover | undefined> {
    if (!this.isShown(document) || !vscode.workspace.isTrusted) return undefined;
    const place = placeOfWord(document.getText(), position.line, position.character);
    if (!place) return undefined;
    const range = new vscode.Range(position.line, place.from, position.line, place.to);
    const methods = await this.methods();
    const text = explain(place, document.getText(range).replace(/^["']|["']$/g, ''), methods, methodOf(document, methods));
    return text === null ? undefined : new vscode.Hover(new vscode.MarkdownString(text), range);
  }

  async provideCompletionItems(document: vscode.TextDocument, position: vscode.Position): Promise<vscode.CompletionItem[]> {
    if (!this.isShown(document) || !vscode.workspace.isTrusted) return [];
    const place = placeAt(document.getText(), position.line, position.character);
    if (!place) return [];
    const methods = await this.methods();
    const range = new vscode.Range(position.line, place.from, position.line, place.to);
    return completionsAt(place, methods, methodOf(document, methods), await this.models(document)).map((entry, i) => {
      const item = new vscode.CompletionItem(entry.label, KINDS[entry.kind]);
      item.insertText = new vscode.SnippetString(entry.insert);
      item.range = range;
      item.detail = entry.detail;
      item.sortText = String(i).padStart(4, '0');
      // A value that is half written in full would not be found by the editor's own idea of a word.
      item.filterText = entry.label;
      if (entry.documentation) item.documentation = new vscode.MarkdownString(entry.documentation);
      if (entry.asksOn) item.command = { title: 'Suggest', command: 'editor.action.triggerSuggest' };
      return item;
    });
  }

  provideCodeActions(document: vscode.TextDocument, range: vscode.Range): vscode.CodeAction[] {
    const state = this.states.get(document.uri.toString());
    const text = document.getText();
    if (!state?.isAbout(text)) return [];
    return (state.problems ?? []).filter((problem) => range.intersection(rangeOf(document, problem.range)) !== undefined).flatMap((problem) => this.fixes(document, problem));
  }

  private fixes(document: vscode.TextDocument, problem: RecipeProblem): vscode.CodeAction[] {
    const about = this.diagnostics.get(document.uri)?.filter((one) => one.range.isEqual(rangeOf(document, problem.range)));
    const action = (title: string, range: vscode.Range, text: string, isPreferred: boolean): vscode.CodeAction => {
      const made = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
      made.edit = new vscode.WorkspaceEdit();
      made.edit.replace(document.uri, range, text);
      made.isPreferred = isPreferred;
      made.diagnostics = about && [...about];
      return made;
    };
    const line = removableLine(document.getText(), problem);
    return [
      ...(problem.suggestion === undefined ? [] : [action(`Change to \u2018${problem.suggestion}\u2019`, rangeOf(document, problem.range), problem.suggestion, true)]),
      ...(line === null ? [] : [action('Remove this line', rangeOf(document, line), '', false)]),
    ];
  }

  private follow(): void {
    const document = vscode.window.activeTextEditor?.document;
    void setContext('modulens.recipeActive', document !== undefined && this.isShown(document));
  }

  private look(document: vscode.TextDocument): void {
    const known = this.states.get(document.uri.toString());
    if (!known && !(SCHEMES.includes(document.uri.scheme) && isRecipeDocument(document))) return;
    if (known && isYaml(document) && !isRecipeDocument(document)) return this.forget(document.uri);
    if (!vscode.workspace.isTrusted) return this.lensChange.fire();
    void this.stateOf(document).then((state) => state.update(recipeOf(document)), () => undefined);
  }

  private async stateOf(document: vscode.TextDocument): Promise<RecipeState> {
    this.merging ??= await this.load();
    const key = document.uri.toString();
    const known = this.states.get(key);
    if (known) return known;
    const state = new RecipeState(this.merging.engine);
    this.states.set(key, state);
    this.follow();
    state.onChange(() => this.show(document, state));
    return state;
  }

  private show(document: vscode.TextDocument, state: RecipeState): void {
    this.lensChange.fire();
    if (state.isChecking || document.isClosed || !state.isAbout(document.getText())) return;
    const found = (state.problems ?? []).map((problem) => {
      const diagnostic = new vscode.Diagnostic(rangeOf(document, problem.range), problem.message, problem.severity === 'error' ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning);
      diagnostic.source = SOURCE;
      diagnostic.code = problem.code;
      return diagnostic;
    });
    if (state.failure) {
      const diagnostic = new vscode.Diagnostic(rangeOf(document, placeOfFailure(document.getText(), state.failure)), state.failure.message, vscode.DiagnosticSeverity.Error);
      diagnostic.source = SOURCE;
      diagnostic.code = state.failure.code;
      found.push(diagnostic);
    }
    this.diagnostics.set(document.uri, found);
  }

  private forget(uri: vscode.Uri): void {
    this.states.get(uri.toString())?.dispose();
    this.states.delete(uri.toString());
    this.diagnostics.delete(uri);
    this.lensChange.fire();
  }

  /** Recipes by content, and whatever the user had checked. */
  private isShown(document: vscode.TextDocument): boolean {
    return isRecipeDocument(document) || this.states.has(document.uri.toString());
  }

  private async methods(): Promise<readonly MergeMethodFacts[]> {
    this.merging ??= await this.load();
    return this.merging.engine.methods();
  }

  private async models(document: vscode.TextDocument): Promise<NamedModels> {
    this.merging ??= await this.load();
    const { checkpoints, modules } = this.merging.services.checkpoints.findings;
    const name = (path: string): string => (document.uri.scheme === 'file' ? relative(pathOf(document.uri.fsPath).dirname(document.uri.fsPath), path) : path);
    return { checkpoints: checkpoints.map(name), modules: modules.map(name) };
  }
}

/** The text as it is in the editor, and its file. */
export function recipeOf(document: vscode.TextDocument): RecipeText {
  return { text: document.getText(), file: document.uri.scheme === 'file' ? document.uri.fsPath : null };
}

export function isRecipeDocument(document: vscode.TextDocument): boolean {
  return isRecipe(nameOf(document.uri.path), document.getText()) || isRecipe(document.languageId, document.getText());
}

const isYaml = (document: vscode.TextDocument): boolean => document.languageId === 'yaml' || /\.ya?ml$/i.test(document.uri.path);

function methodOf(document: vscode.TextDocument, methods: readonly MergeMethodFacts[]): MergeMethodFacts | null {
  const name = methodIn(document.getText());
  return methods.find((method) => method.name === name) ?? null;
}

function rangeOf(document: vscode.TextDocument, { from, to }: { readonly from: number; readonly to: number }): vscode.Range {
  return new vscode.Range(document.positionAt(from), document.positionAt(to));
}

/** A path as a recipe in `folder` names it, with slashes; whole where it lies on another drive. */
function relative(folder: string, path: string): string {
  const found = pathOf(path).relative(folder, path);
  return pathOf(path).isAbsolute(found) || found === '' ? path : found.replaceAll('\\', '/');
}
