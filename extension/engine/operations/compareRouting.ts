import { finishInTurns } from '../../numerics/steps';
import { failure } from '../../protocol/errors';
import type { EngineParams } from '../../protocol/engineRpc';
import type { RouteRequest, RoutingComparisonResult, RoutingVariant } from '../../protocol/routing';
import { compareSteps } from '../../routing/compareTraces';
import type { OperationContext } from '../context';
import { keptRequest, keptTrace } from '../routing/keptTraces';
import { route } from './route';

/** Bytes of token-by-token numbers that a message may carry. */
const MOST_BYTES = 3_000_000;

/** Two routers on the same tokens: kept traces, or a kept one and a router that is run now. @throws routing/gone, routing/no-comparison */
export async function run({ key, other, with: variant, modules }: EngineParams<'routing/compare'>, context: OperationContext): Promise<RoutingComparisonResult> {
  const request = keptRequest(key), trace = keptTrace(key);
  if ((other === undefined) === (variant === undefined)) throw failure('internal', { message: 'a comparison names one other trace or one other router' });
  const second = other === undefined ? (await route(variantOf(request, variant as RoutingVariant, modules), context)).trace : keptTrace(other);
  const { divergences, firsts, ...rest } = await finishInTurns(compareSteps(trace, second, request.seed ?? 0), context.signal);
  return { ...rest, perToken: divergences.byteLength * 2 <= MOST_BYTES ? { divergences, firsts } : null };
}

/** The request of another router on the same texts, layers and partition. */
export function variantOf({ path, texts, modules, layers, experts, seed }: RouteRequest, variant: RoutingVariant, folder: string | undefined): RouteRequest {
  const library = folder ?? modules;
  return { path, texts, ...(library === undefined ? {} : { modules: library }), ...(layers === undefined ? {} : { layers }), ...(experts === undefined ? {} : { experts }), ...(seed === undefined ? {} : { seed }), ...variant };
}
