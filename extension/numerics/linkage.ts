/** One joining of two groups: leaves are 0 .. n-1, the i-th joining is node n + i. */
export interface Joining {
  readonly left: number;
  readonly right: number;
  /** Mean distance between the leaves of the two groups. */
  readonly height: number;
}

export interface Dendrogram {
  readonly joinings: readonly Joining[];
  /** Leaves from left to right, each joining turned so that neighbours are close. */
  readonly order: Int32Array;
}

/**
 * Average-linkage clustering (UPGMA) of a symmetric distance matrix `[n, n]`. Ties join the lowest nodes first. The two
 * ways round of every joining are compared by the distance of the leaves that become neighbours; the nearer one is kept.
 */
export function averageLinkage(distances: Float64Array, n: number): Dendrogram {
  if (distances.length !== n * n) throw new RangeError(`${distances.length} distances of ${n} items`);
  interface Group { readonly node: number; readonly leaves: readonly number[] }
  let groups: Group[] = Array.from({ length: n }, (_, i) => ({ node: i, leaves: [i] }));
  const joinings: Joining[] = [];
  while (groups.length > 1) {
    let first = 0, second = 1, height = Infinity;
    for (let i = 0; i < groups.length; i++) {
      for (let j = i + 1; j < groups.length; j++) {
        const d = meanDistance(distances, n, groups[i].leaves, groups[j].leaves);
        if (d < height) [first, second, height] = [i, j, d];
      }
    }
    const left = groups[first], right = groups[second];
    joinings.push({ left: left.node, right: right.node, height });
    const joined: Group = { node: n + joinings.length - 1, leaves: joinedLeaves(distances, n, left.leaves, right.leaves) };
    groups = [...groups.filter((g) => g !== left && g !== right), joined];
  }
  return { joinings, order: Int32Array.from(groups[0]?.leaves ?? []) };
}

function meanDistance(distances: Float64Array, n: number, left: readonly number[], right: readonly number[]): number {
  let sum = 0;
  for (const i of left) for (const j of right) sum += distances[i * n + j];
  return sum / (left.length * right.length);
}

function joinedLeaves(distances: Float64Array, n: number, left: readonly number[], right: readonly number[]): readonly number[] {
  const turnedLeft = [...left].reverse(), turnedRight = [...right].reverse();
  let best: readonly number[] = [], least = Infinity;
  for (const [l, r] of [[left, right], [left, turnedRight], [turnedLeft, right], [turnedLeft, turnedRight]]) {
    const gap = distances[l[l.length - 1] * n + r[0]];
    if (gap < least) [best, least] = [[...l, ...r], gap];
  }
  // Distances that are not numbers compare as nothing; the leaves must still be there.
  return best.length > 0 ? best : [...left, ...right];
}
