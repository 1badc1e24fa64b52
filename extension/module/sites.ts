import type { BoundModel } from '../architecture/resolve';
import { linearsOf } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { stageLinears as stage } from '../graph/stages';

type Finder = (target: string) => LinearSpec | undefined;

/** Finds the linear map of a block that a PEFT target names ("model.layers.0.self_attn.q_proj"), undefined where the model has none. */
export function linearFinder(model: BoundModel): Finder {
  return finderOf(model, model.spec.stacks.flatMap((stack) => stack.blocks.flatMap(linearsOf)));
}

/** The same with the maps before and after the blocks, the decoder left out. */
export function mapFinder(model: BoundModel): Finder {
  return finderOf(model, model.spec.stacks.flatMap((stack) => [...stage(model, stack), ...stack.blocks.flatMap(linearsOf)]));
}

function finderOf(model: BoundModel, specs: readonly LinearSpec[]): Finder {
  // Parts of a stack of experts have no name of their own that a target could mean.
  const linears = new Map(specs.filter((spec) => !spec.slice).map((spec) => [model.tensor(spec.weight).name.replace(/\.weight$/, ''), spec]));
  return (target) => findNamed(linears, target, model.spec.bodyPrefixes);
}

/** A module may have been trained on the base with or without its head's prefix. */
export function findNamed<T>(named: ReadonlyMap<string, T>, target: string, prefixes: readonly string[]): T | undefined {
  const direct = named.get(target);
  if (direct !== undefined) return direct;
  for (const prefix of prefixes) {
    const bare = prefix !== '' && target.startsWith(prefix) ? target.slice(prefix.length) : target;
    for (const other of prefixes) {
      const found = named.get(other + bare);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Names of decoders in model classes, of which a tied checkpoint holds no tensor. */
const DECODERS = ['lm_head', 'embed_out', 'cls.predictions.decoder', 'lm_head.decoder', 'vocab_projector', 'predictions.decoder'];

/** Whether a target is the decoder of this model. */
export function headTarget(target: string, model: BoundModel): boolean {
  const { head, bodyPrefixes } = model.spec;
  if (!head) return false;
  if (!head.tied && findNamed(model.checkpoint.tensors, `${target}.weight`, bodyPrefixes) === model.tensor(head.decoder.weight)) return true;
  // RoBERTa's `lm_head` is not its decoder, but the part around it.
  return DECODERS.includes(target) && !(target === 'lm_head' && head.transform);
}

/** Whether a target is the table of token rows. */
export function tokenTarget(target: string, model: BoundModel): boolean {
  return findNamed(model.checkpoint.tensors, `${target}.weight`, model.spec.bodyPrefixes) === model.tensor(model.spec.stacks[0].embedding.token);
}

/** Whether the checkpoint has the map, though nothing that is computed here uses it: a pooler, a head for another task. */
export function unusedTarget(target: string, model: BoundModel): boolean {
  const found = findNamed(model.checkpoint.tensors, `${target}.weight`, model.spec.bodyPrefixes);
  return found ? model.leftOver.includes(found.name) : /(?:^|\.)(?:pooler\.dense|classifier|score|qa_outputs|pre_classifier|seq_relationship)(?:\.|$)/.test(target) && !/\.\d+\./.test(target);
}
