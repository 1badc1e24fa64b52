import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import type { RouterName } from '../../protocol/routing';
import { nameOf } from '../paths';
import { pickCheckpoint } from '../pickCheckpoint';
import type { Services } from '../services';
import type { RoutingChoice } from './request';

const MEMORY = 'routing.choice';
/** What is taken without asking, best first. */
const DEFAULTS: readonly RouterName[] = ['native', 'avg-k'];

/** What this workspace routes with; undefined before the first time. */
export function rememberedChoice(services: Services): RoutingChoice | undefined {
  return services.context.workspaceState.get<RoutingChoice>(MEMORY);
}

export async function rememberChoice(services: Services, choice: RoutingChoice): Promise<void> {
  await services.context.workspaceState.update(MEMORY, choice);
}

/** Asks for a checkpoint and takes its usual router. Undefined when the user left. */
export async function askChoice(services: Services): Promise<RoutingChoice | undefined> {
  const path = await pickCheckpoint(services, 'Show the routing of which checkpoint?');
  if (path === undefined) return undefined;
  const { routers } = await services.engine.request('routing/describe', { path });
  const usual = DEFAULTS.find((name) => routers.some((router) => router.name === name && router.available)) ?? routers.find(({ available }) => available)?.name;
  if (usual === undefined) throw failure('routing/no-router', { path, router: routers[0]?.name ?? 'avg-k', reason: routers.find(({ why }) => why !== undefined)?.why ?? 'nothing in it chooses between experts' });
  return { path, router: usual };
}

/** Asks for a router of the same checkpoint. Undefined when the user left. */
export async function askRouter(services: Services, choice: RoutingChoice): Promise<RoutingChoice | undefined> {
  const { routers } = await services.engine.request('routing/describe', { path: choice.path });
  const items = [...routers]
    .sort((a, b) => Number(b.available) - Number(a.available))
    .map(({ name, title, says, available, why, modules }) => ({ label: `${available ? '' : '$(circle-slash) '}${title}`, description: name === choice.router ? 'now' : available ? '' : 'not here', detail: available ? says : (why ?? says), name, available, modules }));
  const picked = await vscode.window.showQuickPick(items, { title: `Router: what chooses the experts of ${nameOf(choice.path)}?`, matchOnDetail: true });
  if (!picked) return undefined;
  if (picked.name !== 'arrow') {
    if (!picked.available) throw failure('routing/no-router', { path: choice.path, router: picked.name, reason: (picked.detail ?? '').replace(/\.$/, '') });
    return { path: choice.path, router: picked.name };
  }
  const { modules } = picked;
  if (modules !== undefined) {
    const which = await vscode.window.showQuickPick([{ label: nameOf(modules), detail: modules, found: true }, { label: 'Another folder\u2026', detail: '', found: false }], { title: 'Folder that holds the adapters' });
    if (!which) return undefined;
    if (which.found) return { path: choice.path, router: picked.name, modules };
  }
  const folders = await vscode.window.showOpenDialog({ title: 'Folder that holds the adapters (one folder each)', openLabel: 'Route Over These', canSelectFolders: true, canSelectFiles: false });
  return folders?.[0] && { path: choice.path, router: picked.name, modules: folders[0].fsPath };
}
