import { expect, it } from 'vitest';
import { Decoder } from '../../../extension/probe/decode';
import { SessionPool } from '../../../extension/runtime/pool';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { openGolden } from '../models/goldenModels';
import { decodeSuite } from './decodeSuite';

decodeSuite('cpu');

it('refuses what cannot be decoded', async () => {
  const environment = { pool: new SessionPool('cpu', 1), scheduler: new Scheduler() };
  const bert = await openGolden('bert');
  expect(() => new Decoder(bert, environment)).toThrow(expect.objectContaining({ code: 'model/not-causal' }));
  const llama = await openGolden('llama'), decoder = new Decoder(llama, environment);
  await expect(decoder.feed(new Int32Array(llama.spec.stacks[0].context + 1))).rejects.toMatchObject({ code: 'model/too-long' });
  await expect(decoder.feed([llama.spec.stacks[0].vocabulary, 1])).rejects.toMatchObject({ code: 'model/token-id' });
  expect(decoder.length).toBe(0);
  await environment.pool.clear();
});
