import type { Score } from '../../extension/protocol/score';
import { formatNumber, isEvidence } from '../../extension/protocol/score';
import { effectiveExperts, loadMetrics, runs } from '../render/routingMetrics';
import type { Cell, DataTable } from '../render/table';
import { SEMANTICS } from '../render/routingScale';
import { scoreTip } from '../render/scoreText';
import { drawTrack } from '../render/track';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { picture, section } from './section';

interface Line {
  readonly name: string;
  readonly value: Score | number | null;
  /** What even use of all experts gives; null where the null stands instead. */
  readonly even: number | null;
  readonly limit: number;
  readonly means: string;
}

/** Balance and change of the chosen site over the counted tokens. */
function linesOf(context: PageContext): readonly Line[] {
  const { model } = context;
  const site = model.site;
  const own = model.head?.sites[site];
  const stats = model.shownStats(site);
  if (!own || !stats) return [];
  const load = loadMetrics(stats.uses, stats.n, Math.min(own.k, own.E), stats.mean);
  const lengths = runs(stats.tops).map(([, length]) => length);
  // Shares of weight mean something only where weights of a token are shares.
  const sums = SEMANTICS[own.semantics].sums;
  const effective = sums ? effectiveExperts(stats.mean) : null;
  const divergence = model.divergence?.[site] ?? null;
  const switches = model.switches(site);
  return [
    ...(divergence ? [{ name: 'kinds apart', value: divergence, even: null, limit: Math.max(0.1, (divergence.value ?? 0) * 1.3, (divergence.interval?.[1] ?? 0) * 1.1), means: 'Jensen\u2013Shannon divergence between kinds of text, nats' }] : []),
    ...(switches ? [{ name: 'switches', value: switches, even: null, limit: 1, means: 'share of neighbouring tokens with different first experts' }] : []),
    { name: 'experts in use', value: effective, even: own.E, limit: own.E, means: 'exp of the entropy of the mean weights' },
    { name: 'load, CV', value: load?.variation ?? null, even: 0, limit: Math.max(1, load?.variation ?? 0), means: 'standard deviation over mean of the loads' },
    { name: 'load, Gini', value: load?.gini ?? null, even: 0, limit: 1, means: 'Gini coefficient of the loads' },
    { name: 'largest load', value: load?.peak ?? null, even: 1, limit: Math.max(own.E / own.k, load?.peak ?? 0), means: 'largest load over mean load' },
    { name: 'balance loss', value: sums ? load?.auxiliary ?? null : null, even: own.k, limit: Math.max(2 * own.k, load?.auxiliary ?? 0), means: 'E times the sum of share of tokens by mean weight' },
    { name: 'longest run', value: lengths.length > 0 ? Math.max(...lengths) : null, even: null, limit: Math.max(4, ...lengths), means: 'most tokens in a row with one first expert' },
  ];
}

/** The figures of the chosen site, each with its even value or its null. */
export function metricsView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('figures', 'Figures');
  const box = picture('figures-box', 'figures', 'Figures of the chosen site. Up and down go through them, T opens the table.');
  parts.body.append(box);
  host.append(parts.node);
  let at = -1;
  let drawnSite = -1;
  let drawnReady = false;
  let lines: readonly Line[] = [];

  const words = (line: Line): string => {
    const n = `n = ${formatNumber(model.counted.tokens.length)} tokens`;
    if (line.value !== null && typeof line.value === 'object') return scoreTip(`${line.name}: ${line.means}`, line.value);
    return `${line.name}: ${line.means}\n${formatNumber(line.value)}${line.even === null ? '' : `, even ${formatNumber(line.even)}`}\n${n}`;
  };
  const render = (): void => {
    const site = model.rows[model.site];
    if (!site) return;
    drawnSite = model.site;
    drawnReady = model.stats(model.site) !== null;
    parts.title.textContent = `Figures at ${site.words}`;
    parts.caption.textContent = 'tick: even use; band: null; n: tokens, of switches pairs of neighbours';
    lines = linesOf(context);
    const shown: Child[] = (lines.length > 0 ? lines : Array.from({ length: 7 }, () => null)).map((line): Child => {
      if (!line) return el('div.figure', {}, el('span', {}, '\u2013'));
      const score = line.value !== null && typeof line.value === 'object' ? line.value : null;
      const plain = typeof line.value === 'number' ? line.value : null;
      const drawing = score ? drawTrack({ domain: [0, line.limit] }, score, 96, 16) : {
        width: 96, height: 16, marks: plain === null ? [] : [
          { kind: 'rect', x: 0, y: 6, width: Math.max(1, (96 * plain) / line.limit), height: 4, fill: 'var(--ml-excess)' } as const,
          { kind: 'rect', x: Math.max(0, Math.min(93, (96 * plain) / line.limit - 1.5)), y: 2, width: 3, height: 12, fill: 'var(--ml-value)' } as const,
          ...(line.even === null ? [] : [{ kind: 'line', x1: Math.min(95, (96 * line.even) / line.limit + 0.5), x2: Math.min(95, (96 * line.even) / line.limit + 0.5), y1: 0, y2: 16, stroke: 'var(--ml-ink-dim)', strokeWidth: 1.5 } as const]),
        ],
      };
      const inside = score !== null && !isEvidence(score);
      return el('div.figure', { class: `figure${inside ? ' inside-text' : ''}`, tip: words(line) }, el('span', {}, line.name), drawSvg(drawing), el('span.mono.r', {}, formatNumber(score ? score.value : plain)),
        el('span.note', {}, score ? `null ${formatNumber(score.null)}, n = ${formatNumber(score.n)}` : `${line.even === null ? '' : `even ${formatNumber(line.even)}, `}n = ${formatNumber(model.counted.tokens.length)}`));
    });
    replace(box, shown);
  };
  box.addEventListener('keydown', (event) => {
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (by === 0 || lines.length === 0) return;
    at = Math.max(0, Math.min(lines.length - 1, at + by));
    const line = lines[at];
    if (line) context.announce(words(line).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    const ready = changes.has('data') ? model.stats(model.site) !== null : drawnReady;
    if (changes.has('trace') || changes.has('view') || changes.has('theme') || ready !== drawnReady) model.later('figures', render);
    else if (model.site !== drawnSite) model.rested('figures', render);
  });
}

/** The same figures as a table. */
export function figuresTable(context: PageContext): DataTable {
  const { model } = context;
  return {
    id: 'figures', title: `Figures at ${model.rows[model.site]?.words ?? ''}`, note: `n = ${formatNumber(model.counted.tokens.length)} tokens. Even: what equal use of all experts gives.`,
    columns: ['Figure', 'Means', 'Value', 'Even'], rows: linesOf(context).map((line): Cell[] => [line.name, line.means, line.value, line.even]),
  };
}
