import type { InspectPart } from '../../protocol/mergeInspect';
import { isBeforeLayers, isHead } from '../plan/names';

/** What a tensor belongs to, by its name: inside of a layer, or outside of all. */
export function partOf(name: string, isInLayer: boolean): InspectPart {
  if (/(?:^|[._])(?:ln|norm|layer_?norm|ln_\w+|\w*_norm|\w*layernorm)(?:[._]|$)/i.test(name)) return 'norm';
  if (!isInLayer) return isHead(name) ? 'head' : isBeforeLayers(name) ? 'embedding' : 'other';
  if (/attn|attention|[._][qkvo]_proj|qkv|[._](?:wq|wk|wv|wo)\b/i.test(name)) return 'attention';
  return /mlp|ffn|feed_?forward|[._]fc\d?|fc_in|fc_out|intermediate|output\.dense|dense_h_to_4h|dense_4h_to_h|(?:gate|up|down)_proj|expert|moe|[._]w[123]\b|[._]lin[12]\b/i.test(name) ? 'ffn' : 'other';
}
