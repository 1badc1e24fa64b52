import type { RouterOnlyFamily, RouterOnlySite } from '../routerOnly';

const ROUTER = /^(encoder|decoder)\.block\.(\d+)\.layer\.\d+\.mlp\.router\.classifier\.weight$/;

/** Switch Transformers (arXiv 2101.03961): one expert a token, chosen by the largest logit; an expert takes so many tokens of a text. T5's attention is not built. */
export const switchTransformers: RouterOnlyFamily = {
  name: 'Switch Transformers', modelTypes: ['switch_transformers'],
  read(config, shapes) {
    const capacity = config.numberOr(64, 'expert_capacity'), sites: RouterOnlySite[] = [];
    for (const [name, shape] of shapes) {
      const [, stack, block] = ROUTER.exec(name) ?? [];
      if (stack === undefined || shape.length !== 2) continue;
      const prefix = stack === 'encoder' ? 'encoder.' : '', bias = name.replace(/weight$/, 'bias');
      sites.push({ id: `${prefix}blocks.${block}.ffn`, layer: Number(block), module: `${prefix}ffn`, gate: { kind: 'linear', weight: name, ...(shapes.has(bias) ? { bias } : {}) }, experts: shape[0], width: shape[1], k: 1, capacity });
    }
    return sites.sort((a, b) => Number(a.module === 'ffn') - Number(b.module === 'ffn') || a.layer - b.layer);
  },
};
