import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { assertUnchanged } from '../../checkpoint/files';
import type { BoundModel } from '../../architecture/resolve';
import { routerOnly } from '../../architecture/routerOnly';
import { openTokenizer, type Tokenizer } from '../../probe/tokenizer';
import { failure } from '../../protocol/errors';
import type { Notice } from '../../protocol/documents';
import type { RouteRequest, RoutingHead } from '../../protocol/routing';
import { EMERGENT, routers } from '../../routing/index';
import { placeTokens } from '../../routing/placeTokens';
import { slotsOf } from '../../routing/trace';
import type { PreparedRouter } from '../../routing/types';
import { parseLayers, resolveOptions } from '../analysis/options';
import type { OperationContext } from '../context';
import { describeModel, type DescribedModel, requireModel } from '../modelFacts';
import { partitionsOf } from './partitions';

/** A router bound to a model, ready to take texts. */
export interface OpenRouting {
  readonly described: DescribedModel;
  readonly model: BoundModel;
  readonly tokenizer: Tokenizer;
  readonly router: PreparedRouter;
}

/** Routers that were made last: preparing one reads keys and clusters them. */
const kept = new Map<string, Promise<OpenRouting>>();
const KEPT = 3;

/** What a prepared router depends on: everything in a request but its texts. */
const nameOf = ({ texts: _, ...rest }: RouteRequest, context: OperationContext): string => JSON.stringify([rest, context.settings.cacheDir]);

/** Opens the checkpoint, its tokenizer and the router of a request; uses the last ones again while their files are as they were. */
export async function openRouting(request: RouteRequest, context: OperationContext): Promise<OpenRouting> {
  const name = nameOf(request, context), known = kept.get(name);
  if (known) {
    try {
      const open = await known;
      await assertUnchanged([...open.model.checkpoint.files, ...(open.router.files ?? [])]);
      kept.delete(name);
      kept.set(name, known);
      return open;
    } catch {
      kept.delete(name);
    }
  }
  const opening = open(request, context);
  kept.set(name, opening);
  opening.catch(() => kept.delete(name));
  for (const old of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT))) kept.delete(old);
  return opening;
}

async function open(request: RouteRequest, context: OperationContext): Promise<OpenRouting> {
  const router = routers.get(request.router);
  if (!router) throw failure('usage', { message: `--router ${request.router} is not one of ${[...routers.keys()].join(', ')}.` });
  const described = await describeModel(await openCheckpoint(request.path));
  if (!described.model && router.name === 'native') refuseRouterOnly(described);
  const model = requireModel(described);
  const tokenizer = await openTokenizer(described.checkpoint.folder);
  if (!tokenizer) throw failure('probe/no-tokenizer', { path: described.checkpoint.folder });
  const seed = request.seed ?? 0, blocks = model.spec.stacks[0].blocks.map((block) => block.index);
  const shared = { model, seed, ...(request.temperature === undefined ? {} : { temperature: request.temperature }), ...(request.modules === undefined ? {} : { modules: request.modules }), ...(request.whatIf === undefined ? {} : { whatIf: request.whatIf }), ...(request.genKnowSub === undefined ? {} : { genKnowSub: request.genKnowSub }), ...(request.baseActivations ? { baseActivations: true } : {}) };
  const prepared = EMERGENT.has(router.name)
    ? await prepareEmergent(router, request, described, shared, context)
    : await router.prepare({ ...shared, layers: parseLayers(request.layers, blocks), ...(request.topK === undefined ? {} : { topK: request.topK }), partition: () => Promise.reject(new Error('no partition for this router')) });
  return { described, model, tokenizer, router: prepared };
}

/** Says what is needed where only the routers of a family are built. @throws routing/router-only */
export function refuseRouterOnly({ checkpoint }: DescribedModel): void {
  const found = routerOnly(checkpoint);
  if (!found) return;
  const names = found.sites.map(({ id }) => id);
  throw failure('routing/router-only', { path: checkpoint.path, family: found.family, sites: names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')}, ... ${names[names.length - 1]}` });
}

async function prepareEmergent(router: NonNullable<ReturnType<typeof routers.get>>, request: RouteRequest, described: DescribedModel, shared: { readonly model: BoundModel; readonly seed: number }, context: OperationContext): Promise<PreparedRouter> {
  if (described.ffn.length === 0) throw failure('routing/no-router', { path: request.path, router: request.router, reason: 'it has no dense FFN layer that could be split into experts; choose the router of the model itself (native)' });
  const options = resolveOptions({ seed: shared.seed, ...(request.experts === undefined ? {} : { experts: request.experts }), ...(request.topK === undefined ? {} : { topK: request.topK }), ...(request.layers === undefined ? {} : { layers: request.layers }) }, described.ffn, request.path);
  return router.prepare({ ...shared, layers: options.layers, topK: options.topK, partition: partitionsOf(described, options, context) });
}

/** Whether no token of the model sees what comes after it. */
export function isCausal(model: BoundModel): boolean {
  return model.spec.stacks[0].blocks.every((block) => block.attention.causal);
}

/** Token ids of the request's texts, with special tokens, cut to the context, and everything about a trace but its numbers. */
export function headOf({ described, model, tokenizer, router }: OpenRouting, request: RouteRequest): { readonly head: RoutingHead; readonly ids: readonly Int32Array[]; readonly warnings: readonly Notice[] } {
  const { ids, records, tokens, warnings } = placeTokens(request.texts, tokenizer, model.spec.stacks[0].context);
  if (tokens.length === 0) throw failure('routing/empty', {});
  return {
    ids, warnings: [...(router.warnings ?? []), ...warnings],
    head: {
      schema: 'modulens-routing-1', model: { hash: described.facts.fingerprint, kind: described.facts.family ?? 'unknown', name: described.facts.name }, tokenizer: { hash: tokenizer.hash },
      router: request.router, composition: router.composition, granularity: router.granularity, provenance: router.provenance, causal: isCausal(model), ...(request.whatIf ? { whatIf: { ...request.whatIf, says: router.changed ?? '' } } : {}), records, tokens, sites: router.sites, slots: slotsOf(router.sites),
    },
  };
}
