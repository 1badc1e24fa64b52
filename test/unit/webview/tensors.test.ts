import { describe, expect, it } from 'vitest';
import type { TensorEntry, TensorStatistics } from '../../../extension/protocol/documents';
import { highlighted, isEmpty, matching, parseFilter } from '../../../webview/tensors/filter';
import { bytesText, shapeText, splitName } from '../../../webview/tensors/text';
import { buildTree, firstOpen, groupsAround, visibleLines } from '../../../webview/tensors/tree';
import { inventedInspect } from '../../e2e/pages/inventedTensors';

const tensor = (name: string, shape: readonly number[] = [2, 2], dtype = 'F32', bytes = 16): TensorEntry => ({ name, dtype, shape, file: 'model.safetensors', bytes });

describe('the tree of tensors', () => {
  const names = ['wte.weight', 'h.10.mlp.bias', 'h.2.mlp.weight', 'h.2.mlp.bias', 'h.2.ln.weight', 'h.10.mlp.weight', 'h.10.ln.weight'];
  const roots = buildTree(names.map((name) => tensor(name)));
  it('joins groups of one, sorts numbers as numbers, counts and sums', () => {
    expect(roots.map((node) => [node.name, node.tensors, node.bytes])).toEqual([['wte.weight', 1, 16], ['h', 6, 96]]);
    expect(roots[1]?.children.map((node) => node.name)).toEqual(['2', '10']);
    expect(roots[1]?.children[0]?.children.map((node) => node.name)).toEqual(['mlp', 'ln.weight']);
  });
  it('says which groups are alike: same names, shapes and dtypes in the same order', () => {
    const alike = buildTree([tensor('h.0.a'), tensor('h.0.b'), tensor('h.1.a'), tensor('h.1.b')]);
    expect(alike[0]?.alike).toBe(2);
    const other = buildTree([tensor('h.0.a'), tensor('h.0.b'), tensor('h.1.a'), tensor('h.1.b', [3, 2])]);
    expect(other[0]?.alike).toBe(0);
  });
  it('keeps every tensor with any name, once', () => {
    const odd = ['', '.', '..', 'a', 'a.b', 'a..b', '__proto__', 'constructor.toString', '<img>', 'a.b.', '0', '0.0'];
    const tree = buildTree(odd.map((name) => tensor(name)));
    const all = new Set<string>();
    const collect = (nodes: typeof tree): void => nodes.forEach((node) => (node.tensor >= 0 ? all.add(odd[node.tensor] ?? '?') : collect(node.children)));
    collect(tree);
    expect([...all].sort()).toEqual([...odd].sort());
  });
  it('lists what is open and finds the way to a tensor', () => {
    expect(groupsAround(roots, 'h.10.mlp.bias')).toEqual(['h', 'h.10', 'h.10.mlp']);
    expect(groupsAround(roots, 'nowhere')).toEqual([]);
    const lines = visibleLines(roots, new Set(['h', 'h.10']));
    expect(lines.map((line) => [line.depth, line.node.name])).toEqual([[0, 'wte.weight'], [0, 'h'], [1, '2'], [1, '10'], [2, 'mlp'], [2, 'ln.weight']]);
  });
  it('takes 200 000 tensors in under two seconds of one core', () => {
    const { tensors } = inventedInspect(200_000);
    expect(tensors.length).toBeGreaterThan(190_000);
    const start = process.cpuUsage();
    const tree = buildTree(tensors);
    const lines = visibleLines(tree, firstOpen(tree, 200));
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(2000);
    expect(tree.reduce((sum, node) => sum + node.tensors, 0)).toBe(tensors.length);
    expect(lines.length).toBeGreaterThan(60);
    expect(lines.length).toBeLessThan(400);
  });
});

describe('the filter', () => {
  const tensors = [tensor('model.Down.weight', [2048, 128], 'BF16', 524288), tensor('model.up.weight', [128, 2048], 'F32', 2e9), tensor('norm', [2048], 'F32', 8192)];
  const names = tensors.map((entry) => entry.name.toLowerCase());
  const find = (text: string, statistics: (name: string) => TensorStatistics | null = () => null): number[] => [...matching(tensors, names, parseFilter(text), statistics)];
  it('understands parts of names, dtype, shape and size, all at once', () => {
    expect(find('down')).toEqual([0]);
    expect(find('WEIGHT model')).toEqual([0, 1]);
    expect(find('dtype:f32')).toEqual([1, 2]);
    expect(find('shape:[*,2048]')).toEqual([1]);
    expect(find('shape:[2048]')).toEqual([2]);
    expect(find('shape:[*, 128]')).toEqual([0]);
    expect(find('size:>1GB')).toEqual([1]);
    expect(find('size:<10kB')).toEqual([2]);
    expect(find('dtype:f32 size:<1MB')).toEqual([2]);
    expect(find('')).toEqual([0, 1, 2]);
    expect(isEmpty(parseFilter('  '))).toBe(true);
  });
  it('asks the statistics for nan, and says which words it did not understand', () => {
    const bad = { elements: 4, zeros: 0, nan: 1, infinite: 0 } as TensorStatistics;
    expect(find('nan', (name) => (name === 'norm' ? bad : null))).toEqual([2]);
    expect(parseFilter('size:big').wrong).toEqual(['size:big']);
  });
  it('marks what matched', () => {
    expect(highlighted('model.Down.weight', ['down'])).toEqual([{ text: 'model.', match: false }, { text: 'Down', match: true }, { text: '.weight', match: false }]);
    expect(highlighted('abc', [])).toEqual([{ text: 'abc', match: false }]);
  });
});

describe('texts of the list', () => {
  it('are short and copyable', () => {
    expect(shapeText([1024, 2048])).toBe('[1024, 2048]');
    expect([0, 256, 4096, 8388608, 106e9, 999.6e6].map(bytesText)).toEqual(['0 B', '256 B', '4.10 kB', '8.39 MB', '106 GB', '1.00 GB']);
    expect(splitName('model.layers.1.self_attn.o_proj.weight')).toEqual(['model.layers.1.self_attn.', 'o_proj.weight']);
    expect(splitName('weight')).toEqual(['', 'weight']);
  });
});
