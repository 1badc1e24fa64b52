import { define, EXIT } from './define';

/** Families, sites, taps and plugged-in modules: the `architecture/`, `graph/` and `module/` rooms. */
export const modelErrors = {
  'model/unsupported-family': define<{ path: string; family: string; known: string }>(EXIT.cannot, (a) => `${a.path} is of the family "${a.family}", which Modulens cannot run yet. It can run: ${a.known}. The weights can still be inspected and split into experts.`),
  'model/onnx-not-run': define<{ path: string }>(EXIT.cannot, (a) => `${a.path} is an ONNX graph. Modulens inspects it and splits its FFN weights where it recognises them, but does not run it yet.`),
  'model/no-config': define<{ path: string }>(EXIT.cannot, (a) => `${a.path} has no config.json, so its family is unknown and it cannot be run. Put the model's config.json beside the weights.`),
  'model/config-field': define<{ file: string; field: string; expected: string; found: string }>(EXIT.input, (a) => `${a.file}: field "${a.field}" should be ${a.expected} but is ${a.found}. Correct the file, or take it from the model's source again.`),
  'model/config-unsupported': define<{ file: string; field: string; value: string; supported: string }>(EXIT.cannot, (a) => `${a.file}: "${a.field}" is ${a.value}, which Modulens cannot run (it runs: ${a.supported}). The weights can still be inspected.`),
  'model/missing-tensor': define<{ path: string; tensor: string; tried: string }>(EXIT.input, (a) => `${a.path} lacks the tensor "${a.tensor}" (looked for: ${a.tried}). The checkpoint is incomplete, or belongs to another model than its config.json says.`),
  'model/tensor-shape': define<{ path: string; tensor: string; expected: string; found: string }>(EXIT.input, (a) => `${a.path}: tensor "${a.tensor}" has the shape [${a.found}], but config.json asks for [${a.expected}]. The weights and config.json do not belong together.`),
  'model/tensor-dtype': define<{ path: string; tensor: string; dtype: string }>(EXIT.cannot, (a) => `${a.path}: tensor "${a.tensor}" is stored as ${a.dtype}, which cannot be run. F32, F16, BF16 and F64 can.`),
  'model/unknown-tap': define<{ tap: string; known: string }>(EXIT.cannot, (a) => `This checkpoint has no tap "${a.tap}". It has: ${a.known}.`),
  'model/no-dense-ffn': define<{ layer: number; experts: number }>(EXIT.cannot, (a) => `Layer ${a.layer} holds a mixture of ${a.experts} experts in the place of one FFN, so it has no neurons to split, silence or tap. Use its router ("modulens route --router native"), or choose a layer with a dense FFN.`),
  'model/token-id': define<{ id: number; vocabulary: number; row: number }>(EXIT.input, (a) => `Token id ${a.id} in row ${a.row} is outside the vocabulary of ${a.vocabulary}. Use ids of this model's own tokenizer.`),
  'model/too-long': define<{ row: number; tokens: number; context: number }>(EXIT.input, (a) => `Row ${a.row} has ${a.tokens} ids, more than the model's context of ${a.context}. Cut it.`),
  'model/not-causal': define<{ path: string; what: string }>(EXIT.cannot, (a) => `${a.path} sees text in both directions, so ${a.what} is not possible. Use a causal language model.`),
  'module/unreadable': define<{ path: string; reason: string }>(EXIT.input, (a) => `${a.path} cannot be read as a PEFT module: ${a.reason}.`),
  'module/unsupported-kind': define<{ path: string; kind: string }>(EXIT.cannot, (a) => `${a.path} holds a module of kind "${a.kind}", which Modulens cannot run yet. LoRA (with DoRA), IA3, LoHa, LoKr, VeRA, prompts, prefixes and bottleneck adapters run.`),
  'module/unsupported-flag': define<{ path: string; flag: string; value: string }>(EXIT.cannot, (a) => `${a.path}: adapter_config.json sets "${a.flag}" to ${a.value}, which changes the forward pass in a way that Modulens does not run yet. Nothing was computed.`),
  'module/not-linear': define<{ path: string; kind: string }>(EXIT.cannot, (a) => `${a.path} is a module of kind "${a.kind}", which is no update of linear maps and cannot be written as low-rank factors.`),
  'module/unsupported-part': define<{ path: string; part: string; reason: string }>(EXIT.cannot, (a) => `${a.path}: "${a.part}" cannot be run: ${a.reason}. Nothing was computed.`),
  'module/whole-texts': define<{ path: string }>(EXIT.cannot, (a) => `${a.path} has gates that average over a whole text, so a text cannot be run token by token with it. Run whole texts.`),
  'module/not-plain': define<{ path: string; name: string; what: string }>(EXIT.cannot, (a) => `${a.path} holds more than low-rank factors of linear maps: "${a.name}" (${a.what}). Only plain LoRAs can be mixed token by token.`),
  'module/strength': define<{ path: string; strength: string; kind: string }>(EXIT.usage, (a) => `${a.path} (${a.kind}) cannot act with the strength ${a.strength}. Give ${a.kind === 'prefix' || a.kind === 'prompt' ? 'zero or a positive number' : 'a number'}.`),
  'module/together': define<{ path: string; reason: string }>(EXIT.cannot, (a) => `${a.path} cannot act here: ${a.reason}. Leave out one of the modules.`),
  'module/no-site': define<{ path: string; target: string }>(EXIT.input, (a) => `${a.path} holds weights for "${a.target}", which is no linear map of this checkpoint. Check that the module was trained on this base.`),
  'module/shape': define<{ path: string; tensor: string; expected: string; found: string }>(EXIT.input, (a) => `${a.path}: "${a.tensor}" has the shape [${a.found}], but the base needs [${a.expected}]. The module belongs to another base.`),
} as const;
