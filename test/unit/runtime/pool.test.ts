import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../extension/graph/builder';
import { floatData, floats } from '../../../extension/graph/hostTensor';
import type { Graph } from '../../../extension/graph/ir';
import { SessionPool } from '../../../extension/runtime/pool';
import type { GraphSession } from '../../../extension/runtime/session';

/** y = x + value, with `bytes` of weights. */
function graph(value: number, bytes = 4): Graph {
  const b = new GraphBuilder(`add ${value}`);
  const x = b.input('x', 'float32', ['n']);
  b.output('y', b.add(x, b.reduce('ReduceMax', b.floats('weight', [bytes / 4], new Float32Array(bytes / 4).fill(value)), 0, true)));
  return b.build();
}
const use = async (session: GraphSession): Promise<number> => floatData((await session.run({ x: floats([1], Float32Array.of(1)) }))['y'])[0];

describe('the session pool', () => {
  it('makes a session once and lends it again', async () => {
    const pool = new SessionPool('cpu', 1);
    let built = 0;
    const build = async (): Promise<Graph> => { built++; return graph(2); };
    expect(await Promise.all([pool.with('a', build, use), pool.with('a', build, use)])).toEqual([3, 3]);
    expect(await pool.with('a', build, use)).toBe(3);
    expect(built).toBe(1);
    await pool.clear();
    expect(await pool.with('a', build, use)).toBe(3);
    expect(built).toBe(2);
    await pool.clear();
  });

  it('lets go of what was not used longest when the budget is exceeded', async () => {
    const pool = new SessionPool('cpu', 1, 10_000), built: string[] = [];
    const borrow = (key: string): Promise<number> => pool.with(key, async () => { built.push(key); return graph(1, 4000); }, use);
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await borrow(key);
    expect(built).toEqual(['a', 'b', 'c', 'b']);
    await pool.clear();
  });

  it('never lets go of a borrowed session', async () => {
    const pool = new SessionPool('cpu', 1, 1);
    const outer = await pool.with('a', async () => graph(1, 4000), async (session) => {
      expect(await pool.with('b', async () => graph(5, 4000), use)).toBe(6);
      return use(session);
    });
    expect(outer).toBe(2);
    await pool.clear();
  });

  it('forgets a session that could not be made', async () => {
    const pool = new SessionPool('cpu', 1);
    await expect(pool.with('a', async () => { throw new Error('no graph'); }, use)).rejects.toThrow('no graph');
    expect(await pool.with('a', async () => graph(3), use)).toBe(4);
    await pool.clear();
  });

  it('names the graph when the runtime refuses it', async () => {
    const pool = new SessionPool('cpu', 1), b = new GraphBuilder('blocks.7');
    b.output('y', b.matmul(b.floats('left', [2, 3], new Float32Array(6)), b.floats('right', [2, 3], new Float32Array(6)), [2, 3]));
    await expect(pool.with('bad', async () => b.build(), use)).rejects.toMatchObject({ code: 'runtime/session', args: { what: 'blocks.7', device: 'cpu' } });
  });

  it('names the graph when a run fails', async () => {
    const pool = new SessionPool('cpu', 1), b = new GraphBuilder('blocks.8');
    b.output('y', b.add(b.input('x', 'float32', ['n']), b.floats('three', [3], [1, 2, 3])));
    await expect(pool.with('shape', async () => b.build(), (session) => session.run({ x: floats([2], new Float32Array(2)) }))).rejects.toMatchObject({ code: 'runtime/run', args: { what: 'blocks.8' } });
    await pool.clear();
  });
});
