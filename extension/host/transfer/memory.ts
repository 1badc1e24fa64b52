import { LAYER_RULES, type LayerRule, type TransferDocument, type TransferRequest } from '../../protocol/transfer';
import { pathOf } from '../paths';

/** What is remembered of a transfer between windows; the report itself lies in the folder that was written. */
export interface Remembered {
  readonly request: TransferRequest;
  readonly out: string | null;
  readonly done: boolean;
}

/** The engine puts the document of a transfer under this name into the module's folder. */
export const TRANSFER_DOCUMENT = 'modulens-transfer.json';

export function documentPath(folder: string): string {
  return pathOf(folder).join(folder, TRANSFER_DOCUMENT);
}

export function memoryKey(id: string): string {
  return `transfer:${id}`;
}

/** A document from a file; null where it is none. Only what the page needs to stand on is looked at: the file is the user's. */
export function readDocument(text: string): TransferDocument | null {
  try {
    const value = JSON.parse(text) as Partial<TransferDocument> | null;
    const complete = value !== null && typeof value === 'object' && value.kind === 'transfer' && typeof value.sentence === 'string' && value.module && value.from && value.to && [value.sites, value.layers, value.heads, value.dropped, value.runs, value.controls, value.impossible, value.files, value.warnings].every(Array.isArray);
    return complete ? (value as TransferDocument) : null;
  } catch {
    return null;
  }
}

/** The request behind a document, as far as it says: to plan again from a report that was opened. */
export function requestOf(document: TransferDocument): TransferRequest {
  const layers: LayerRule | undefined = LAYER_RULES.find((rule) => rule === document.layerRule);
  const data = document.data && pathOf(document.data.file).isAbsolute(document.data.file) ? document.data.file : undefined;
  return { module: document.module.path, from: document.from.path, to: document.to.path, method: document.method, layers, data, seed: document.seed };
}
