import { define, EXIT } from './define';

/** Recipes, merging and its output: the `merge/` room. */
export const mergeErrors = {
  'merge/recipe': define<{ file: string; line: number; column: number; problem: string; more: number }>(EXIT.input, (a) => `${a.file}, line ${a.line}, column ${a.column}: ${a.problem}${a.more > 0 ? ` (and ${a.more} more ${a.more === 1 ? 'problem' : 'problems'})` : ''}`),
  'merge/model-not-found': define<{ reference: string; looked: string }>(EXIT.input, (a) => `The model "${a.reference}" was not found. Looked in: ${a.looked}. Correct the recipe or put the model there; Modulens never downloads.`),
  'merge/tensors-differ': define<{ model: string; other: string; missing: string; count: number }>(EXIT.input, (a) => `${a.model} lacks ${a.count} ${a.count === 1 ? 'tensor' : 'tensors'} that ${a.other} has: ${a.missing}. Only models of one architecture can be merged; take the layers that fit with slices.`),
  'merge/shape': define<{ tensor: string; model: string; shape: string; other: string; expected: string }>(EXIT.input, (a) => `Tensor "${a.tensor}" is [${a.shape}] in ${a.model} but [${a.expected}] in ${a.other}. Merge models of the same sizes; where vocabularies differ, set "tokenizer: {source: union}" or "tokenizer: {source: base}".`),
  'merge/vocabulary': define<{ model: string; other: string; rows: number; expected: number }>(EXIT.input, (a) => `The vocabularies differ: ${a.model} has ${a.rows} rows, ${a.other} ${a.expected}. Set "tokenizer: {source: union}" to join them by token, or "tokenizer: {source: base}" to keep the base's.`),
  'merge/dtype': define<{ tensor: string; model: string; dtype: string }>(EXIT.cannot, (a) => `Tensor "${a.tensor}" of ${a.model} is ${a.dtype}, which cannot be merged. Convert the model to float32, float16 or bfloat16 first (quantised weights have to be dequantised).`),
  'merge/storage': define<{ file: string; tensor: string }>(EXIT.cannot, (a) => `Tensor "${a.tensor}" in ${a.file} does not lie in one piece. Save the model as safetensors and merge that.`),
  'merge/layers': define<{ model: string; layers: number; asked: string }>(EXIT.input, (a) => `${a.model} has ${a.layers} layers, the recipe asks for ${a.asked}. Correct layer_range (the end is exclusive).`),
  'merge/not-finite': define<{ tensor: string; file: string; what: string }>(EXIT.input, (a) => `Tensor "${a.tensor}" in ${a.file} holds ${a.what}. Nothing was written. Repair or leave out that model.`),
  'merge/result-not-finite': define<{ tensor: string; dtype: string }>(EXIT.cannot, (a) => `Merging tensor "${a.tensor}" gave a value that is not finite in ${a.dtype}. Nothing was written. Use out_dtype: float32, or smaller weights.`),
  'merge/space': define<{ path: string; needed: number; free: number }>(EXIT.cannot, (a) => `The result needs ${a.needed} bytes beside ${a.path}, ${a.free} are free. Free some space, choose another disk, or a smaller out_dtype. Nothing was written.`),
  'merge/output-is-input': define<{ out: string; input: string; how: string }>(EXIT.usage, (a) => `${a.out} ${a.how} the input ${a.input}. Inputs are never touched: choose another folder for --out.`),
  'merge/busy': define<{ path: string; pid: number }>(EXIT.cannot, (a) => `Another merge (process ${a.pid}) is writing ${a.path}. Wait until it is done, or end it.`),
  'merge/method': define<{ method: string; tensor: string; reason: string }>(EXIT.input, (a) => `${a.method} cannot merge tensor "${a.tensor}": ${a.reason}`),
  'merge/tokenizer': define<{ model: string; reason: string }>(EXIT.input, (a) => `The tokenizer of ${a.model} cannot be used for the merge: ${a.reason}.`),
  'merge/lora': define<{ lora: string; model: string; reason: string }>(EXIT.input, (a) => `${a.lora} cannot be merged into ${a.model}: ${a.reason}.`),
  'merge/no-threads': define<{ reason: string }>(EXIT.cannot, (a) => `The merge's helper threads could not run: ${a.reason}. Try again with --threads 1; if it stays, please report it.`),
  'merge/thread': define<{ tensor: string; reason: string }>(EXIT.cannot, (a) => `Merging tensor "${a.tensor}" failed: ${a.reason}. Nothing was left behind.`),
  'merge/no-recipe': define<Record<string, never>>(EXIT.usage, () => 'No merge recipe is open. Open a .yml file with merge_method, or select two or more models in the explorer and choose "Modulens: Merge...".'),
  'merge/too-few': define<{ count: number }>(EXIT.usage, (a) => `${a.count === 1 ? 'One model' : 'No model'} was chosen. Choose two or more checkpoints, or two or more modules.`),
  'merge/mixed': define<Record<string, never>>(EXIT.usage, () => 'Checkpoints and modules cannot be compared with each other. Choose checkpoints only, or modules only.'),
} as const;
