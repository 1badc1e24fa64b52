import type { ErrorRecord } from './errors';
import type { LayerRule, TransferDocument, TransferMethodName, TransferPlan, TransferRequest } from './transfer';

/** How far a transfer is. `planning`: the plan is being made; `plan`: it waits for the user; the rest are ends of a run. */
export type TransferStep = 'planning' | 'plan' | 'starting' | 'running' | 'cancelled' | 'failed' | 'done';

/** Everything the transfer page shows. `plan` stays while a run goes on; a document replaces it once there is one. */
export interface TransferPageState {
  readonly step: TransferStep;
  readonly request: TransferRequest;
  /** Folder that the module goes to; null until it was chosen. */
  readonly out: string | null;
  /** What an own choice would most likely be. */
  readonly suggestedOut: string;
  readonly plan: TransferPlan | null;
  readonly document: TransferDocument | null;
  readonly error: ErrorRecord | null;
}

/** What the page asks the host to let the user pick. */
export type TransferChoice = 'module' | 'from' | 'to' | 'probe' | 'data' | 'out';

/** Methods and layer rules as lists show them: name, and what it does in one sentence. */
export interface Named {
  readonly title: string;
  readonly says: string;
}

export const TRANSFER_METHOD_WORDS: Readonly<Record<TransferMethodName, Named>> = {
  'activation-transport': { title: 'activation transport', says: 'Fits maps between the two bases on the same text, site by site, and carries the factors through them. Any two bases with a tokenizer.' },
  'seed-fixed': { title: 'prune and align, corrected', says: 'Matches units by correlation on the same text, with sign, by head and scaled, and moves the module\u2019s rows and columns with them.' },
  'seed-exact': { title: 'prune and align, as published', says: 'The procedure of arXiv 2403.18804 exactly as its code does it, known slips included: for comparison.' },
  skip: { title: 'copy every k-th layer', says: 'Takes the module\u2019s part of every k-th source layer as it is. Bases of one family with equal widths.' },
  average: { title: 'average neighbouring layers', says: 'Averages the module\u2019s parts of neighbouring source layers. Bases of one family with equal widths.' },
  'average-as-released': { title: 'average, as published', says: 'The average as the published code computes it, which is not the mean: for comparison.' },
  copy: { title: 'copy', says: 'Copies the module layer by layer without changing a number. Bases with equal shapes.' },
};

export const LAYER_RULE_WORDS: Readonly<Record<LayerRule, Named>> = {
  paper: { title: 'every k-th', says: 'Every k-th source layer, as in arXiv 2403.18804.' },
  proportional: { title: 'proportional depth', says: 'The source layer at the same relative depth.' },
  cka: { title: 'by CKA', says: 'The order-preserving pairing whose inputs are most alike on the probe texts; needs probing.' },
};
