import { BLOCK_INPUTS } from '../graph/block';
import { floats, type HostTensor } from '../graph/hostTensor';
import type { ForwardEnvironment, ForwardPass } from '../probe/forward';
import type { Decoder } from '../probe/decode';
import { TraceArrays } from './trace';
import type { BlockPlan, PreparedRouter, SiteRouting } from './types';

const put = (arrays: TraceArrays, offset: number, tokens: number, routing: readonly SiteRouting[]): void => { for (const one of routing) arrays.put(offset, tokens, one); };

/** Inputs of a block's graph beside the hidden state; masked neurons give 0. */
function feedsOf({ feeds, mask }: BlockPlan): Readonly<Record<string, HostTensor>> {
  return { ...feeds, ...(mask ? { [BLOCK_INPUTS.mask]: floats([mask.length], mask), [BLOCK_INPUTS.fill]: floats([mask.length], new Float32Array(mask.length)) } : {}) };
}
const optionsOf = (plan: BlockPlan | null): { readonly feeds?: Record<string, HostTensor>; readonly mask?: boolean } => (plan ? { feeds: { ...feedsOf(plan) }, ...(plan.mask ? { mask: true } : {}) } : {});

/** Routes every token of a pass: blocks outside, packs inside; blocks after the last site are not run. */
export async function routePass(pass: ForwardPass, router: PreparedRouter, progress: (done: number, total: number) => void = () => undefined): Promise<TraceArrays> {
  const arrays = new TraceArrays(pass.tokens, router.sites), hidden = await pass.embed();
  const blocks = pass.stack.blocks.slice(0, 1 + Math.max(...router.sites.map((site) => site.layer)));
  for (const [done, block] of blocks.entries()) {
    progress(done, blocks.length);
    const plan = router.plan(block);
    await pass.block(block, hidden, { taps: plan?.taps ?? new Set(), ...(plan?.extend ? { extend: plan.extend.build, key: plan.extend.key } : {}), ...optionsOf(plan) }, (pack, outputs) => {
      if (plan) put(arrays, pack.offset, pack.tokens, plan.read(outputs, pack.tokens));
    });
  }
  progress(blocks.length, blocks.length);
  return arrays;
}

/**
 * Routing of a text that is being written: what was computed for an unchanged beginning is kept, keys and values included, and only the rest
 * runs again. Causal models only. Calls must not overlap.
 */
export class LiveRouting {
  private ids: Int32Array = new Int32Array(0);
  private arrays: TraceArrays;

  constructor(private readonly decoder: Decoder, private readonly router: PreparedRouter, private readonly run: number) {
    this.arrays = new TraceArrays(0, router.sites);
  }

  /** Bytes of keys, values and the trace. */
  get bytes(): number {
    return this.decoder.pastBytes + this.arrays.bytes;
  }

  /** Routes the ids; gives the trace's arrays and how many tokens at the beginning were used again. */
  async update(ids: Int32Array, environment: ForwardEnvironment): Promise<{ readonly arrays: TraceArrays; readonly reused: number }> {
    let same = 0;
    this.decoder.use(environment);
    while (same < ids.length && same < this.ids.length && ids[same] === this.ids[same]) same++;
    const arrays = new TraceArrays(ids.length, this.router.sites);
    arrays.reuse(this.arrays, same);
    this.decoder.truncate(same);
    // A failure or a cancellation further on leaves what is known to be right.
    this.ids = ids.slice(0, same);
    for (let from = same; from < ids.length; from += this.run) {
      const part = ids.slice(from, from + this.run);
      await this.decoder.advance(part, (block) => {
        const plan = this.router.plan(block);
        return plan && {
          options: { taps: plan.taps, ...(plan.extend ? { extend: plan.extend.build } : {}), ...(plan.mask ? { mask: true } : {}) }, key: `${[...plan.taps].join()}|${plan.extend?.key ?? ''}|${plan.mask ? 'mask' : ''}`, feeds: feedsOf(plan),
          see: (outputs, tokens) => { put(arrays, from, tokens, plan.read(outputs, tokens)); },
        };
      });
      this.arrays = arrays;
      this.ids = ids.slice(0, from + part.length);
    }
    this.arrays = arrays;
    return { arrays, reused: same };
  }
}
