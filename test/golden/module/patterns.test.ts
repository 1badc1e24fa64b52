import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPatterns } from '../../../extension/module/patterns';

interface Golden {
  readonly targets: readonly string[];
  readonly cases: readonly { readonly keys: readonly string[]; readonly found: readonly (number | null)[] }[];
}
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, 'patterns.json'), 'utf8')) as Golden;

describe('rank_pattern and alpha_pattern follow PEFT', () => {
  it.each(golden.cases.map(({ keys, found }) => [keys.join(' , '), keys, found] as const))('%s', (_title, keys, found) => {
    const values = readPatterns(Object.fromEntries(keys.map((key, i) => [key, i])), 'rank_pattern', 'folder');
    expect(golden.targets.map((target) => values.find(target) ?? null)).toEqual(found);
  });
});
