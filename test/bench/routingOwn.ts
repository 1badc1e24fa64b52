import { openCheckpoint } from '../../extension/checkpoint/openCheckpoint';
import type { OperationContext } from '../../extension/engine/context';
import { run, slice, summary, update } from '../../extension/engine/operations/route';
import { describeModel, requireModel } from '../../extension/engine/modelFacts';
import { runtimeHost } from '../../extension/engine/runtimeHost';
import { ForwardPass } from '../../extension/probe/forward';
import { openTokenizer } from '../../extension/probe/tokenizer';
import type { RouteRequest } from '../../extension/protocol/routing';

const WORDS = 'the model reads a text and sends each word to the part that knows most about it while other parts stay quiet'.split(' ');
const KEYSTROKES = 12;

/** Seconds of routing, in a process of its own: `node routingOwn.cjs MODEL_DIR CACHE_DIR`. */
async function main(): Promise<void> {
  const [folder, cacheDir] = process.argv.slice(2);
  const context: OperationContext = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: true, settings: { cacheDir, cacheBytes: 1 << 30, threads: 0, device: 'cpu' } };
  const tokenizer = await openTokenizer(folder);
  if (!tokenizer) throw new Error('no tokenizer');
  const model = requireModel(await describeModel(await openCheckpoint(folder))), longest = Math.min(512, model.spec.stacks[0].context) - KEYSTROKES - 2;
  let text = '';
  for (let i = 0; ; i++) { const next = `${text}${WORDS[(i * 7) % WORDS.length]} `; if (tokenizer.encode(next).length > longest) break; text = next; }
  const request = (body: string): RouteRequest => ({ path: folder, router: 'avg-k', texts: [{ text: body }] });
  const timed = async <T>(work: () => Promise<T>): Promise<readonly [number, T]> => { const began = performance.now(), result = await work(); return [performance.now() - began, result]; };
  const [cold, first] = await timed(() => run({ request: request(text) }, context));
  const [warm] = await timed(() => run({ request: request(text) }, context));
  const [summaryMs] = await timed(() => summary({ key: first.key }, context));
  const [sliceMs] = await timed(async () => slice({ key: first.key, from: 0, to: first.head.sites.length }));
  // What a forward pass alone takes.
  const { forward } = await runtimeHost.environment('cpu', context);
  const plain = async (): Promise<void> => { const pass = new ForwardPass(model, [tokenizer.encode(text)], forward), hidden = await pass.embed(); for (const block of pass.stack.blocks) await pass.block(block, hidden, {}); };
  await plain();
  const [plainMs] = await timed(plain);
  const [liveFirst] = await timed(() => update({ session: 's', request: request(text) }, context));
  const keys: number[] = [], middle: number[] = [];
  let reused = 0;
  for (let i = 0; i < KEYSTROKES; i++) {
    const [ms, result] = await timed(() => update({ session: 's', request: request(text + 'abcdefghijkl'.slice(0, i + 1)) }, context));
    keys.push(ms);
    reused = result.reused;
  }
  for (let i = 0; i < 3; i++) { const half = Math.floor(text.length / 2); const [ms] = await timed(() => update({ session: 's', request: request(`${text.slice(0, half)}${'xyz'[i]}${text.slice(half)}`) }, context)); middle.push(ms); }
  const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  process.stdout.write(`${JSON.stringify({ tokens: first.head.tokens.length, sites: first.head.sites.length, slots: first.head.slots, coldMs: cold, warmMs: warm, plainForwardMs: plainMs, warmOverForward: warm / plainMs, summaryMs, sliceMs, liveFirstMs: liveFirst, keystrokeMs: median(keys), keystrokeOverForward: median(keys) / plainMs, reused, middleEditMs: median(middle) })}\n`);
}

void main();
