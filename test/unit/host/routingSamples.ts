import type { RoutingHead, RoutingResult, RoutingSite, RoutingSlice, RoutingToken } from '../../../extension/protocol/routing';

/** Splits text as a byte-level tokenizer does, roughly: a word with the blank before it, runs of digits or signs alone. */
export function tokensOf(text: string, record = 0): RoutingToken[] {
  return [...text.matchAll(/ ?[\p{L}\p{M}]+| ?\p{N}+|\s+|[^\p{L}\p{M}\p{N}\s]/gu)].map((match, id) => ({ id, text: match[0], record, start: match.index, end: match.index + match[0].length, special: false }));
}

export function siteOf(layer: number, over: Partial<RoutingSite> = {}): RoutingSite {
  return { id: `blocks.${layer}.ffn`, layer, module: 'ffn', kind: 'emergent', semantics: 'simplex', E: 4, labels: ['A', 'B', 'C', 'D'], k: 1, temperature: null, scale: 1, note: 'Weight: softmax of the scores.', ...over };
}

export interface SampleOptions {
  readonly layers?: number;
  readonly site?: Partial<RoutingSite>;
  readonly tokens?: (text: string, record: number) => RoutingToken[];
  /** Tokens of a record that fit. */
  readonly context?: number;
  readonly key?: string;
}

/** A result over texts; a leading special token without a place in each record. */
export function resultOf(texts: readonly string[], { layers = 3, site, tokens = tokensOf, context = Infinity, key = 'k' }: SampleOptions = {}): RoutingResult {
  const all: RoutingToken[] = [];
  const records = texts.map((text, record) => {
    const from = all.length;
    const found = tokens(text, record);
    const kept = found.slice(0, context);
    all.push({ id: 0, text: '<s>', record, start: null, end: null, special: true }, ...kept);
    return { from, to: all.length, label: null, cut: found.length - kept.length };
  });
  const head: RoutingHead = {
    schema: 'modulens-routing-1', model: { hash: 'h', kind: 'llama', name: 'sample' }, tokenizer: { hash: 't' }, router: 'avg-k', composition: 'outputs', granularity: 'token', causal: true, provenance: 'exact',
    records, tokens: all, sites: Array.from({ length: layers }, (_, layer) => siteOf(layer, site)), slots: 4,
  };
  return { key, head, device: { requested: 'auto', used: 'cpu', reason: '' } as unknown as RoutingResult['device'], warnings: [], seconds: 0.1, reused: 0 };
}

/** Numbers of a result: the first expert of a token is a hash of its text and the layer, its weight 0.7. */
export function sliceOf({ head }: RoutingResult, from = 0, to = head.sites.length): RoutingSlice {
  const cells = head.tokens.length * (to - from);
  const slice = { from, to, ids: new Uint16Array(cells * 4), weights: new Float32Array(cells * 4), logits: new Float32Array(cells * 4), margins: new Float32Array(cells), choiceMargins: new Float32Array(cells), entropies: new Float32Array(cells) };
  head.tokens.forEach((token, t) => {
    for (let site = from; site < to; site++) {
      const cell = t * (to - from) + site - from;
      const first = expertOf(token.text, site);
      for (let i = 0; i < 4; i++) {
        slice.ids[cell * 4 + i] = (first + i) % 4;
        slice.weights[cell * 4 + i] = [0.7, 0.2, 0.08, 0.02][i];
        slice.logits[cell * 4 + i] = 2 - i;
      }
      slice.margins[cell] = 0.5;
      slice.choiceMargins[cell] = 1;
      slice.entropies[cell] = 0.852;
    }
  });
  return slice;
}

export function expertOf(text: string, site: number): number {
  return ([...text].reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0) + site) % 4;
}

/** Texts that go wrong easily. */
export const AWKWARD_TEXTS: Readonly<Record<string, string>> = {
  plain: 'The harbour was quiet. Gulls turned over the slack water.\nA rope creaked.\n',
  crlf: 'first line\r\nsecond line\r\n\r\nlast',
  emoji: 'a \u{1F469}\u200D\u{1F469}\u200D\u{1F467} family, \u{1F1E9}\u{1F1EA} and \u{1F44D}\u{1F3FD}!\nnext',
  combining: 'cafe\u0301 nai\u0308ve Z\u0351\u036B\u0343\u0321algo\nsecond e\u0301',
  rtl: '\u05E9\u05DC\u05D5\u05DD \u05E2\u05D5\u05DC\u05DD, hello \u0645\u0631\u062D\u0628\u0627\n\u05D8\u05D5\u05D1',
  long: 'lorem ipsum dolor '.repeat(2900),
  longAccents: 'h\u00e9 \u{1F600} cafe\u0301 '.repeat(4200),
  empty: '',
  blank: '\n\r\n  \n',
};
