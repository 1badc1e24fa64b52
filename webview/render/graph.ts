import type { LayerPicture } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { GraphEdge } from './graphLayout';
import { edgesAbove, layoutGraph } from './graphLayout';
import type { LabelStyle } from './labels';
import { dominantLabel } from './labels';

/** More lines than this for each expert are a smear; the caption says how many pairs there are. */
const EDGES_PER_EXPERT = 2.5;
const EDGES_ALWAYS = 60;
/** Below this radius a circle cannot hold its name. */
const NAMED_FROM = 9;

export interface GraphNode {
  readonly expert: number;
  readonly x: number;
  readonly y: number;
  readonly r: number;
  /** What is written in the circle; empty where it is too small. */
  readonly name: string;
  readonly fontSize: number;
  readonly kind: 'labelled' | 'none' | 'plain';
  readonly colour: string;
  readonly spoken: string;
  readonly tip: string;
}
export interface GraphPicture {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly (GraphEdge & { readonly width: number; readonly tip: string })[];
  /** Pairs above the null, drawn or not. */
  readonly above: number;
  readonly pairs: number;
}

/** Area = activation mass; without a probe all circles are equal. */
export function nodeRadii(picture: LayerPicture, width: number, height: number): readonly number[] {
  const experts = picture.experts;
  const reach = Math.min(1, Math.min(width, height) / 280);
  const smallest = experts <= 16 ? 13 : experts <= 32 ? 10 : experts <= 64 ? 6 : 4;
  if (picture.mass.length === 0) return Array.from({ length: experts }, () => Math.max(smallest, Math.min(14, 60 / Math.sqrt(experts))) + (experts <= 16 ? 0 : 0));
  const scale = 68 * reach * Math.min(1, Math.sqrt(3.2 / Math.max(1, experts * Math.max(...picture.mass))) * 1.1);
  return Array.from(picture.mass, (mass) => Math.max(smallest, Math.min(Math.min(width, height) / 5, Math.sqrt(mass) * scale)));
}

/** The module graph of a layer: places and words, no colours of the theme resolved. */
export function graphOf(picture: LayerPicture, labels: readonly LabelStyle[], width: number, height: number, samples: string): GraphPicture {
  const { experts } = picture;
  const edges = edgesAbove(picture.excess, experts, picture.excessBand);
  const drawn = edges.slice(0, Math.max(EDGES_ALWAYS, Math.round(EDGES_PER_EXPERT * experts)));
  const placed = layoutGraph(nodeRadii(picture, width, height), drawn, width, height);
  const strongest = edges[0]?.weight ?? 1;
  const measure = picture.kind === 'coactivation' ? 'co-activation' : 'key similarity';
  const share = formatNumber(1 / experts);
  const nodes = placed.map((node, expert): GraphNode => {
    const label = dominantLabel(labels, picture.dominant, expert);
    const mass = picture.mass[expert];
    const fontSize = node.r >= 12 ? 11 : 9;
    const plain = picture.mass.length === 0;
    const said = plain ? '' : label ? `, mostly ${label.name}` : ': no label above the null';
    const massText = mass === undefined ? '' : `activation mass ${formatNumber(mass)}, ${massNull(picture, share)}`;
    return {
      expert, x: round(node.x), y: round(node.y), r: round(node.r), fontSize,
      name: node.r < NAMED_FROM ? '' : node.r < 12 && label ? label.letter : (label?.letter ?? '') + String(expert),
      kind: plain ? 'plain' : label ? 'labelled' : 'none',
      colour: label?.colour ?? 'var(--ml-inside)',
      spoken: `${(label?.letter ?? '') + String(expert)}: expert ${expert}${plain ? '' : label ? `, ${label.name}` : ', no label above the null'}${massText ? `, ${massText}` : ''}`,
      tip: [`Expert ${expert}${said}`, massText, samples].filter(Boolean).join('\n'),
    };
  });
  return {
    width, height, nodes,
    edges: drawn.map((edge) => ({
      ...edge,
      width: round((0.8 + 3.6 * (edge.weight / strongest)) * Math.min(1, Math.sqrt(16 / experts))),
      tip: `Experts ${edge.a} and ${edge.b}\n${measure} minus null +${formatNumber(edge.weight)}\n${bandNote(picture)}\n${samples}`,
    })).reverse(),
    above: edges.length,
    pairs: (experts * (experts - 1)) / 2,
  };
}

function massNull(picture: LayerPicture, share: string): string {
  const band = picture.massBand;
  return `equal share ${share}${band ? `, null [${formatNumber(band[0])}, ${formatNumber(band[1])}]` : ''}`;
}

/** "null ±0.006, 20 draws". */
export function bandNote(picture: LayerPicture): string {
  return `null \u00b1${formatNumber(picture.excessBand)}, ${formatNumber(picture.nullDraws)} draws`;
}

/** The graph as a drawing, for files. */
export function drawGraph(graph: GraphPicture, selected: number | null): Drawing {
  const marks: Mark[] = [];
  for (const edge of graph.edges) {
    const a = graph.nodes[edge.a];
    const b = graph.nodes[edge.b];
    if (!a || !b) continue;
    const lit = selected !== null && (edge.a === selected || edge.b === selected);
    marks.push({ kind: 'line', x1: a.x, y1: a.y, x2: b.x, y2: b.y, stroke: lit ? 'var(--ml-ink-strong)' : 'var(--ml-excess)', strokeWidth: edge.width, round: true });
  }
  for (const node of graph.nodes) {
    if (node.expert === selected) marks.push({ kind: 'circle', x: node.x, y: node.y, r: node.r + 3.5, fill: 'none', stroke: 'var(--ml-focus)', strokeWidth: 2 });
    const body = { kind: 'circle', x: node.x, y: node.y, r: node.r } as const;
    if (node.kind === 'labelled') marks.push({ ...body, fill: `color-mix(in srgb, ${node.colour} 30%, var(--ml-page))`, stroke: node.colour, strokeWidth: 1.5 });
    else if (node.kind === 'none') marks.push({ ...body, fill: 'var(--ml-page)', stroke: 'var(--ml-inside)', strokeWidth: 1, dash: '3 2' });
    else marks.push({ ...body, fill: 'var(--ml-page)', stroke: 'var(--ml-ink-dim)', strokeWidth: 1 });
    if (node.name) marks.push({ kind: 'text', x: node.x, y: node.y + node.fontSize * 0.36, text: node.name, size: node.fontSize, anchor: 'middle', mono: true, bold: node.kind !== 'none', fill: node.kind === 'none' ? 'var(--ml-inside)' : 'var(--ml-ink-strong)' });
  }
  return { width: graph.width, height: graph.height, marks };
}
