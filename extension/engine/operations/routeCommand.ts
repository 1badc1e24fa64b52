import { readTexts } from '../../probe/texts';
import type { DeviceChoice } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { RouteDocument, RouteRequest, RouterName } from '../../protocol/routing';
import type { GenKnowSub, LibraryDocument, LibrarySimilarityKind } from '../../protocol/routingLibrary';
import type { OperationContext } from '../context';
import { routeDocument, textsOf } from './route';

export interface RouteCommand {
  readonly path: string;
  readonly router: RouterName;
  readonly text?: string;
  readonly modules?: string;
  /** A trace made elsewhere (`imported`). */
  readonly trace?: string;
  readonly layers?: string;
  readonly experts?: number;
  readonly topK?: number;
  readonly temperature?: number;
  readonly baseActivations?: boolean;
  readonly compareKeys?: boolean;
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
  if (trace !== undefined) throw failure('usage', { message: '--trace belongs to --router imported.' });
  if (text === undefined) throw failure('usage', { message: 'Name the text to route with --text FILE.' });
  if (router === 'arrow' && modules === undefined) throw failure('usage', { message: 'Arrow routes a folder of LoRAs: name it with --modules FOLDER.' });
  const file = await readTexts(text);
  const request: RouteRequest = {
    path, router, seed, texts: textsOf(file.texts), ...(modules === undefined ? {} : { modules }), ...(layers === undefined ? {} : { layers }), ...(experts === undefined ? {} : { experts }),
    ...(command.generalKnowledge === undefined ? {} : { genKnowSub: command.generalKnowledge }), ...(topK === undefined ? {} : { topK }), ...(temperature === undefined ? {} : { temperature }), ...(baseActivations ? { baseActivations } : {}),
  };
  if (command.compareKeys && router !== 'native') throw failure('usage', { message: '--compare-keys compares a model\u2019s own router: add --router native.' });
  return routeDocument(request, context, device, command.compareKeys === true);
}

/** `--library-facts`: a folder of adapters by its weights. */
export async function libraryFacts({ path, modules, text, layers, seed, generalKnowledge, groupBy }: RouteCommand, context: OperationContext): Promise<LibraryDocument> {
  if (modules === undefined) throw failure('usage', { message: '--library-facts describes a folder of LoRAs: name it with --modules FOLDER.' });
  if (text !== undefined) throw failure('usage', { message: '--library-facts reads weights only: leave out --text.' });
  return (await import('./libraryFacts')).libraryDocument({ path, modules, seed, ...(layers === undefined ? {} : { layers }), ...(generalKnowledge === undefined ? {} : { genKnowSub: generalKnowledge }), ...(groupBy === undefined ? {} : { by: groupBy }) }, context);
}
