import { define, EXIT } from './define';

/** Probing, partitions, evaluation: the `probe/`, `partition/`, `evaluation/` and `engine/` rooms. */
export const analysisErrors = {
  'analysis/only-experts': define<{ path: string; layers: number; experts: number }>(EXIT.cannot, (a) => `Every FFN layer of ${a.path} is a mixture of experts already (${a.layers} layers of ${a.experts}), so there is no dense FFN to split. To see which experts its tokens go to, use the model's own router: modulens route --router native.`),
  'analysis/no-ffn': define<{ path: string }>(EXIT.cannot, (a) => `No FFN weights could be recognised in ${a.path}, so there is nothing to split into experts.`),
  'analysis/layers': define<{ layers: string; count: number }>(EXIT.usage, (a) => `--layers ${a.layers} does not name layers of this model, which has ${a.count} (0 to ${a.count - 1}). Write for example 0-3,5.`),
  'analysis/experts': define<{ experts: number; neurons: number }>(EXIT.usage, (a) => `${a.experts} experts cannot be made of ${a.neurons} neurons. Choose from 2 to ${Math.floor(a.neurons / 2)}.`),
  'analysis/top-k': define<{ topK: number; experts: number }>(EXIT.usage, (a) => `--top-k ${a.topK} must lie between 1 and the number of experts (${a.experts}).`),
  'analysis/no-result': define<{ key: string }>(EXIT.cannot, () => 'The results of this analysis are no longer in the store. Run it again.'),
  'analysis/not-computed': define<{ layer: number }>(EXIT.cannot, (a) => `Layer ${a.layer} has not been computed yet.`),
  'analysis/needs-probe': define<{ what: string }>(EXIT.cannot, (a) => `${a.what} needs text, but this analysis used the weights alone. Run it with a probe file.`),
  'probe/unreadable': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} cannot be read: ${a.reason}.`),
  'probe/empty': define<{ file: string }>(EXIT.input, (a) => `${a.file} holds no text. Write one text a line (.txt), or lines such as {"text": "..."} (.jsonl).`),
  'probe/too-large': define<{ file: string; bytes: number; limit: number }>(EXIT.input, (a) => `${a.file} has ${a.bytes} bytes, more than the ${a.limit} that are read as a probe. Take a sample of it.`),
  'probe/json': define<{ file: string; line: number; reason: string }>(EXIT.input, (a) => `${a.file}${a.line > 0 ? `, line ${a.line}` : ''}: ${a.reason}. Each line should be an object such as {"text": "...", "label": "..."}.`),
  'probe/token-rows': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file}: ${a.reason}. Expected {"input_ids": [[1, 2, 3], ...]}.`),
  'probe/tokenizer': define<{ path: string; reason: string }>(EXIT.input, (a) => `The tokenizer in ${a.path} cannot be used: ${a.reason}. Pass token ids with --tokens, or repair the tokenizer files.`),
  'probe/no-tokenizer': define<{ path: string }>(EXIT.cannot, (a) => `${a.path} has no tokenizer (tokenizer.json, vocab.json with merges.txt, or vocab.txt). Put it beside the weights, or pass token ids with --tokens.`),
  'evaluate/no-head': define<{ path: string }>(EXIT.cannot, (a) => `${a.path} holds no language-model head, so there is no loss to measure. Use the checkpoint that was saved with its head.`),
  'evaluate/masked': define<{ path: string }>(EXIT.cannot, (a) => `${a.path} is a masked language model: it has no next-token loss. Pass --pseudo for its pseudo-likelihood (every token masked in turn).`),
  'evaluate/no-tokens': define<{ file: string }>(EXIT.input, (a) => `No row of ${a.file} has at least two tokens, so nothing can be scored.`),
} as const;
