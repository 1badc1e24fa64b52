import path from 'node:path';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { toErrorRecord } from '../../protocol/errors';
import type { EngineResult } from '../../protocol/engineRpc';
import type { RouterName } from '../../protocol/routing';
import { describeLibrary, describeRoutable } from '../../routing/library/detect';
import { EMERGENT, routers } from '../../routing/index';
import type { OperationContext } from '../context';
import { refuseRouterOnly } from '../routing/openRouting';
import { describeModel, type DescribedModel } from '../modelFacts';

/** What a checkpoint or a folder of adapters offers to route with, and why the other routers cannot be used on it. */
export async function run({ path: target }: { readonly path: string }, _context: OperationContext): Promise<EngineResult<'routing/describe'>> {
  const [described, kinds, library] = await Promise.all([openCheckpoint(target).then(describeModel).catch((error: unknown) => toErrorRecord(error).message), describeRoutable(target), libraryAt(target)]);
  const why = (name: RouterName): string | null => {
    if (name === 'arrow') return library === null ? 'It needs a folder with two or more LoRAs of this base.' : null;
    if (typeof described === 'string') return described;
    return (name === 'native' ? routerAlone(described) : null) ?? cannotRun(described) ?? (EMERGENT.has(name) ? noDenseLayer(described) : noGate(described));
  };
  return {
    kinds: [...kinds],
    routers: [...routers.values()].map(({ name, title, says }) => { const reason = why(name); return { name, title, says, available: reason === null, ...(reason === null ? {} : { why: reason }), ...(name === 'arrow' && library !== null ? { modules: library } : {}) }; }),
  };
}

/** The folder of LoRAs that Arrow would take: the target, or the one that it lies in. */
async function libraryAt(target: string): Promise<string | null> {
  for (const folder of [target, path.dirname(path.resolve(target))]) if ((await describeLibrary(folder))?.router === 'arrow') return folder;
  return null;
}

/** Where only a family's routers are built: that, and what they need. */
function routerAlone(described: DescribedModel): string | null {
  if (described.model) return null;
  try {
    refuseRouterOnly(described);
    return null;
  } catch (error) {
    return toErrorRecord(error).message;
  }
}

function cannotRun({ model, cannotRun: error, facts }: DescribedModel): string | null {
  if (!model) return error?.message ?? 'The family is not known.';
  return facts.tokenizer ? null : 'There is no tokenizer in the folder. Put tokenizer.json beside the weights.';
}

function noDenseLayer({ ffn }: DescribedModel): string | null {
  return ffn.length > 0 ? null : 'It has no dense FFN layer that could be split into experts.';
}

function noGate({ model }: DescribedModel): string | null {
  return model?.spec.stacks[0].blocks.some((block) => block.ffn.kind === 'moe') ? null : 'Its layers are dense: it has no router of its own.';
}
