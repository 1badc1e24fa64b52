import { Random } from '../../../extension/numerics/random';
import type { LoraFolder } from '../../../extension/module/writeLora';

/** A LoRA for the golden `llama` as a transfer writes one: ranks and scalings differ between sites, a scaling is no nice fraction. */
export function writtenFolder(): LoraFolder {
  const draw = new Random(7, 'written folder');
  const site = (target: string, rank: number, scaling: number, inWidth: number, outWidth: number): LoraFolder['sites'][number] => ({
    target, rank, scaling, inWidth, outWidth, a: Float32Array.from({ length: rank * inWidth }, () => 0.25 * draw.normal()), b: Float32Array.from({ length: outWidth * rank }, () => 0.25 * draw.normal()),
  });
  return {
    base: 'llama', taskType: 'CAUSAL_LM', metadata: { 'modulens.source': 'written by a test' },
    sites: [
      site('model.layers.0.self_attn.q_proj', 3, 1.7, 16, 16), site('model.layers.0.mlp.up_proj', 3, 1.7, 16, 40), site('model.layers.1.self_attn.q_proj', 2, 1 / 3, 16, 16),
      site('model.layers.1.mlp.down_proj', 5, 0.1, 40, 16), site('model.layers.2.mlp.down_proj', 3, -0.9, 40, 16),
    ],
  };
}
