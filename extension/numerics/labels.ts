/** Renumbers clusters by their lowest item: the cluster of item 0 is 0, the next new one 1, and so on. */
export function renumberByLowest(labels: ArrayLike<number>): Int32Array {
  const seen = new Map<number, number>();
  const out = new Int32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    let id = seen.get(labels[i]);
    if (id === undefined) {
      id = seen.size;
      seen.set(labels[i], id);
    }
    out[i] = id;
  }
  return out;
}

/** Number of items of each cluster 0 .. clusters - 1. */
export function clusterSizes(labels: ArrayLike<number>, clusters: number): Int32Array {
  const sizes = new Int32Array(clusters);
  for (let i = 0; i < labels.length; i++) sizes[labels[i]]++;
  return sizes;
}
