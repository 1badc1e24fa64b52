import type { ConfigReader } from '../spec';
import type { RouterGate, RouterOnlyFamily, RouterOnlySite } from '../routerOnly';

const GATE = /^(.*\bh\.(\d+)\.(attn\.q_proj|mlpf)\.gate\.)w_gate(?:\.0)?\.weight$/;

/** ModuleFormer (arXiv 2306.04640): experts of attention (queries and outputs) and of the FFN, weights as a softmax over all gives them. Stick-breaking attention is not built. */
export const moduleformer: RouterOnlyFamily = {
  name: 'ModuleFormer', modelTypes: ['moduleformer'],
  read(config, shapes) {
    const sites: RouterOnlySite[] = [];
    for (const [name, shape] of shapes) {
      const [, prefix, block, part] = GATE.exec(name) ?? [];
      if (prefix === undefined || shape.length !== 2) continue;
      const gate = gateOf(config, prefix, shapes), module = part === 'mlpf' ? 'ffn' : 'attention';
      const experts = module === 'ffn' ? config.numberOr(32, 'n_mlp_experts') : config.numberOr(32, 'n_att_experts');
      sites.push({ id: `blocks.${block}.${module}`, layer: Number(block), module, gate, experts, width: shape[1], k: Math.min(experts, config.numberOr(2, module === 'ffn' ? 'k_mlp' : 'k_att')), capacity: null });
    }
    return sites.sort((a, b) => a.layer - b.layer || Number(a.module === 'ffn') - Number(b.module === 'ffn'));
  },
};

/** The kind of gate that the tensors are of: config.json names it, and older files do not. */
function gateOf(config: ConfigReader, prefix: string, shapes: ReadonlyMap<string, readonly number[]>): RouterGate {
  const found = shapes.has(`${prefix}expert_centroids`) ? 'gmm' : shapes.has(`${prefix}w_gate.3.weight`) ? 'mlp' : 'linear', named = config.stringOr(found, 'gate_type');
  if (named !== found) config.unsupported('gate_type', named, `${found}, by the tensors of this checkpoint`);
  if (found === 'gmm') return { kind: 'cosine', weight: `${prefix}w_gate.weight`, centroids: `${prefix}expert_centroids`, temperature: `${prefix}temperature` };
  return found === 'mlp' ? { kind: 'mlp', weight: `${prefix}w_gate.0.weight`, bias: `${prefix}w_gate.0.bias`, out: `${prefix}w_gate.3.weight` } : { kind: 'linear', weight: `${prefix}w_gate.0.weight` };
}
