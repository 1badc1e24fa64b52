import path from 'node:path';
import { elementCount } from '../../checkpoint/dtypes';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { PluggedModule } from '../../module/types';
import { loweredSites, openModule } from '../../module/openModule';
import { readData, readTexts, type TextFile } from '../../probe/texts';
import { openTokenizer, type Tokenizer } from '../../probe/tokenizer';
import { failure } from '../../protocol/errors';
import type { TransferRequest } from '../../protocol/transfer';
import type { SourceModule, TransferInputs, TransferModel } from '../../transfer/types';
import { defaultProbeFile } from '../analysis/session';
import { describeModel, requireModel } from '../modelFacts';

/** What a transfer reads, opened. */
export interface OpenedTransfer {
  readonly inputs: TransferInputs;
  /** The module as it runs on its own base. */
  readonly plugged: PluggedModule;
  /** SHA-256 of the data file, and its name. */
  readonly data: { readonly file: string; readonly sha256: string } | null;
}

/** Opens module, bases and texts. Reads the module's weights and no base's. */
export async function openTransfer(request: TransferRequest): Promise<OpenedTransfer> {
  const from = await openBase(request.from), to = await openBase(request.to), plugged = await openModule(request.module);
  const probe: TextFile = request.probe === undefined ? { ...(await readTexts(defaultProbeFile())), name: 'default probe set' } : await readTexts(request.probe);
  const data = request.data === undefined ? null : await readData(request.data), file = path.basename(request.data ?? '');
  return {
    plugged, data: data ? { file, sha256: data.sha256 } : null,
    inputs: { module: await sourceModule(plugged, from), from, to, probe, data: data ? { name: file, rows: data.rows } : null },
  };
}

async function openBase(folder: string): Promise<TransferModel> {
  const described = await describeModel(await openCheckpoint(folder)), model = requireModel(described);
  return { model, facts: described.facts, tokenizer: await openTokenizer(described.checkpoint.folder) };
}

async function sourceModule(plugged: PluggedModule, from: TransferModel): Promise<SourceModule> {
  const { sites, left } = await loweredSites(plugged, from.model);
  const parameters = [...plugged.weights.tensors.values()].reduce((sum, tensor) => sum + elementCount(tensor.shape), 0);
  return { path: plugged.path, name: plugged.name, kind: plugged.kind, base: plugged.base, rank: plugged.rank, parameters, factors: sites, left };
}

/** The tokenizer of a base, which scoring needs. */
export function tokenizerOf(base: TransferModel): Tokenizer {
  if (!base.tokenizer) throw failure('probe/no-tokenizer', { path: base.facts.path });
  return base.tokenizer;
}
