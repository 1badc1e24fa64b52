import { declaresHead, KNOWN_BUFFERS, linear, rmsNorm } from '../build';
import { activationOf, count, LIMITS } from '../config';
import { ropeOf } from '../rope';
import type { Architecture, AttentionSpec, BlockSpec, ConfigReader, ModelSpec, MoeSpec, RopeSpec, SublayerNorms } from '../spec';

/** Where the families of the Llama shape differ. */
export interface LlamaTraits {
  readonly qkvBias: boolean;
  readonly oBias: boolean;
  readonly mlpBias: boolean;
  /** Norms on q and k: over each head, or over all heads at once. */
  readonly qkNorm: false | 'head' | 'all';
  readonly normAddsOne: boolean;
  /** Gemma 2 and 3: norms before and after each branch. */
  readonly sandwich: boolean;
  readonly embeddingScale: number;
  readonly tiedByDefault: boolean;
  readonly activation: string;
  readonly scale: number | null;
  readonly softcap: number | null;
  readonly headSoftcap: number | null;
  /** Window of layer i, or null where it sees everything. */
  window(i: number): number | null;
  /** Rotary table of layer i, or null where positions are not rotated. */
  rope(i: number): string | null;
  ropes(headDim: number): ReadonlyMap<string, RopeSpec>;
  /** Bound on q, k and v. */
  readonly clip?: number;
  /** A sink score per head. */
  readonly sinks?: boolean;
  /** Factor on what each branch adds to the residual stream. */
  readonly residualScale?: number;
  /** Factor on the logits. */
  readonly headScale?: number;
  /** Attention of layer i where it is not q, k and v side by side. */
  latent?(i: number): Pick<AttentionSpec, 'qkv' | 'o' | 'kvHeads' | 'headDim' | 'valueDim' | 'scale'>;
  /** The mixture of experts of layer i; null, or nothing here, where the layer has a dense FFN. */
  moe?(i: number): Omit<MoeSpec, 'kind' | 'norms'> | null;
}

/** The Llama shape: RMSNorm, rotary positions, grouped-query attention, gated FFN. */
export const llama: Architecture = {
  name: 'llama',
  modelTypes: ['llama', 'mistral', 'qwen2', 'qwen3', 'smollm3', 'gemma', 'gemma2', 'gemma3_text'],
  read(config, has) {
    return buildLlama('llama', config, has, traitsOf(config));
  },
};

/** Llama's own traits, from which others start. */
export function plainTraits(config: ConfigReader): LlamaTraits {
  const attentionBias = config.booleanOr(false, 'attention_bias');
  return {
    qkvBias: attentionBias, oBias: attentionBias, mlpBias: config.booleanOr(false, 'mlp_bias'), qkNorm: false, normAddsOne: false, sandwich: false, embeddingScale: 1, tiedByDefault: false,
    activation: 'silu', scale: null, softcap: null, headSoftcap: null, window: () => null, rope: () => 'rope', ropes: (headDim) => new Map([['rope', ropeOf(config, headDim)]]),
  };
}

function traitsOf(config: ConfigReader): LlamaTraits {
  const layerTypes = config.list('layer_types');
  const slidingByType = (i: number): boolean => layerTypes?.[i] === 'sliding_attention';
  const plain = plainTraits(config);
  const windowSize = config.optionalNumber('sliding_window');
  switch (config.modelType) {
    case 'mistral':
      return { ...plain, qkvBias: false, oBias: false, mlpBias: false, window: () => windowSize };
    case 'qwen2': {
      const from = config.numberOr(28, 'max_window_layers'), on = config.booleanOr(false, 'use_sliding_window');
      return { ...plain, qkvBias: true, oBias: false, mlpBias: false, window: (i) => (on && (layerTypes ? slidingByType(i) : i >= from) ? windowSize : null) };
    }
    case 'qwen3': {
      const from = config.numberOr(28, 'max_window_layers'), on = config.booleanOr(false, 'use_sliding_window');
      return { ...plain, mlpBias: false, qkNorm: 'head', window: (i) => (on && (layerTypes ? slidingByType(i) : i >= from) ? windowSize : null) };
    }
    case 'smollm3': {
      const rotated = config.list('no_rope_layers'), interval = config.numberOr(4, 'no_rope_layer_interval');
      const on = config.booleanOr(false, 'use_sliding_window');
      return { ...plain, tiedByDefault: true, window: (i) => (on && slidingByType(i) ? windowSize : null), rope: (i) => ((rotated ? Boolean(rotated[i]) : (i + 1) % interval !== 0) ? 'rope' : null) };
    }
    case 'gemma':
      return { ...plain, ...gemmaBase(config), activation: 'gelu_pytorch_tanh' };
    case 'gemma2':
      return { ...plain, ...gemmaBase(config), sandwich: true, scale: config.numberOr(256, 'query_pre_attn_scalar') ** -0.5, softcap: config.optionalNumber('attn_logit_softcapping'), headSoftcap: config.optionalNumber('final_logit_softcapping'), window: (i) => ((layerTypes ? slidingByType(i) : i % 2 === 0) ? config.numberOr(4096, 'sliding_window') : null) };
    case 'gemma3_text': {
      const pattern = config.numberOr(6, 'sliding_window_pattern', '_sliding_window_pattern');
      const local = (i: number): boolean => (layerTypes ? slidingByType(i) : (i + 1) % pattern !== 0);
      if (config.booleanOr(false, 'use_bidirectional_attention')) config.unsupported('use_bidirectional_attention', true, 'false');
      return {
        ...plain, ...gemmaBase(config), sandwich: true, qkNorm: 'head', scale: config.numberOr(256, 'query_pre_attn_scalar') ** -0.5, softcap: config.optionalNumber('attn_logit_softcapping'), headSoftcap: config.optionalNumber('final_logit_softcapping'),
        window: (i) => (local(i) ? config.numberOr(4096, 'sliding_window') : null), rope: (i) => (local(i) ? 'local' : 'global'),
        ropes: (headDim) => gemma3Ropes(config, headDim),
      };
    }
    default:
      return plain;
  }
}

function gemmaBase(config: ConfigReader): Partial<LlamaTraits> {
  return { normAddsOne: true, embeddingScale: Math.fround(Math.sqrt(config.number('hidden_size'))), tiedByDefault: true, activation: 'gelu_pytorch_tanh' };
}

/** Gemma 3 rotates local and global layers with different bases; newer configs nest them by layer type. */
function gemma3Ropes(config: ConfigReader, headDim: number): ReadonlyMap<string, RopeSpec> {
  const nested = config.object('rope_parameters');
  const full = nested?.object('full_attention'), sliding = nested?.object('sliding_attention');
  if (full && sliding) {
    const as = (part: ConfigReader): ConfigReader => ({ ...config, object: (name) => (name === 'rope_scaling' || name === 'rope_parameters' ? part : config.object(name)) });
    return new Map([['global', ropeOf(as(full), headDim)], ['local', ropeOf(as(sliding), headDim)]]);
  }
  return new Map([['global', ropeOf(config, headDim, { theta: config.numberOr(1e6, 'rope_theta') })], ['local', ropeOf(config, headDim, { theta: config.numberOr(1e4, 'rope_local_base_freq'), scaled: false })]]);
}

/** A model of the Llama shape with a family's traits; `architecture` is the name of the family's file. */
export function buildLlama(architecture: string, config: ConfigReader, has: (tensor: string) => boolean, traits: LlamaTraits): ModelSpec {
  const d = count(config, LIMITS.width, 'hidden_size'), layers = count(config, LIMITS.layers, 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'num_attention_heads');
  const kvHeads = config.numberOr(heads, 'num_key_value_heads'), headDim = config.numberOr(d / heads, 'head_dim'), f = count(config, LIMITS.width, 'intermediate_size');
  const epsilon = config.numberOr(1e-6, 'rms_norm_eps'), activation = activationOf(config, traits.activation, 'hidden_activation', 'hidden_act');
  if (heads % kvHeads !== 0) config.unsupported('num_key_value_heads', kvHeads, `a divisor of num_attention_heads (${heads})`);
  const norm = (prefix: string, width = d) => rmsNorm(prefix, width, epsilon, traits.normAddsOne);
  const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
    const at = `layers.${i}`, site = `blocks.${i}`, window = traits.window(i), rope = traits.rope(i), moe = traits.moe?.(i) ?? null;
    const norms: SublayerNorms = traits.sandwich ? { before: norm(`${at}.pre_feedforward_layernorm`), branch: norm(`${at}.post_feedforward_layernorm`) } : { before: norm(`${at}.post_attention_layernorm`) };
    const across = (n: number): number => (traits.qkNorm === 'all' ? n * headDim : headDim);
    const projection = (letter: 'q' | 'k' | 'v', out: number) => linear(`${site}.attention.${letter}`, `${at}.self_attn.${letter}_proj`, d, out, traits.qkvBias);
    return {
      index: i, weightGroup: at, residual: 'serial',
      attention: {
        kind: 'attention',
        norms: { before: norm(`${at}.input_layernorm`), ...(traits.sandwich ? { branch: norm(`${at}.post_attention_layernorm`) } : {}) },
        qkv: { kind: 'separate', q: projection('q', heads * headDim), k: projection('k', kvHeads * headDim), v: projection('v', kvHeads * headDim) },
        o: linear(`${site}.attention.o`, `${at}.self_attn.o_proj`, heads * headDim, d, traits.oBias),
        heads, kvHeads, headDim, scale: traits.scale ?? headDim ** -0.5, causal: true, ...traits.latent?.(i),
        ...(window !== null ? { window } : {}), ...(rope !== null ? { rope } : {}), ...(traits.softcap !== null ? { softcap: traits.softcap } : {}),
        ...(traits.qkNorm ? { qNorm: norm(`${at}.self_attn.q_norm`, across(heads)), kNorm: norm(`${at}.self_attn.k_norm`, across(kvHeads)) } : {}),
        ...(traits.clip === undefined ? {} : { clip: traits.clip }), ...(traits.sinks ? { sinks: `${at}.self_attn.sinks` } : {}),
      },
      ...(traits.residualScale === undefined ? {} : { residualScale: traits.residualScale }),
      ffn: moe ? { kind: 'moe', norms, ...moe } : {
        kind: 'ffn', norms, activation,
        gate: linear(`${site}.ffn.gate`, `${at}.mlp.gate_proj`, d, f, traits.mlpBias), up: linear(`${site}.ffn.up`, `${at}.mlp.up_proj`, d, f, traits.mlpBias), down: linear(`${site}.ffn.down`, `${at}.mlp.down_proj`, f, d, traits.mlpBias),
      },
    };
  });
  const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size');
  const tied = config.booleanOr(traits.tiedByDefault, 'tie_word_embeddings');
  const own = has('lm_head.weight') && !tied, hasHead = has('lm_head.weight') || (tied && declaresHead(config, 'causal'));
  return {
    family: config.modelType, architecture, bodyPrefixes: ['model.', ''], buffers: KNOWN_BUFFERS,
    stacks: [{ name: 'decoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings'), vocabulary, embedding: { token: 'embed_tokens.weight', width: d, scale: traits.embeddingScale }, ropes: traits.ropes(headDim), blocks, finalNorm: norm('norm') }],
    ...(hasHead ? { head: { kind: 'causal' as const, tied: !own, ...(traits.headSoftcap !== null ? { softcap: traits.headSoftcap } : {}), ...(traits.headScale === undefined ? {} : { scale: traits.headScale }), decoder: { site: 'head', weight: own ? 'lm_head.weight' : 'embed_tokens.weight', inWidth: d, outWidth: vocabulary, layout: 'outIn' as const } } } : {}),
  };
}
