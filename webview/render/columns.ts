/** The axis of experts that the heatmap, the mass bars and the label matrix share. Whole pixels. */
export interface ExpertAxis {
  readonly experts: number;
  /** Pixels of one expert before zooming. */
  readonly cell: number;
  /** Pixels of the whole axis. */
  readonly side: number;
  /** Every how many experts a number is written. */
  readonly every: number;
}

export const AXIS_WIDTH = 24;
/** Room that the module graph keeps beside the axis. */
export const GRAPH_MIN = 236;
/** Below this width of the column the picture stacks. */
export const STACK_BELOW = 560;
const CELL_MAX = 24;
const SIDE_MAX = 384;
const SIDE_MIN = 192;
/** Pixels that a number of up to two, and of three digits takes. */
const NUMBER_WIDTH = 16;
const LONG_NUMBER_WIDTH = 24;

/** The largest whole-pixel cell that fits the column. */
export function expertAxis(experts: number, columnWidth: number, stacked: boolean): ExpertAxis {
  const room = columnWidth - AXIS_WIDTH - (stacked ? 0 : GRAPH_MIN);
  const widest = Math.max(CELL_MAX, Math.floor(SIDE_MAX / experts));
  const smallest = Math.max(1, Math.min(12, Math.floor(SIDE_MIN / experts)));
  const cell = Math.max(smallest, Math.min(widest, Math.floor(Math.min(room, Math.max(SIDE_MAX, experts * 4)) / experts)));
  const held = Math.max(1, Math.min(cell, Math.floor((columnWidth - AXIS_WIDTH) / experts)));
  return { experts, cell: held, side: held * experts, every: numberEvery(held, experts) };
}

/** Every first, second, fourth, ... number, so that numbers do not touch. */
export function numberEvery(cell: number, experts: number): number {
  const width = experts > 100 ? LONG_NUMBER_WIDTH : NUMBER_WIDTH;
  let every = 1;
  while (cell * every < width) every *= 2;
  return every;
}

/** The part of the ordered neurons that the picture shows: fractions of the axis, the whole is [0, 1]. */
export interface Window1 {
  readonly from: number;
  readonly to: number;
}
export interface Window2 {
  readonly x: Window1;
  readonly y: Window1;
}
export const WHOLE: Window2 = { x: { from: 0, to: 1 }, y: { from: 0, to: 1 } };

export function isWhole(window: Window2): boolean {
  return window.x.from === 0 && window.x.to === 1 && window.y.from === 0 && window.y.to === 1;
}

/** Zooms by `factor` around a point (fractions of the box); never beyond the whole nor below `smallest` of it. */
export function zoomed(window: Window2, factor: number, at: { readonly x: number; readonly y: number }, smallest: number): Window2 {
  const one = (part: Window1, centre: number): Window1 => {
    const size = Math.max(smallest, Math.min(1, (part.to - part.from) / factor));
    const fixed = part.from + centre * (part.to - part.from);
    return held(fixed - centre * size, size);
  };
  return { x: one(window.x, at.x), y: one(window.y, at.y) };
}

/** Moves the window by fractions of itself. */
export function panned(window: Window2, dx: number, dy: number): Window2 {
  const one = (part: Window1, by: number): Window1 => held(part.from + by * (part.to - part.from), part.to - part.from);
  return { x: one(window.x, dx), y: one(window.y, dy) };
}

function held(from: number, size: number): Window1 {
  const start = Math.max(0, Math.min(1 - size, from));
  return { from: start, to: size >= 1 ? 1 : start + size };
}

/** Where an expert's block lies on an axis of `side` pixels under a window, from the cumulated sizes `[E + 1]`. */
export function blockSpan(edges: readonly number[], expert: number, part: Window1, side: number): readonly [number, number] {
  const total = edges[edges.length - 1] ?? 1;
  const at = (neuron: number): number => ((neuron / total - part.from) / (part.to - part.from)) * side;
  return [at(edges[expert] ?? 0), at(edges[expert + 1] ?? total)];
}

/** Cumulated sizes: block e covers neurons `[edges[e], edges[e + 1])` of the ordered map. */
export function blockEdges(sizes: ArrayLike<number>): readonly number[] {
  const edges = [0];
  for (let e = 0; e < sizes.length; e++) edges.push((edges[e] ?? 0) + (sizes[e] ?? 0));
  return edges;
}

/** The expert under a position of the axis. */
export function expertAt(edges: readonly number[], position: number, part: Window1, side: number): number {
  const total = edges[edges.length - 1] ?? 1;
  const neuron = (part.from + (position / side) * (part.to - part.from)) * total;
  let expert = 0;
  while (expert < edges.length - 2 && (edges[expert + 1] ?? 0) <= neuron) expert++;
  return expert;
}
