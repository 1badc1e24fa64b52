import { prepareOutput, writeFileAtomic } from '../../checkpoint/atomicFile';
import type { AnalysisDocument } from '../../protocol/documents';
import type { AnalyzeOptions } from '../../protocol/engineRpc';
import { analysisReport } from '../../report/analysisReport';
import type { OperationContext } from '../context';
import { run as analyze } from './analyze';

/** The command line's `analyze`: the operation, and the report where one is asked for. */
export async function run(params: { readonly path: string; readonly options: AnalyzeOptions; readonly html?: string; readonly overwrite: boolean }, context: OperationContext): Promise<AnalysisDocument> {
  if (params.html !== undefined) await prepareOutput(params.html, params.overwrite);
  const document = await analyze({ path: params.path, options: params.options }, context);
  if (params.html !== undefined) await writeFileAtomic(params.html, analysisReport(document));
  return document;
}
