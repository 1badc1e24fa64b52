import { define, EXIT } from './define';

/** Carrying modules between bases: the `transfer/` room. */
export const transferErrors = {
  'transfer/unsupported': define<{ path: string; method: string; reason: string }>(EXIT.cannot, (a) => `${a.path} cannot be carried with the method ${a.method}: ${a.reason}.`),
  'transfer/no-sites': define<{ path: string; to: string; reason: string }>(EXIT.cannot, (a) => `Nothing of ${a.path} can be carried to ${a.to}: ${a.reason}. Choose another layer rule, method or target.`),
  'transfer/no-effect': define<{ path: string }>(EXIT.input, (a) => `${a.path} has no effect: the factor B of every site is zero, as in a LoRA that was never trained. Choose a trained module.`),
  'transfer/not-finite': define<{ path: string; tensor: string }>(EXIT.input, (a) => `${a.path}: "${a.tensor}" holds NaN or infinite values, so it cannot be carried. Check how the module was saved.`),
  'transfer/few-pairs': define<{ from: string; to: string; pairs: number; needed: number }>(EXIT.cannot, (a) => `Only ${a.pairs} tokens of the probe texts stand for the same characters in ${a.from} and ${a.to}; at least ${a.needed} are needed to fit a map. Give more probe texts, in the language and script that both models know.`),
  'transfer/base-mismatch': define<{ path: string; from: string; reason: string }>(EXIT.input, (a) => `${a.path} does not fit ${a.from}, which should be the base it was trained on: ${a.reason}. Choose the checkpoint that adapter_config.json names.`),
} as const;
