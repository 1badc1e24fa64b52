import type { RouteRequest, RouterName, WhatIf } from '../../protocol/routing';
import type { TextBlock } from './blocks';

/** With what texts of a workspace are routed; remembered per workspace. */
export interface RoutingChoice {
  readonly path: string;
  readonly router: RouterName;
  /** Folder of adapters, for routers that need one. */
  readonly modules?: string;
}

/** Settings of emergent experts that a run takes from the user's settings. */
export type RoutingSettings = Pick<RouteRequest, 'experts' | 'topK' | 'seed'>;

export function routeRequest(choice: RoutingChoice, settings: RoutingSettings, texts: readonly Pick<TextBlock, 'text' | 'label'>[], whatIf: WhatIf | null = null): RouteRequest {
  return { path: choice.path, router: choice.router, texts: texts.map(({ text, label }) => ({ text, ...(label === undefined ? {} : { label }) })), ...(choice.modules ? { modules: choice.modules } : {}), ...(whatIf ? { whatIf } : {}), ...settings };
}
