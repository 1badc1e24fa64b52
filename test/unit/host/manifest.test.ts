import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ANALYSIS_PANEL, CHECKPOINTS_VIEW, COMMANDS, CONTEXT_KEYS, ENGINE_SETTINGS, ITEM_KINDS, SETTING_SCOPES, TENSORS_EDITOR, TENSORS_EDITOR_OPTION, VIEW_CONTAINER, WALKTHROUGH } from '../../../extension/host/ids';
import { DEVICES, PARTITION_METHODS } from '../../../extension/protocol/documents';

const ROOT = path.join(import.meta.dirname, '../../..');
const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
const { contributes } = manifest;
const commandIds: string[] = contributes.commands.map((command: { command: string }) => command.command);

/** Every string below a part of the manifest. */
function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(strings) : [];
}

describe('the manifest and the closed sets', () => {
  it('declares exactly the commands', () => {
    expect([...commandIds].sort()).toEqual(Object.values(COMMANDS).sort());
  });

  it('declares exactly the settings, with their scopes and a default', () => {
    const { properties } = contributes.configuration;
    expect(Object.fromEntries(Object.entries<{ scope: string }>(properties).map(([id, { scope }]) => [id, scope]))).toEqual(SETTING_SCOPES);
    for (const [id, property] of Object.entries<{ default: unknown; type: string }>(properties)) expect({ id, type: typeof property.default }).toEqual({ id, type: property.type === 'integer' ? 'number' : property.type });
    expect(properties['modulens.device'].enum).toEqual([...DEVICES]);
    expect(properties['modulens.device'].enumDescriptions).toHaveLength(DEVICES.length);
    expect(properties['modulens.method'].enum).toEqual([...PARTITION_METHODS]);
    for (const id of ENGINE_SETTINGS) expect(SETTING_SCOPES[id]).toBe('machine');
  });

  it('refers to known commands, context keys, views and item kinds only', () => {
    const menus = Object.values<{ command: string; when?: string }[]>(contributes.menus).flat();
    for (const { command } of menus) expect(commandIds).toContain(command);
    const links = strings([contributes.viewsWelcome, contributes.walkthroughs]).flatMap((text) => [...text.matchAll(/command:(modulens\.\w+)|onCommand:(modulens\.\w+)/g)].map((match) => match[1] ?? match[2]));
    expect(links.length).toBeGreaterThan(10);
    for (const id of links) expect(commandIds).toContain(id);
    const conditions = [...menus, ...contributes.viewsWelcome, ...contributes.commands].flatMap((entry: { when?: string; enablement?: string }) => [entry.when ?? '', entry.enablement ?? '']).join('\n');
    const known = new Set<string>([...CONTEXT_KEYS, CHECKPOINTS_VIEW, TENSORS_EDITOR]);
    for (const [key] of conditions.replaceAll('\\', '').matchAll(/modulens\.\w+/g)) expect(known).toContain(key);
    for (const [, kinds] of conditions.matchAll(/viewItem =~ \/\^\(([\w|]+)\)\$\//g)) for (const kind of kinds.split('|')) expect(Object.values<string>(ITEM_KINDS)).toContain(kind);
  });

  it('declares views, editors, walkthrough and panel under the known ids', () => {
    expect(contributes.viewsContainers.activitybar.map(({ id }: { id: string }) => id)).toEqual([VIEW_CONTAINER]);
    expect(contributes.views[VIEW_CONTAINER].map(({ id }: { id: string }) => id)).toEqual([CHECKPOINTS_VIEW]);
    expect(contributes.customEditors.map(({ viewType }: { viewType: string }) => viewType)).toEqual([TENSORS_EDITOR, TENSORS_EDITOR_OPTION]);
    expect(contributes.walkthroughs.map(({ id }: { id: string }) => id)).toEqual([WALKTHROUGH]);
    expect(manifest.activationEvents).toContain(`onWebviewPanel:${ANALYSIS_PANEL}`);
    expect(manifest.activationEvents).not.toContain('*');
  });

  it('names files that exist, and shows no picture from the network', () => {
    const files = [manifest.icon, ...strings([contributes.viewsContainers, contributes.views, contributes.walkthroughs]).filter((text) => text.startsWith('media/'))];
    for (const file of files) expect({ file, exists: fs.existsSync(path.join(ROOT, file)) }).toEqual({ file, exists: true });
    for (const folder of ['media/icons', 'media/walkthrough']) {
      for (const name of fs.readdirSync(path.join(ROOT, folder)).filter((file) => file.endsWith('.svg'))) {
        expect(fs.readFileSync(path.join(ROOT, folder, name), 'utf8').replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script/);
      }
    }
  });

  it('is honest about trust, virtual workspaces and where it runs', () => {
    expect(manifest.extensionKind).toEqual(['workspace']);
    expect(manifest.capabilities.untrustedWorkspaces.supported).toBe('limited');
    expect(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations).toEqual(['modulens.probeFile']);
    expect(manifest.capabilities.virtualWorkspaces.supported).toBe(false);
  });
});

describe('menu conditions on files', () => {
  const pattern = (command: string): RegExp[] => contributes.menus['explorer/context'].filter((entry: { command: string }) => entry.command === command).flatMap((entry: { when: string }) => [...entry.when.matchAll(/resourceFilename =~ \/(.*?[^\\])\/(?: |$)/g)].map((match) => new RegExp(match[1])));
  const offered = (command: string, name: string): boolean => pattern(command).some((expression) => expression.test(name));

  it.each(['model.safetensors', 'model-00002-of-00005.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json', 'weights.pt', 'x.onnx', 'modèle à moi.safetensors'])('offers the analysis on %s', (name) => {
    expect(offered(COMMANDS.analyze, name)).toBe(true);
  });
  it.each(['adapter_model.safetensors', 'training_args.bin', 'optimizer.pt', 'tokenizer.json', 'safetensors', 'readme.md', 'index.json'])('does not offer it on %s', (name) => {
    expect(offered(COMMANDS.analyze, name)).toBe(false);
  });
  it('offers tensors of adapters too', () => {
    expect(offered(COMMANDS.inspectTensors, 'adapter_model.safetensors')).toBe(true);
    expect(offered(COMMANDS.inspectTensors, 'optimizer.pt')).toBe(false);
  });
});
