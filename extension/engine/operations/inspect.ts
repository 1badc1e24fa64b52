import path from 'node:path';
import { sha256OfFiles } from '../../checkpoint/fingerprint';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { type InspectDocument, SCHEMA_VERSION } from '../../protocol/documents';
import { VERSION } from '../../protocol/version';
import type { OperationContext } from '../context';
import { describeModel } from '../modelFacts';

/** Headers, family and tensors of a checkpoint. Never loads ONNX Runtime. */
export async function run(params: { readonly path: string; readonly hash?: boolean }, _context: OperationContext): Promise<InspectDocument> {
  const start = performance.now();
  const checkpoint = await openCheckpoint(params.path);
  const { facts, model } = await describeModel(checkpoint);
  const sha256 = params.hash ? await sha256OfFiles(checkpoint.weightFiles) : null;
  return {
    schemaVersion: SCHEMA_VERSION, kind: 'inspect', program: { name: 'modulens', version: VERSION }, warnings: checkpoint.warnings, timings: { total: (performance.now() - start) / 1000 },
    ...facts, ...(sha256 === null ? {} : { sha256 }),
    tensors: [...checkpoint.tensors.values()].map((t) => ({ name: t.name, dtype: t.dtype, shape: t.shape, file: path.relative(checkpoint.folder, t.file) || path.basename(t.file), bytes: t.bytes })),
    leftOver: model?.leftOver ?? [],
  };
}
