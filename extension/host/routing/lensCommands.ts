import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import { COMMANDS } from '../ids';
import { chooseRouting } from './chooseRouting';
import { offsetOf } from './blocks';
import type { LensEntry, RoutingLens, TokenPlace } from './routingLens';
import { comparePinned, describeToken, whyExpert } from './tokenLists';
import { changeExpert, changeTemperature, resetWhatIf } from './whatIfCommands';

type LensCommandId = (typeof COMMANDS)['showRouting' | 'clearRouting' | 'chooseRouting' | 'previousRoutingLayer' | 'nextRoutingLayer' | 'previousSwitch' | 'nextSwitch' | 'describeRouting' | 'pinToken' | 'comparePinned' | 'openRouting' | 'whyExpert' | 'muteExpert' | 'forceExpert' | 'whatIfTemperature' | 'resetWhatIf'];
type LensCommand = (context: { readonly lens: RoutingLens }, target: unknown) => Promise<void>;

/** Commands of the lens. A target is a document (menus, lenses), a token's id (hover links), or nothing: then the cursor counts. */
export const LENS_COMMANDS: Readonly<Record<LensCommandId, LensCommand>> = {
  [COMMANDS.showRouting]: async ({ lens }, target) => {
    const entry = await lens.show(uriOf(target));
    if (entry?.document.error) throw failureOf(entry);
  },
  [COMMANDS.clearRouting]: async ({ lens }, target) => {
    const entry = entryFor(lens, target);
    if (entry) lens.clear(entry);
  },
  [COMMANDS.chooseRouting]: async ({ lens }, target) => {
    const entry = entryFor(lens, target) ?? (await lens.show(uriOf(target)));
    if (entry) await chooseRouting(lens, entry);
  },
  [COMMANDS.previousRoutingLayer]: async ({ lens }) => lens.active && lens.step(lens.active, -1),
  [COMMANDS.nextRoutingLayer]: async ({ lens }) => lens.active && lens.step(lens.active, 1),
  [COMMANDS.previousSwitch]: async ({ lens }, target) => goToSwitch(lens, target, -1),
  [COMMANDS.nextSwitch]: async ({ lens }, target) => goToSwitch(lens, target, 1),
  [COMMANDS.describeRouting]: async ({ lens }, target) => describeToken(lens, placeFor(lens, target)),
  [COMMANDS.whyExpert]: async ({ lens }, target) => whyExpert(lens, placeFor(lens, target)),
  [COMMANDS.muteExpert]: async ({ lens }, target) => changeExpert(placeFor(lens, target), 'mute'),
  [COMMANDS.forceExpert]: async ({ lens }, target) => changeExpert(placeFor(lens, target), 'force'),
  [COMMANDS.whatIfTemperature]: async ({ lens }, target) => {
    const entry = entryOf(lens, target);
    if (entry) await changeTemperature(entry);
  },
  [COMMANDS.resetWhatIf]: async ({ lens }, target) => {
    const entry = entryOf(lens, target);
    if (entry?.document.whatIf) await resetWhatIf(entry);
  },
  [COMMANDS.comparePinned]: async ({ lens }, target) => comparePinned(lens, placeFor(lens, target)),
  [COMMANDS.pinToken]: async ({ lens }, target) => {
    const place = placeFor(lens, target);
    const token = await pageToken(place);
    const { selection } = place.entry.document;
    if (selection.value.pinned.includes(token)) selection.unpin(token);
    else selection.pin(token);
    lens.changed();
  },
  [COMMANDS.openRouting]: async ({ lens }, target) => {
    const place = typeof target === 'string' ? lens.handles.get(target) : undefined;
    const entry = place?.entry ?? entryFor(lens, target) ?? (await lens.show(uriOf(target)));
    if (!entry) return;
    if (entry.document.page === null && entry.document.error) throw failureOf(entry);
    lens.panels.reveal(entry);
    if (place && place.block.trace?.result === entry.document.page?.result) entry.document.selection.set({ ...entry.document.selection.value, token: place.token, locked: true }, 'lens');
  },
};

function uriOf(target: unknown): vscode.Uri | undefined {
  if (target instanceof vscode.Uri) return target;
  return typeof target === 'string' && target.includes(':') ? vscode.Uri.parse(target, true) : undefined;
}

function entryFor(lens: RoutingLens, target: unknown): LensEntry | undefined {
  const uri = uriOf(target);
  return uri ? lens.entryOf(uri) : lens.active;
}

/** The document of a hover link, of a lens or menu, or of the active editor. */
function entryOf(lens: RoutingLens, target: unknown): LensEntry | undefined {
  return (typeof target === 'string' ? lens.handles.get(target)?.entry : undefined) ?? entryFor(lens, target);
}

function failureOf(entry: LensEntry): Error {
  return new Error(entry.document.error?.message ?? '');
}

/** The token of a hover link, else the one at the cursor. */
function placeFor(lens: RoutingLens, target: unknown): TokenPlace {
  const handle = typeof target === 'string' ? lens.handles.get(target) : undefined;
  if (handle) return handle;
  const { active } = lens;
  const editor = vscode.window.activeTextEditor;
  const place = active && editor ? lens.tokenAt(active, editor.selection.active) : null;
  if (!place) throw failure('routing/no-token', {});
  return place;
}

/** The number of a token in the result that page and editor share; blocks that were routed alone are brought together first. */
async function pageToken({ entry, block, token }: TokenPlace): Promise<number> {
  const { document } = entry;
  if (block.trace?.result === document.page?.result) return token;
  const within = token - (block.tokens[0] ?? 0);
  const number = document.blocks.indexOf(block);
  await document.route();
  const first = document.blocks.at(number)?.tokens[0];
  if (number < 0 || first === undefined) throw failure('routing/no-token', {});
  return first + within;
}

/** Moves the cursor to where the first expert changes next. */
async function goToSwitch(lens: RoutingLens, target: unknown, by: 1 | -1): Promise<void> {
  const place = placeFor(lens, target);
  const { entry, block, token } = place;
  const { document } = entry;
  const { trace } = block;
  if (!trace) return;
  const placed = block.tokens.filter((one) => trace.head.tokens[one].start !== null && (trace.head.tokens[one].end ?? Infinity) <= block.fresh);
  const experts = placed.map((one) => trace.top(document.site, one));
  let at = placed.indexOf(token) + by;
  while (at > 0 && at < placed.length && experts[at] === experts[at - 1]) at += by;
  if (at <= 0 || at >= placed.length) {
    void vscode.window.setStatusBarMessage(`Routing: no ${by > 0 ? 'further' : 'earlier'} switch in this text`, 4000);
    return;
  }
  const start = trace.head.tokens[placed[at]].start ?? 0;
  const offset = offsetOf(block.block, start);
  const line = document.lines.lineOf(offset);
  const editor = lens.editorsOf(entry)[0];
  if (!editor) return;
  const position = new vscode.Position(line, offset - document.lines.starts[line]);
  editor.selection = new vscode.Selection(position, position);
  editor.revealRange(new vscode.Range(position, position), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}
