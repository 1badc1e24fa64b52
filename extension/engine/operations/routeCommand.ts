import { readTexts } from '../../probe/texts';
import type { DeviceChoice } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import { type RouteDocument, type RouteRequest, type RouterName, ROUTERS, type NamedExpert, type RoutingVariant, type WhatIf } from '../../protocol/routing';
import type { GenKnowSub, LibraryDocument, LibrarySimilarityKind } from '../../protocol/routingLibrary';
import type { OperationContext } from '../context';
import { variantOf } from './compareRouting';
import { routeDocument, textsOf } from './route';

export interface RouteCommand {
  readonly path: string;
  readonly router: RouterName;
  readonly text?: string;
  readonly modules?: string;
  /** A trace made elsewhere (`imported`). */
  readonly trace?: string;
  /** Hidden states that other software recorded, for families of which only the routers are built. */
  readonly hidden?: string;
  readonly layers?: string;
  readonly experts?: number;
  readonly topK?: number;
  readonly temperature?: number;
  readonly baseActivations?: boolean;
  readonly compareKeys?: boolean;
  /** Experts that no token may go to, or alone: `B,3@blocks.2.ffn`. */
  readonly mute?: string;
  readonly force?: string;
  readonly whatIfTemperature?: number;
  /** Another router: `similarity`, `arrow,k=1,temperature=2`. */
  readonly compareWith?: string;
  /** How a library's general knowledge is subtracted; by default as its settings say. */
  readonly generalKnowledge?: GenKnowSub;
  /** By what adapters are grouped (`--library-facts`). */
  readonly groupBy?: LibrarySimilarityKind;
  readonly seed: number;
  readonly device: DeviceChoice;
}

/** The command line's `route`: files in, one document out. */
export async function run(command: RouteCommand, context: OperationContext): Promise<RouteDocument> {
  const { path, router, text, modules, layers, experts, topK, temperature, baseActivations, seed, device, trace } = command;
  if (router === 'imported') {
    if (trace === undefined) throw failure('usage', { message: 'Name the trace to read with --trace FILE.' });
    return (await import('./importRouting')).run({ path, trace, seed, ...(text === undefined ? {} : { text }) }, context);
  }
  if (command.hidden !== undefined) {
    if (router !== 'native') throw failure('usage', { message: '--hidden is what a model\u2019s own router reads: add --router native.' });
    return (await import('./routeHidden')).run({ path, hidden: command.hidden, seed, ...(text === undefined ? {} : { text }), ...(layers === undefined ? {} : { layers }) }, context);
  }
  if (trace !== undefined) throw failure('usage', { message: '--trace belongs to --router imported.' });
  if (text === undefined) throw failure('usage', { message: 'Name the text to route with --text FILE.' });
  if (router === 'arrow' && modules === undefined) throw failure('usage', { message: 'Arrow routes a folder of LoRAs: name it with --modules FOLDER.' });
  const file = await readTexts(text);
  const whatIf: WhatIf = { ...(command.mute === undefined ? {} : { mute: namedExperts(command.mute) }), ...(command.force === undefined ? {} : { force: namedExperts(command.force) }), ...(command.whatIfTemperature === undefined ? {} : { temperature: command.whatIfTemperature }) };
  const request: RouteRequest = {
    path, router, seed, ...(Object.keys(whatIf).length > 0 ? { whatIf } : {}), texts: textsOf(file.texts), ...(modules === undefined ? {} : { modules }), ...(layers === undefined ? {} : { layers }), ...(experts === undefined ? {} : { experts }),
    ...(command.generalKnowledge === undefined ? {} : { genKnowSub: command.generalKnowledge }), ...(topK === undefined ? {} : { topK }), ...(temperature === undefined ? {} : { temperature }), ...(baseActivations ? { baseActivations } : {}),
  };
  if (command.compareKeys && router !== 'native') throw failure('usage', { message: '--compare-keys compares a model\u2019s own router: add --router native.' });
  return routeDocument(request, context, device, { withKeys: command.compareKeys === true, ...(command.compareWith === undefined ? {} : { against: variantOf(request, variantFrom(command.compareWith), undefined) }) });
}

/** `--library-facts`: a folder of adapters by its weights. */
export async function libraryFacts({ path, modules, text, layers, seed, generalKnowledge, groupBy }: RouteCommand, context: OperationContext): Promise<LibraryDocument> {
  if (modules === undefined) throw failure('usage', { message: '--library-facts describes a folder of LoRAs: name it with --modules FOLDER.' });
  if (text !== undefined) throw failure('usage', { message: '--library-facts reads weights only: leave out --text.' });
  return (await import('./libraryFacts')).libraryDocument({ path, modules, seed, ...(layers === undefined ? {} : { layers }), ...(generalKnowledge === undefined ? {} : { genKnowSub: generalKnowledge }), ...(groupBy === undefined ? {} : { by: groupBy }) }, context);
}

/** Reads `ROUTER[,k=N][,temperature=T]`. */
function variantFrom(text: string): RoutingVariant {
  const [name, ...settings] = text.split(',').map((part) => part.trim()), router = ROUTERS.find((one) => one === name && one !== 'imported');
  const refuse = (): never => { throw failure('usage', { message: `--compare-with ${text.slice(0, 80)} is no router: write ROUTER, or ROUTER,k=N,temperature=T with a router of ${ROUTERS.filter((one) => one !== 'imported').join(', ')}.` }); };
  if (!router) return refuse();
  const found: { k?: number; temperature?: number } = {};
  for (const setting of settings) {
    const [, field, value] = /^(k|temperature)=(\d*\.?\d+)$/.exec(setting) ?? refuse();
    found[field as 'k' | 'temperature'] = Number(value);
  }
  return { router, ...(found.k === undefined ? {} : { topK: found.k }), ...(found.temperature === undefined ? {} : { temperature: found.temperature }) };
}

/** Reads `EXPERT[@SITE],...`; adapters are named as their folders. */
function namedExperts(text: string): readonly NamedExpert[] {
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '').map((part) => {
    const at = part.lastIndexOf('@');
    return at > 0 ? { expert: part.slice(0, at), site: part.slice(at + 1) } : { expert: part };
  });
}
