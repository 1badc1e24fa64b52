"""k-means-constrained on the keys that clustering.mjs wrote; prints one JSON line per file.

python clusteringPeer.py INITS FILE:NEURONS:WIDTH:EXPERTS ...
"""
import importlib.metadata
import json
import sys
import time

import numpy as np
from k_means_constrained import KMeansConstrained

for spec in sys.argv[2:]:
    path, n, d, experts = spec.rsplit(":", 3)
    n, d, experts = int(n), int(d), int(experts)
    keys = np.fromfile(path, dtype=np.float32).reshape(n, d).astype(np.float64)
    started = time.perf_counter()
    unit = keys / np.maximum(np.linalg.norm(keys, axis=1, keepdims=True), 1e-12)
    km = KMeansConstrained(n_clusters=experts, size_min=n // experts, size_max=-(-n // experts), random_state=0, n_init=int(sys.argv[1]), max_iter=1000).fit(unit)
    seconds = time.perf_counter() - started
    centres = np.stack([unit[km.labels_ == e].mean(0) for e in range(experts)])
    print(json.dumps({"seconds": seconds, "inertia": float(((unit - centres[km.labels_]) ** 2).sum()), "version": importlib.metadata.version("k-means-constrained")}), flush=True)
