import type { TensorInfo } from '../../checkpoint/types';

/** A tensor name taken apart: `model.layers.3.mlp.up_proj.weight` is container `model.layers.`, layer 3, rest `.mlp.up_proj.weight`. */
export interface LayerName {
  readonly container: string;
  readonly layer: number;
  readonly rest: string;
}

/** The layers of a checkpoint, by its tensor names alone, so that families without a file of ours can be merged too. */
export interface LayerNames {
  /** Prefix of the layers' names; null where there are none. */
  readonly container: string | null;
  readonly count: number;
  /** Null for tensors that belong to no layer. */
  parse(name: string): LayerName | null;
  /** Rests of a layer's names, in file order. */
  restsOf(layer: number): readonly string[];
  /** Tensors of no layer, in file order. */
  readonly outside: readonly string[];
}

/** Splits at the first number between dots. */
function split(name: string): LayerName | null {
  const match = /^((?:.*?\.)??)(\d+)(\..*)$/.exec(name);
  return match ? { container: match[1], layer: Number(match[2]), rest: match[3] } : null;
}

/** The container with the most tensors holds the layers; others (an encoder beside a decoder) count as outside. */
export function layerNames(tensors: ReadonlyMap<string, TensorInfo>): LayerNames {
  const counts = new Map<string, number>();
  for (const name of tensors.keys()) {
    const parts = split(name);
    if (parts) counts.set(parts.container, (counts.get(parts.container) ?? 0) + 1);
  }
  const container = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
  const parse = (name: string): LayerName | null => { const parts = split(name); return parts !== null && parts.container === container ? parts : null; };
  const rests = new Map<number, string[]>(), outside: string[] = [];
  for (const name of tensors.keys()) {
    const parts = parse(name);
    if (!parts) outside.push(name);
    else { const list = rests.get(parts.layer); if (list) list.push(parts.rest); else rests.set(parts.layer, [parts.rest]); }
  }
  return { container, count: rests.size === 0 ? 0 : Math.max(...rests.keys()) + 1, parse, restsOf: (layer) => rests.get(layer) ?? [], outside };
}

/** Values that a model computes itself, or masks of a fixed pattern: taken from the base as they are. */
const BUFFER = /(?:rotary_emb\.inv_freq|position_ids|\.masked_bias|attn\.bias|attention\.bias|token_type_ids)$/;

/** Whether a tensor is a buffer rather than a weight. GPT-2's `attn.bias` is a mask of four dimensions. */
export function isBuffer({ name, shape, dtype }: TensorInfo): boolean {
  if (!BUFFER.test(name)) return false;
  return !/(?:attn|attention)\.bias$/.test(name) || shape.length === 4 || dtype === 'BOOL' || dtype === 'U8';
}

/** Tables of one row per token, at the beginning and at the end. */
const EMBEDDING = /(?:^|\.)(?:embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)\.weight$/;
const HEAD = /(?:^|\.)(?:lm_head|embed_out|output_layer|lm_head\.decoder|cls\.predictions\.decoder)\.weight$/;

export function isEmbedding(name: string): boolean {
  return EMBEDDING.test(name);
}
export function isHead(name: string): boolean {
  return HEAD.test(name);
}
/** Tensors that stand before the first layer; with slices they come from the first slice, all others of no layer from the last. */
export function isBeforeLayers(name: string): boolean {
  return !isHead(name) && /embed|wte|wpe|ln_embed|conv1/.test(name);
}
