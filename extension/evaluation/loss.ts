import type { Tokenizer } from '../probe/tokenizer';
import { type ScoredSequence, scoreSequences, type ScoringSetting } from './scoring';
import { windowsOf } from './windows';

/** Loss of one document. */
export interface DocumentLoss {
  /** Sum of negative log-likelihoods in nats; 0 for a skipped document. */
  readonly nll: number;
  /** Scored ids. */
  readonly tokens: number;
  /** UTF-8 bytes of the text. */
  readonly bytes: number;
}

export interface LossResult {
  readonly tokens: number;
  /** Nats per scored id over all documents, not the mean of documents. */
  readonly lossPerToken: number;
  /** Bits per UTF-8 byte of the scored documents. */
  readonly bitsPerByte: number;
  /** Documents with nothing to score. */
  readonly skipped: number;
  /** One per text, in order; paired comparisons need them. */
  readonly documents: readonly DocumentLoss[];
}

/** Ids of a document with the ids in it that count. */
interface Piece {
  readonly document: number;
  readonly sequence: ScoredSequence;
}

/** Next-token loss of a causal model: the first id of a document is not scored, every other id once. */
export async function causalLoss(setting: ScoringSetting, tokenizer: Tokenizer, texts: readonly string[], progress?: (done: number, total: number) => void): Promise<LossResult> {
  const context = setting.model.spec.stacks[0].context, pieces: Piece[] = [];
  texts.forEach((text, document) => {
    const ids = tokenizer.encode(text);
    if (ids.length < 2) return;
    for (const { from, to, scoreFrom } of windowsOf(ids.length, context)) {
      const targets = [];
      for (let i = Math.max(1, scoreFrom); i < to; i++) targets.push({ row: i - 1 - from, id: ids[i] });
      pieces.push({ document, sequence: { ids: ids.subarray(from, to), targets } });
    }
  });
  return gather(setting, texts, pieces, pieces.reduce((sum, p) => sum + p.sequence.ids.length, 0), progress);
}

/**
 * Pseudo-likelihood of a masked model (Salazar et al., 1910.14659): every id that is no special token is masked in turn
 * and scored from both sides.
 */
export async function pseudoLoss(setting: ScoringSetting, tokenizer: Tokenizer, mask: number, texts: readonly string[], progress?: (done: number, total: number) => void): Promise<LossResult> {
  const context = setting.model.spec.stacks[0].context;
  const rows = texts.map((text) => tokenizer.encode(text));
  let total = 0;
  const pieces = function* (): Iterable<Piece> {
    for (const [document, ids] of rows.entries()) {
      for (const { from, to, scoreFrom } of windowsOf(ids.length, context)) {
        for (let i = scoreFrom; i < to; i++) {
          if (tokenizer.isSpecial(ids[i])) continue;
          const masked = ids.slice(from, to);
          masked[i - from] = mask;
          yield { document, sequence: { ids: masked, targets: [{ row: i - from, id: ids[i] }] } };
        }
      }
    }
  };
  for (const ids of rows) for (const { from, to, scoreFrom } of windowsOf(ids.length, context)) for (let i = scoreFrom; i < to; i++) if (!tokenizer.isSpecial(ids[i])) total += to - from;
  return gather(setting, texts, pieces(), total, progress);
}

async function gather(setting: ScoringSetting, texts: readonly string[], pieces: Iterable<Piece>, total: number, progress?: (done: number, total: number) => void): Promise<LossResult> {
  const nll = new Float64Array(texts.length), tokens = new Float64Array(texts.length), owners: number[] = [];
  const sequences = function* (): Iterable<ScoredSequence> {
    for (const { document, sequence } of pieces) {
      owners.push(document);
      yield sequence;
    }
  };
  await scoreSequences(setting, sequences(), (index, scores) => {
    for (const score of scores) nll[owners[index]] -= score;
    tokens[owners[index]] += scores.length;
  }, (done) => progress?.(done, total));
  const documents = texts.map((text, i): DocumentLoss => ({ nll: nll[i], tokens: tokens[i], bytes: Buffer.byteLength(text, 'utf8') }));
  let sum = 0, count = 0, bytes = 0;
  for (const document of documents) {
    if (document.tokens === 0) continue;
    sum += document.nll;
    count += document.tokens;
    bytes += document.bytes;
  }
  return { tokens: count, lossPerToken: sum / count, bitsPerByte: sum / Math.LN2 / bytes, skipped: documents.filter((d) => d.tokens === 0).length, documents };
}
