import * as vscode from 'vscode';
import { nameOf } from '../paths';
import { askChoice, askRouter, rememberChoice } from './chooseModel';
import { CHANNEL_WORDS } from './lensText';
import { siteTitle } from './palette';
import type { RoutingChoice } from './request';
import type { LensEntry, RoutingLens } from './routingLens';
import { CHANNELS } from './tints';

/** The picker behind the status bar: layer, router, checkpoint, and what the tint means. */
export async function chooseRouting(lens: RoutingLens, entry: LensEntry): Promise<void> {
  const { document } = entry;
  const { head, site, choice } = document;
  const picked = await vscode.window.showQuickPick(
    [
      ...(head ? [{ id: 'site', label: '$(layers) Layer', description: siteTitle(head, site), detail: `One of ${head.sites.length}; the text shows each while you look through the list` }] : []),
      { id: 'router', label: '$(type-hierarchy) Router', description: choice.router, detail: 'What chooses the experts' },
      { id: 'channel', label: '$(symbol-color) Tint', description: lens.channel, detail: CHANNEL_WORDS[lens.channel] },
      { id: 'model', label: '$(package) Checkpoint', description: nameOf(choice.path), detail: choice.path },
    ],
    { title: `Routing of ${document.name}`, placeHolder: 'Choose what to change' },
  );
  switch (picked?.id) {
    case 'site':
      return chooseSite(lens, entry);
    case 'channel':
      return chooseChannel(lens);
    case 'router':
      return routeWith(lens, entry, await askRouter(lens.services, choice));
    case 'model':
      return routeWith(lens, entry, await askChoice(lens.services));
  }
}

async function routeWith(lens: RoutingLens, entry: LensEntry, choice: RoutingChoice | undefined): Promise<void> {
  if (!choice) return;
  if (entry.shown) await lens.show(entry.uri, choice);
  else {
    await rememberChoice(lens.services, choice);
    await entry.document.route(choice);
  }
}

/** Picks a layer; the text follows the list, and goes back when the user leaves. */
function chooseSite(lens: RoutingLens, entry: LensEntry): Promise<void> {
  const { head, site: before } = entry.document;
  if (!head) return Promise.resolve();
  const pick = vscode.window.createQuickPick<vscode.QuickPickItem & { readonly site: number }>();
  pick.title = 'Layer, from input to output';
  pick.items = head.sites.map((facts, site) => ({ site, label: siteTitle(head, site), description: `${facts.E} experts, ${facts.k} used per token`, detail: facts.note }));
  pick.activeItems = pick.items.filter(({ site }) => site === before);
  return new Promise((resolve) => {
    let accepted = false;
    pick.onDidChangeActive(([item]) => item && entry.document.head === head && lens.showSite(entry, item.site));
    pick.onDidAccept(() => {
      accepted = true;
      pick.hide();
    });
    pick.onDidHide(() => {
      if (!accepted && entry.document.head === head) lens.showSite(entry, before);
      pick.dispose();
      resolve();
    });
    pick.show();
  });
}

async function chooseChannel(lens: RoutingLens): Promise<void> {
  const picked = await vscode.window.showQuickPick(
    CHANNELS.map((channel) => ({ label: channel, description: channel === lens.channel ? 'now' : '', detail: CHANNEL_WORDS[channel], channel })),
    { title: 'What the strength of the tint means' },
  );
  if (picked) lens.setChannel(picked.channel);
}
