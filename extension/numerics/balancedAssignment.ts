import { finish } from './steps';
import type { Steps } from './steps';

export interface AssignmentProblem {
  /** Cost of putting item x into cluster e `[items, clusters]`, row-major, finite. */
  readonly cost: Float64Array;
  readonly items: number;
  readonly clusters: number;
  /** Fewest items of each cluster `[clusters]`. */
  readonly lower: ArrayLike<number>;
  /** Most items of each cluster `[clusters]`; sum(lower) <= items <= sum(upper). */
  readonly upper: ArrayLike<number>;
  /** Prices of an earlier, similar problem `[clusters]`: they change the time, and the labels only among optima of equal cost. */
  readonly prices?: ArrayLike<number>;
}

export interface Assignment {
  /** Cluster of each item `[items]`. */
  readonly labels: Int32Array;
  /** Sum of the chosen costs, float64 in item order. */
  readonly total: number;
  /** Optimal prices `[clusters]`: every item sits where cost - price is least. */
  readonly prices: Float64Array;
}

/**
 * Assigns items to clusters of bounded size at least total cost, exactly.
 *
 * Every item starts where cost minus price is least, which is optimal for the sizes that result; then surplus items travel
 * one by one along shortest paths through a graph whose nodes are the clusters (successive shortest paths with potentials;
 * Ahuja, Magnanti and Orlin, "Network Flows", 1993, section 9.7). An arc a -> b is the cheapest move of a member of a to b. Of
 * each ordered pair of clusters only that cheapest member is kept and looked for again when it leaves: members are few and
 * lie together, so this beats a heap per pair. Where lower < upper an extra node hands out the places above the lower bounds.
 * Ties go to the lowest index, so the result is a function of its input alone.
 */
export function balancedAssignment(problem: AssignmentProblem): Assignment {
  return finish(balancedAssignmentSteps(problem));
}

/** Paths between pauses: a few milliseconds even where one cluster starts with ten thousand items. */
const PATHS_PER_STEP = 32;

/** `balancedAssignment` in steps. */
export function* balancedAssignmentSteps(problem: AssignmentProblem): Steps<Assignment> {
  const { items, clusters } = problem;
  checkSizes(problem);
  const state = new Flow(problem);
  let paths = 0;
  for (let source = 0; source < clusters; source++) {
    while (state.surplus(source) > 0) {
      state.augment(source);
      if (++paths % PATHS_PER_STEP === 0) yield;
    }
  }
  let total = 0;
  for (let x = 0; x < items; x++) total += problem.cost[x * clusters + state.labels[x]];
  return { labels: state.labels, total, prices: state.prices.slice(0, clusters) };
}

function checkSizes({ items, clusters, lower, upper, cost }: AssignmentProblem): void {
  let low = 0;
  let high = 0;
  for (let e = 0; e < clusters; e++) {
    if (!(lower[e] >= 0 && upper[e] >= lower[e])) throw new RangeError(`cluster ${e} has sizes from ${lower[e]} to ${upper[e]}`);
    low += lower[e];
    high += upper[e];
  }
  if (items < low || items > high) throw new RangeError(`${items} items do not fit ${clusters} clusters of ${low} to ${high} places`);
  if (cost.length !== items * clusters) throw new RangeError(`${cost.length} costs for ${items} x ${clusters}`);
}

class Flow {
  readonly labels: Int32Array;
  /** One price per cluster and, last, the price of a place above the lower bounds. */
  readonly prices: Float64Array;
  private readonly cost: Float64Array;
  private readonly k: number;
  private readonly upper: ArrayLike<number>;
  private readonly lower: ArrayLike<number>;
  /** Places above the lower bound that each cluster holds now. */
  private readonly extra: Int32Array;
  private readonly pooled: boolean;
  private readonly size: Int32Array;
  /** Members of each cluster and where an item stands among them. */
  private readonly members: number[][];
  private readonly place: Int32Array;
  /** Cheapest move of a member of a to b, `[k, k]`: cost difference and item (-1: none). */
  private readonly best: Float64Array;
  private readonly bestItem: Int32Array;
  private readonly distance: Float64Array;
  private readonly before: Int32Array;
  private readonly done: Uint8Array;

  constructor(problem: AssignmentProblem) {
    const { items, clusters: k, cost, lower, upper, prices } = problem;
    this.cost = cost;
    this.k = k;
    this.lower = lower;
    this.upper = upper;
    this.labels = new Int32Array(items);
    this.place = new Int32Array(items);
    this.prices = new Float64Array(k + 1);
    if (prices) for (let e = 0; e < k; e++) this.prices[e] = Number.isFinite(prices[e]) ? prices[e] : 0;
    this.size = new Int32Array(k);
    this.extra = new Int32Array(k);
    this.members = Array.from({ length: k }, () => []);
    this.best = new Float64Array(k * k).fill(Infinity);
    this.bestItem = new Int32Array(k * k).fill(-1);
    this.distance = new Float64Array(k + 1);
    this.before = new Int32Array(k + 1);
    this.done = new Uint8Array(k + 1);
    for (let x = 0; x < items; x++) this.add(x, this.cheapest(x));
    this.pooled = this.dealExtras(items);
  }

  surplus(e: number): number {
    return this.size[e] - this.lower[e] - this.extra[e];
  }

  /** Moves one item's worth from `source` to the nearest cluster with a free place. */
  augment(source: number): void {
    const sink = this.shortestPath(source);
    const reach = this.distance[sink];
    for (let e = 0; e <= this.k; e++) this.prices[e] += this.done[e] === 1 ? this.distance[e] : reach;
    const path: number[] = [];
    for (let e = sink; e !== -1; e = this.before[e]) path.push(e);
    path.reverse();
    const movers: number[] = [];
    for (let i = 0; i + 1 < path.length; i++) movers.push(path[i] < this.k && path[i + 1] < this.k ? this.bestItem[path[i] * this.k + path[i + 1]] : -1);
    for (let i = 0; i + 1 < path.length; i++) {
      if (path[i + 1] === this.k) this.extra[path[i]]++;
      else if (path[i] === this.k) this.extra[path[i + 1]]--;
      else this.move(movers[i], path[i + 1]);
    }
  }

  private cheapest(x: number): number {
    const { cost, k, prices } = this;
    let best = Infinity;
    let at = 0;
    for (let e = 0, c = x * k; e < k; e++, c++) {
      const reduced = cost[c] - prices[e];
      if (reduced < best) {
        best = reduced;
        at = e;
      }
    }
    return at;
  }

  /** Gives the places above the lower bounds to the clusters of lowest price, which keeps the start optimal; true if there are any. */
  private dealExtras(items: number): boolean {
    let left = items;
    for (let e = 0; e < this.k; e++) left -= this.lower[e];
    let slack = 0;
    for (let e = 0; e < this.k; e++) slack += this.upper[e] - this.lower[e];
    this.prices[this.k] = 0;
    if (slack === 0) return false;
    const order = Array.from({ length: this.k }, (_, e) => e).sort((a, b) => this.prices[a] - this.prices[b] || a - b);
    let price = this.prices[order[0]];
    for (const e of order) {
      const take = Math.min(left, this.upper[e] - this.lower[e]);
      if (take > 0) price = this.prices[e];
      this.extra[e] = take;
      left -= take;
    }
    this.prices[this.k] = price;
    return true;
  }

  private add(x: number, e: number): void {
    const { cost, k, best, bestItem } = this;
    this.labels[x] = e;
    this.place[x] = this.members[e].length;
    this.members[e].push(x);
    this.size[e]++;
    const own = cost[x * k + e];
    for (let b = 0, at = e * k; b < k; b++, at++) {
      if (b === e) continue;
      const key = cost[x * k + b] - own;
      if (key < best[at] || (key === best[at] && x < bestItem[at])) {
        best[at] = key;
        bestItem[at] = x;
      }
    }
  }

  private move(x: number, to: number): void {
    const { k, bestItem } = this;
    const from = this.labels[x];
    const list = this.members[from];
    const last = list.pop()!;
    if (last !== x) {
      list[this.place[x]] = last;
      this.place[last] = this.place[x];
    }
    this.size[from]--;
    for (let b = 0, at = from * k; b < k; b++, at++) if (bestItem[at] === x) this.findBest(from, b);
    this.add(x, to);
  }

  private findBest(a: number, b: number): void {
    const { cost, k } = this;
    let key = Infinity;
    let item = -1;
    const list = this.members[a];
    for (let i = 0; i < list.length; i++) {
      const x = list[i];
      const candidate = cost[x * k + b] - cost[x * k + a];
      if (candidate < key || (candidate === key && x < item)) {
        key = candidate;
        item = x;
      }
    }
    this.best[a * k + b] = key;
    this.bestItem[a * k + b] = item;
  }

  /** Dijkstra on reduced costs from `source` to the first cluster with a free place, which it returns. */
  private shortestPath(source: number): number {
    const { k, distance, before, done, prices, best } = this;
    const nodes = this.pooled ? k + 1 : k;
    distance.fill(Infinity);
    before.fill(-1);
    done.fill(0);
    distance[source] = 0;
    for (;;) {
      let node = -1;
      let nearest = Infinity;
      for (let e = 0; e < nodes; e++) {
        if (done[e] === 0 && distance[e] < nearest) {
          nearest = distance[e];
          node = e;
        }
      }
      if (node === -1) throw new Error('balanced assignment found no path to a free place');
      done[node] = 1;
      if (node < k && this.surplus(node) < 0) return node;
      const base = nearest + prices[node];
      if (node === k) {
        for (let b = 0; b < k; b++) if (this.extra[b] > 0) this.relax(node, b, Math.max(nearest, base - prices[b]));
        continue;
      }
      for (let b = 0, at = node * k; b < k; b++, at++) {
        if (done[b] === 1) continue;
        const candidate = base + best[at] - prices[b];
        const through = candidate < nearest ? nearest : candidate;
        if (through < distance[b]) {
          distance[b] = through;
          before[b] = node;
        }
      }
      if (this.pooled && this.extra[node] < this.upper[node] - this.lower[node]) this.relax(node, k, Math.max(nearest, base - prices[k]));
    }
  }

  private relax(from: number, to: number, through: number): void {
    if (this.done[to] === 0 && through < this.distance[to]) {
      this.distance[to] = through;
      this.before[to] = from;
    }
  }
}
