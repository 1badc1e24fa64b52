"""Reference inertias from k-means-constrained and graph figures from networkx.

Run: python makePartition.py FOLDER_WITH_STORIES260K   (writes partition.json beside itself)
The keys are integers / 64 so that the file can hold them exactly.
"""
import importlib.metadata
import json
import pathlib
import sys

import networkx as nx
import numpy as np
from k_means_constrained import KMeansConstrained
from safetensors.numpy import load_file

rng = np.random.default_rng(11)
out = {"versions": {"python": sys.version.split()[0], "numpy": np.__version__, "networkx": nx.__version__, "k-means-constrained": importlib.metadata.version("k-means-constrained")}}


def reference(keys, experts):
    unit = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    n = len(keys)
    km = KMeansConstrained(n_clusters=experts, size_min=n // experts, size_max=-(-n // experts), random_state=0, n_init=10, max_iter=1000).fit(unit)
    centres = np.stack([unit[km.labels_ == e].mean(0) for e in range(experts)])
    return float(((unit - centres[km.labels_]) ** 2).sum())


cases = []
for name, n, d, experts, planted in (("noise", 240, 16, 8, 0.0), ("planted", 240, 24, 8, 1.5), ("uneven", 250, 16, 8, 0.7), ("many", 192, 12, 48, 0.5)):
    centres = rng.normal(size=(experts, d))
    keys = np.round(64 * (rng.normal(size=(n, d)) + planted * centres[rng.integers(0, experts, n)])).astype(np.int64)
    cases.append({"name": name, "neurons": n, "width": d, "experts": experts, "keys": keys.ravel().tolist(), "inertia": reference(keys / 64.0, experts)})
out["kmeans"] = cases

weights = load_file(str(pathlib.Path(sys.argv[1]) / "model.safetensors"))
out["stories"] = [{"layer": i, "experts": e, "inertia": reference(weights[f"model.layers.{i}.mlp.gate_proj.weight"].astype(np.float64), e)} for i in range(5) for e in (4, 8, 16)]

graphs = []
for n, e in ((12, 3), (30, 5)):
    h = rng.integers(0, 3, size=(20, n)).astype(float)
    a = h.T @ h
    np.fill_diagonal(a, 0)
    labels = rng.integers(0, e, n)
    labels[:e] = np.arange(e)
    g = nx.from_numpy_array(a)
    groups = [set(np.flatnonzero(labels == c).tolist()) for c in range(e)]
    graphs.append({"neurons": n, "experts": e, "tokens": 20, "h": h.ravel().tolist(), "labels": labels.tolist(), "q": nx.community.modularity(g, groups, weight="weight"), "ncut": sum(nx.cut_size(g, c, weight="weight") / (nx.volume(g, c, weight="weight") + 1e-8) for c in groups)})
out["graphs"] = graphs

pathlib.Path(__file__).with_name("partition.json").write_text(json.dumps(out) + "\n")
