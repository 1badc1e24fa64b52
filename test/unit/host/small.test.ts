import { describe, expect, it } from 'vitest';
import type { ModelFacts } from '../../../extension/protocol/documents';
import { Disposables, Emitter } from '../../../extension/host/disposables';
import { blamed, describeWork } from '../../../extension/host/engineActivity';
import { engineEnvironment } from '../../../extension/host/engineEnvironment';
import { describeModel, describeModule, formatBytes, formatCount } from '../../../extension/host/itemText';

describe('engineEnvironment', () => {
  it('runs as plain Node, without what is meant for the host alone', () => {
    const env = engineEnvironment({ PATH: '/bin', NODE_OPTIONS: '--require x', VSCODE_IPC_HOOK_CLI: 's', HOME: '/h' }, '');
    expect(env).toEqual({ PATH: '/bin', HOME: '/h', ELECTRON_RUN_AS_NODE: '1' });
  });
  it('takes the Vulkan driver of the setting, else of the environment', () => {
    expect(engineEnvironment({ MODULENS_VK_ICD: '/a.json' }, '').VK_ICD_FILENAMES).toBe('/a.json');
    expect(engineEnvironment({ MODULENS_VK_ICD: '/a.json' }, '/b.json').VK_ICD_FILENAMES).toBe('/b.json');
  });
});

describe('engineActivity', () => {
  const tile = { method: 'analysis/tile', params: {}, stage: '' } as const;
  const run = { method: 'analysis/run', params: { path: 'C:\\m\\gpt2' }, stage: 'layer 5: shuffling tokens' } as const;
  it('blames long runs before short requests', () => {
    expect(blamed([tile, run])).toEqual([run]);
    expect(blamed([tile, { ...tile }])).toEqual([tile]);
    expect(blamed([])).toEqual([]);
  });
  it('says what was done, in words', () => {
    expect(describeWork([tile, run])).toBe('analyzing gpt2, layer 5: shuffling tokens');
    expect(describeWork([])).toBe('waiting for work');
  });
});

describe('texts of the view', () => {
  it('formats sizes and counts', () => {
    expect([0, 999, 1000, 7_612_345, 1_240_000_000].map(formatBytes)).toEqual(['0 B', '999 B', '1 kB', '7.61 MB', '1.24 GB']);
    expect([0, 950, 15_000, 124_439_808, 7_241_732_096].map(formatCount)).toEqual(['0', '950', '15 k', '124 M', '7.24 B']);
    expect(formatBytes(100_000_000)).toBe('100 MB');
  });
  it('describes models and modules', () => {
    expect(describeModel({ family: 'llama', layers: 1, bytes: 520_000 } as ModelFacts)).toBe('llama · 1 layer · 520 kB');
    expect(describeModel({ family: null, layers: null, bytes: 5 } as ModelFacts)).toBe('unknown family · 5 B');
    expect(describeModule({ path: '', kind: 'LORA', base: '../../openai/gpt2/', parameters: 1, rank: 8, sites: 2 })).toBe('LoRA r 8 · on gpt2');
    expect(describeModule({ path: '', kind: 'bottleneck', base: null, parameters: 1, rank: null, sites: 2 })).toBe('bottleneck');
  });
});

describe('Disposables and Emitter', () => {
  it('disposes in reverse order, and late arrivals at once', () => {
    const order: number[] = [];
    const all = new Disposables();
    for (const n of [1, 2]) all.add({ dispose: () => order.push(n) });
    all.dispose();
    all.add({ dispose: () => order.push(3) });
    expect(order).toEqual([2, 1, 3]);
  });
  it('lets a listener leave while it is called', () => {
    const emitter = new Emitter<number>();
    const seen: number[] = [];
    const first = emitter.on((n) => {
      seen.push(n);
      first.dispose();
    });
    emitter.on((n) => seen.push(n * 10));
    emitter.fire(1);
    emitter.fire(2);
    expect(seen).toEqual([1, 10, 20]);
  });
});
