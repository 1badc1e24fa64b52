import { describe, expect, it } from 'vitest';
import { parseTaps } from '../../../extension/probe/taps';
import { tapNames } from '../../../extension/probe/tapRun';
import { openGolden } from '../../golden/models/goldenModels';

const stackOf = async (name: string) => (await openGolden(name)).spec.stacks[0];

describe('tap lists', () => {
  it('name blocks one by one, by range and all', async () => {
    const stack = await stackOf('llama');
    expect(tapNames(parseTaps('blocks.1.ffn.hidden', stack, true))).toEqual(['blocks.1.ffn.hidden']);
    expect(tapNames(parseTaps('blocks.0-1.output , logits', stack, true))).toEqual(['blocks.0.output', 'blocks.1.output', 'logits']);
    expect(tapNames(parseTaps('final,blocks.*.ffn.gate,embeddings', stack, true))).toEqual(['embeddings', 'blocks.0.ffn.gate', 'blocks.1.ffn.gate', 'blocks.2.ffn.gate', 'final']);
    expect(tapNames(parseTaps('blocks.2.output,blocks.*.output', stack, true))).toHaveLength(3);
  });

  it.each(['', ' , ', 'block.0.output', 'blocks.0', 'blocks.x.output', 'blocks.0.ffn', 'blocks.3.output', 'blocks.0-3.output', 'blocks.2-1.output', 'blocks.-1.output', 'blocks.0.router.logits', '__proto__', 'blocks.0.constructor'])('refuses "%s" and names those that exist', async (text) => {
    const stack = await stackOf('llama');
    expect(() => parseTaps(text, stack, true)).toThrow(expect.objectContaining({ code: 'model/unknown-tap', message: expect.stringContaining('blocks.i.ffn.hidden') as string }));
  });

  it('refuses logits without a head and a gate that no block has', async () => {
    const gpt2 = await stackOf('gpt2-base');
    expect(() => parseTaps('logits', gpt2, false)).toThrow(expect.objectContaining({ code: 'model/unknown-tap' }));
    expect(() => parseTaps('blocks.0.ffn.gate', gpt2, false)).toThrow(expect.objectContaining({ code: 'model/unknown-tap' }));
    try {
      parseTaps('logits', gpt2, false);
    } catch (error) {
      expect(String((error as Error).message)).not.toContain('logits, ');
      expect(String((error as Error).message)).not.toContain('ffn.gate');
    }
  });

  it('leaves out with * what a family lacks', async () => {
    expect(tapNames(parseTaps('blocks.*.ffn.gate,final', await stackOf('gpt2'), true))).toEqual(['final']);
  });
});
