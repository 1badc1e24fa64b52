import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';

const TOKENIZER = path.resolve(import.meta.dirname, '../fixtures/stories260k');
const INITIAL_SD = 0.05;

export interface RandomShape {
  readonly layers: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly seed: number;
}

/**
 * Writes a Llama-shaped checkpoint of random float32 weights with the tokenizer of the stories260k fixture: large enough
 * that an analysis can be interrupted in the middle. The same seed gives the same bytes.
 */
export function writeRandomCheckpoint(folder: string, shape: RandomShape): void {
  mkdirSync(folder, { recursive: true });
  const base = JSON.parse(readFileSync(path.join(TOKENIZER, 'config.json'), 'utf8')) as Record<string, unknown>;
  const vocabulary = base['vocab_size'] as number;
  const heads = base['num_attention_heads'] as number;
  const keyHeads = base['num_key_value_heads'] as number;
  const headWidth = shape.hidden / heads;
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ ...base, hidden_size: shape.hidden, intermediate_size: shape.ffn, num_hidden_layers: shape.layers, head_dim: headWidth }, null, 2));
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) copyFileSync(path.join(TOKENIZER, file), path.join(folder, file));

  const tensors: [string, number[]][] = [['model.embed_tokens.weight', [vocabulary, shape.hidden]], ['model.norm.weight', [shape.hidden]]];
  for (let layer = 0; layer < shape.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    tensors.push(
      [`${prefix}.input_layernorm.weight`, [shape.hidden]], [`${prefix}.post_attention_layernorm.weight`, [shape.hidden]],
      [`${prefix}.self_attn.q_proj.weight`, [shape.hidden, shape.hidden]], [`${prefix}.self_attn.k_proj.weight`, [keyHeads * headWidth, shape.hidden]],
      [`${prefix}.self_attn.v_proj.weight`, [keyHeads * headWidth, shape.hidden]], [`${prefix}.self_attn.o_proj.weight`, [shape.hidden, shape.hidden]],
      [`${prefix}.mlp.gate_proj.weight`, [shape.ffn, shape.hidden]], [`${prefix}.mlp.up_proj.weight`, [shape.ffn, shape.hidden]], [`${prefix}.mlp.down_proj.weight`, [shape.hidden, shape.ffn]],
    );
  }
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const [name, dimensions] of tensors) {
    const bytes = 4 * dimensions.reduce((a, b) => a * b, 1);
    header[name] = { dtype: 'F32', shape: dimensions, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, ' '), 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = openSync(path.join(folder, 'model.safetensors'), 'w');
  try {
    writeSync(file, length);
    writeSync(file, padded);
    const random = generator(shape.seed);
    for (const [name, dimensions] of tensors) {
      const values = new Float32Array(dimensions.reduce((a, b) => a * b, 1));
      const norm = name.includes('norm');
      for (let i = 0; i < values.length; i++) values[i] = norm ? 1 : INITIAL_SD * random();
      writeSync(file, Buffer.from(values.buffer));
    }
  } finally {
    closeSync(file);
  }
}

/** Sums of three uniforms, scaled to unit variance: close enough to normal, and fast. */
function generator(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  const uniform = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  return () => (uniform() + uniform() + uniform() - 1.5) * 2;
}
