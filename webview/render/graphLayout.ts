import { forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY } from 'd3-force';
import type { SimulationLinkDatum, SimulationNodeDatum } from 'd3-force';

export interface GraphEdge {
  readonly a: number;
  readonly b: number;
  readonly weight: number;
}
export interface PlacedNode {
  readonly x: number;
  readonly y: number;
  readonly r: number;
}

interface Body extends SimulationNodeDatum {
  readonly r: number;
}

/** Enough for the cooling schedule to come to rest; the layout is computed once and never shown moving. */
const STEPS = 320;
const SEED = 5;
/** Room for the ring around a chosen circle. */
const EDGE = 5;
/** A layout is never pulled apart more than this. */
const STRETCH = 1.45;

/** Pairs whose excess is above the null's band, strongest first. `excess` is `[E, E]`. */
export function edgesAbove(excess: ArrayLike<number>, experts: number, band: number): readonly GraphEdge[] {
  const edges: GraphEdge[] = [];
  for (let a = 0; a < experts; a++) {
    for (let b = a + 1; b < experts; b++) {
      const weight = excess[a * experts + b] ?? 0;
      if (weight > band) edges.push({ a, b, weight });
    }
  }
  return edges.sort((p, q) => q.weight - p.weight || p.a - q.a || p.b - q.b);
}

/** Places circles of the given radii in a box: repulsion, springs along edges, a pull to the middle, no overlap. Same input, same output. */
export function layoutGraph(radii: readonly number[], edges: readonly GraphEdge[], width: number, height: number): readonly PlacedNode[] {
  const random = generator(SEED + radii.length);
  const reach = Math.min(width, height);
  const bodies: Body[] = radii.map((r) => {
    const angle = random() * 2 * Math.PI;
    const far = reach * (0.1 + 0.3 * random());
    return { r, x: width / 2 + far * Math.cos(angle), y: height / 2 + far * Math.sin(angle) };
  });
  const strongest = edges[0]?.weight ?? 1;
  const links: (SimulationLinkDatum<Body> & { weight: number })[] = edges.map((edge) => ({ source: edge.a, target: edge.b, weight: edge.weight / strongest }));
  const crowd = Math.sqrt(16 / Math.max(4, radii.length));
  const simulation = forceSimulation(bodies)
    .randomSource(random)
    .force('charge', forceManyBody<Body>().strength(-reach * 0.42 * crowd).distanceMax(reach * 0.6))
    .force('link', forceLink<Body, SimulationLinkDatum<Body> & { weight: number }>(links).distance((l) => ((l.source as Body).r + (l.target as Body).r) + reach * 0.09 * crowd).strength((l) => 0.06 + 0.5 * l.weight))
    .force('collide', forceCollide<Body>((b) => b.r + 6).strength(1).iterations(2))
    .force('x', forceX<Body>(width / 2).strength(0.075 * Math.min(1.6, height / width)))
    .force('y', forceY<Body>(height / 2).strength(0.075 * Math.min(1.6, width / height)))
    .alphaMin(0)
    .alphaDecay(1 - 0.002 ** (1 / STEPS))
    .stop();
  for (let step = 0; step < STEPS; step++) {
    simulation.tick();
    for (const body of bodies) {
      body.x = clamp(body.x ?? 0, body.r + EDGE, width - body.r - EDGE);
      body.y = clamp(body.y ?? 0, body.r + EDGE, height - body.r - EDGE);
    }
  }
  return fitted(bodies, width, height);
}

/** Stretches the layout over the box, each direction by itself and within reason, and centres it. Circles keep their size. */
function fitted(bodies: readonly Body[], width: number, height: number): readonly PlacedNode[] {
  const stretch = (values: readonly number[], radii: readonly number[], size: number): readonly number[] => {
    const low = Math.min(...values.map((v, i) => v - (radii[i] ?? 0)));
    const high = Math.max(...values.map((v, i) => v + (radii[i] ?? 0)));
    const largest = Math.max(...radii);
    const room = size - 2 * EDGE - 2 * largest;
    const factor = Math.max(1, Math.min(STRETCH, room / Math.max(1, high - low - 2 * largest)));
    return values.map((v, i) => clamp(size / 2 + (v - (low + high) / 2) * factor, (radii[i] ?? 0) + EDGE, size - (radii[i] ?? 0) - EDGE));
  };
  const radii = bodies.map((body) => body.r);
  const xs = stretch(bodies.map((body) => body.x ?? 0), radii, width);
  const ys = stretch(bodies.map((body) => body.y ?? 0), radii, height);
  return radii.map((r, i) => ({ x: xs[i] ?? 0, y: ys[i] ?? 0, r }));
}

function clamp(value: number, low: number, high: number): number {
  return high < low ? (low + high) / 2 : Math.max(low, Math.min(high, value));
}

/** A small seeded generator (mulberry32): layouts need repeatability, not quality. */
function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
