import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import type { WhatIf } from '../../protocol/routing';
import { fixed, quote, tokenFacts } from './facts';
import { nameExpert } from './palette';
import type { LensEntry, TokenPlace } from './routingLens';
import { alone, muted, namedExpert, tempered } from './whatIf';

/** Takes an expert out, or leaves it alone: the one that a hover link names, else one that the user picks among the token's. */
export async function changeExpert(place: TokenPlace, how: 'mute' | 'force'): Promise<void> {
  const { entry: { document }, block: { trace } } = place;
  if (!trace?.has(document.site)) throw failure('routing/no-token', {});
  const at = place.at ?? (await pickExpert(place, how));
  if (!at) return;
  const expert = namedExpert(trace.head, at.site, at.expert);
  await apply(place.entry, how === 'mute' ? muted(document.whatIf, expert) : alone(document.whatIf, expert));
}

/** Asks for a temperature; empty gives the router its own back. */
export async function changeTemperature(entry: LensEntry): Promise<void> {
  const { whatIf, head } = entry.document;
  const own = head?.sites[entry.document.site]?.temperature;
  const text = await vscode.window.showInputBox({
    title: 'What if scores were divided by another temperature?', value: whatIf?.temperature?.toString() ?? '',
    prompt: `Below 1 choices are more decided, above 1 less. Empty: the router\u2019s own${own === null || own === undefined || whatIf?.temperature !== undefined ? '' : ` (${fixed(own)})`}.`,
    validateInput: (value) => (value.trim() === '' || Number(value) > 0 ? undefined : 'A number above 0 is expected.'),
  });
  if (text === undefined) return;
  await apply(entry, tempered(whatIf, text.trim() === '' ? undefined : Number(text)));
}

/** Shows the model as it is again. */
export async function resetWhatIf(entry: LensEntry): Promise<void> {
  await apply(entry, null);
}

async function apply(entry: LensEntry, whatIf: WhatIf | null): Promise<void> {
  const error = await entry.document.setWhatIf(whatIf);
  if (error) throw new Error(error.message);
}

async function pickExpert({ entry: { document }, block: { trace }, token }: TokenPlace, how: 'mute' | 'force'): Promise<TokenPlace['at']> {
  if (!trace) return undefined;
  const { site, names } = document;
  const { text } = tokenFacts(trace, site, token, names);
  const picked = await vscode.window.showQuickPick(
    trace.slots(site, token).map(({ expert, weight }) => ({ label: `expert ${nameExpert(trace.head, site, expert, names).label}`, description: `weight ${fixed(weight)}`, expert })),
    { title: how === 'mute' ? `What if no token could go to this expert? (those of ${quote(text)}, best first)` : `What if tokens could go to this expert alone? (those of ${quote(text)}, best first)` },
  );
  return picked && { site, expert: picked.expert };
}
