import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { recogniseRouters } from '../../../extension/architecture/routerTensors';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { describeModel } from '../../../extension/engine/modelFacts';
import { GOLDEN } from '../../golden/models/goldenModels';
import { temporaryFolder, writeRawSafetensors } from '../checkpoint/testFiles';

const scratch = temporaryFolder();
let made = 0;
/** A checkpoint of empty float32 tensors with these shapes. */
async function checkpointOf(config: Readonly<Record<string, unknown>>, shapes: Readonly<Record<string, readonly number[]>>) {
  const folder = path.join(scratch, String(made++));
  fs.mkdirSync(folder);
  let at = 0;
  const header = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => { const from = at; at += 4 * shape.reduce((a, b) => a * b, 1); return [name, { dtype: 'F32', shape, data_offsets: [from, at] }]; }));
  writeRawSafetensors(path.join(folder, 'model.safetensors'), JSON.stringify(header), new Uint8Array(at));
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  return openCheckpoint(folder);
}

describe('routers of families that are not run', () => {
  it('finds those of Switch Transformers, one per block of either stack', async () => {
    const found = recogniseRouters(await checkpointOf({ model_type: 'switch_transformers', num_experts: 4, d_ff: 6 }, {
      'encoder.block.1.layer.1.mlp.router.classifier.weight': [4, 8], 'decoder.block.1.layer.2.mlp.router.classifier.weight': [4, 8], 'encoder.block.0.layer.1.mlp.wi.weight': [6, 8],
    }));
    expect(found).toMatchObject({ layers: 2, experts: 4, perToken: 1, width: 6 });
  });

  it('finds those of ModuleFormer, of attention too, and not the hidden layer before them', async () => {
    const found = recogniseRouters(await checkpointOf({ model_type: 'moduleformer', n_mlp_experts: 4, n_att_experts: 3, moe_top_k: 2, ffd_hidden: 6 }, {
      'transformer.h.0.attn.q_proj.gate.w_gate.0.weight': [5, 8], 'transformer.h.0.attn.q_proj.gate.w_gate.3.weight': [3, 5], 'transformer.h.0.mlpf.gate.w_gate.3.weight': [4, 5],
    }));
    expect(found?.routers.map((r) => r.experts)).toEqual([3, 4]);
    expect(found).toMatchObject({ layers: 1, perToken: 2, width: 6 });
  });

  it('does not take a gated FFN, a gate of another size or a model without experts for one', async () => {
    expect(recogniseRouters(await checkpointOf({ num_experts: 4 }, { 'layers.0.mlp.gate_proj.weight': [4, 8], 'layers.0.mlp.gate.weight': [1, 8] }))).toBeNull();
    expect(recogniseRouters(await checkpointOf({ hidden_size: 8 }, { 'layers.0.mlp.gate.weight': [4, 8] }))).toBeNull();
  });

  it('finds in the goldens what their own files say', async () => {
    for (const name of ['mixtral', 'qwen2-moe', 'granite-moe', 'gpt-oss', 'deepseek-v3', 'jetmoe']) {
      const checkpoint = await openCheckpoint(path.join(GOLDEN, name)), { facts } = await describeModel(checkpoint), found = recogniseRouters(checkpoint);
      expect([name, found?.layers, found?.experts, found?.perToken]).toEqual([name, facts.mixture?.layers, facts.mixture?.experts, facts.mixture?.perToken]);
    }
    expect(recogniseRouters(await openCheckpoint(path.join(GOLDEN, 'llama')))).toBeNull();
  });

  it('says them in the facts of a family that is not run', async () => {
    const { facts } = await describeModel(await checkpointOf({ model_type: 'phimoe', num_local_experts: 4, num_experts_per_tok: 2, intermediate_size: 6 }, { 'model.layers.0.block_sparse_moe.gate.weight': [4, 8] }));
    expect(facts).toMatchObject({ runnable: false, mixture: { layers: 1, experts: 4, perToken: 2, width: 6, shared: null } });
  });
});
