import type * as vscode from 'vscode';
import type { BlockKind } from './blocks';

/** JSON lines hold one text a line; everything else is one text. */
export function kindOf(document: vscode.TextDocument): BlockKind {
  return /^(jsonl|jsonlines|json-lines)$/.test(document.languageId) || /\.(jsonl|ndjson)$/i.test(document.uri.path) ? 'records' : 'text';
}
