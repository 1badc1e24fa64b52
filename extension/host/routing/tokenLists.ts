import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import type { RoutingHead } from '../../protocol/routing';
import { type AdaptersAtSite, compareLines, whyLines } from './comparisons';
import { factLines, quote, tokenFacts } from './facts';
import type { Names } from './palette';
import type { RoutingLens, TokenPlace } from './routingLens';
import type { TraceView } from './traceView';

interface Line {
  readonly label: string;
  readonly detail: string;
}

/** The hover's facts as a list that a screen reader reads, with a way to keep them as text. */
export async function describeToken(_lens: RoutingLens, place: TokenPlace): Promise<void> {
  const { trace, site, names } = known(place);
  const facts = tokenFacts(trace, site, place.token, names);
  await showLines(`Routing of ${quote(facts.text)} at ${facts.site}`, factLines(facts));
}

/** Why the first expert is the first: scores, what lies between, and how a weight comes from a score. */
export async function whyExpert(lens: RoutingLens, place: TokenPlace): Promise<void> {
  const { trace, site, names } = known(place);
  const facts = tokenFacts(trace, site, place.token, names);
  await showLines(`Why ${facts.experts[0]?.label ?? 'no expert'} for ${quote(facts.text)} at ${facts.site}`, whyLines(trace, site, place.token, facts, await adaptersAt(lens, place, trace.head, site)));
}

/** What the weights of the adapters say that a token chose between; null for other routers, and where they cannot be read any more. */
async function adaptersAt({ services }: RoutingLens, { entry }: TokenPlace, { sites }: RoutingHead, site: number): Promise<AdaptersAtSite | null> {
  const { path, modules } = entry.document.choice, { id, kind, layer } = sites[site];
  if (kind !== 'library' || modules === undefined) return null;
  try {
    const library = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'Modulens: reading the adapters\u2019 weights' }, () => services.engine.request('routing/library', { path, modules, layers: String(layer) }));
    return { library, site: id };
  } catch (error) {
    services.log.warn(`adapters of ${modules}: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

/** The token beside the pinned ones, layer by layer. */
export async function comparePinned(lens: RoutingLens, place: TokenPlace): Promise<void> {
  const { document } = place.entry;
  const { trace, site, names } = known(place);
  const pinned = document.selection.value.pinned.filter((token) => token !== place.token || trace.result !== document.page?.result);
  if (pinned.length === 0) throw failure('routing/no-pins', {});
  const sources = pinned.flatMap((token) => {
    const block = document.blocks.find((one) => one.trace !== null && one.trace.result === document.page?.result && one.trace.head.tokens[token]?.record === one.record);
    return block?.trace ? [{ trace: block.trace, token }] : [];
  });
  const text = trace.head.tokens[place.token].text;
  await showLines(`${quote(text)} beside ${sources.length === 1 ? 'the pinned token' : `${sources.length} pinned tokens`}`, sources.flatMap((other) => compareLines({ trace, token: place.token }, other, site, names)));
  lens.changed();
}

function known({ entry, block }: TokenPlace): { readonly trace: TraceView; readonly site: number; readonly names: Names } {
  const { site, names } = entry.document;
  if (!block.trace?.has(site)) throw failure('routing/no-token', {});
  return { trace: block.trace, site, names };
}

async function showLines(title: string, lines: readonly Line[]): Promise<void> {
  const open = { label: '$(go-to-file) Open as text', detail: '', isText: true };
  const items: readonly (Line & { readonly isText?: boolean })[] = [...lines, open];
  const picked = await vscode.window.showQuickPick(items, { title, placeHolder: 'Arrow keys read the facts', matchOnDetail: true });
  if (!picked?.isText) return;
  const content = [title, '', ...lines.map(({ label, detail }) => (detail === '' ? label : `${label}: ${detail}`)), ''].join('\n');
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content, language: 'markdown' }), { preview: true });
}
