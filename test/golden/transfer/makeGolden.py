"""Expected values for transfers, by numpy, scipy and scikit-learn.

    python test/golden/transfer/makeGolden.py test/fixtures/transfer/golden.json

`seedExact` follows the released code of "Is Modularity Transferable?" (src/mkd/prune_and_align.py) from its description: signed Pearson
correlation of every student dimension with every teacher dimension, the assignment of the largest sum, and that one order for the columns of A
and the rows of B.
"""
import json
import platform
import sys

import numpy as np
import scipy
import sklearn
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment
from sklearn.feature_selection import r_regression
from sklearn.linear_model import Ridge

rng = np.random.default_rng(7)


def as_list(x):
    return np.asarray(x, dtype=np.float64).ravel().tolist()


def assignment(scores):
    rows, columns = linear_sum_assignment(-np.asarray(scores))
    return {"rows": len(scores), "columns": len(scores[0]), "scores": as_list(scores), "score": float(np.asarray(scores)[rows, columns].sum()), "given": {int(r): int(c) for r, c in zip(rows, columns)}}


def seed_exact(n, ds, dt, r):
    # Float32 as activations come, so that both sides read the same numbers.
    teacher = rng.normal(size=(n, dt)).astype(np.float32)
    mixing = np.eye(dt)[rng.permutation(dt)][:, :ds]
    student = (teacher @ mixing * rng.choice([-1, 1], size=ds) + 0.4 * rng.normal(size=(n, ds))).astype(np.float32)
    # A constant teacher dimension gives infinities, which the assignment refuses; a constant student dimension gives 0.
    student[:, 2] = 3
    c = np.stack([r_regression(teacher.astype(np.float64), student[:, i].astype(np.float64)) if student[:, i].std() > 0 else np.zeros(dt) for i in range(ds)])
    assert np.isfinite(c).all(), c
    _, idx = linear_sum_assignment(-c)
    a, b = rng.normal(size=(r, dt)).astype(np.float32), rng.normal(size=(dt, r)).astype(np.float32)
    return {"n": n, "ds": ds, "dt": dt, "r": r, "teacher": as_list(teacher), "student": as_list(student), "c": as_list(c), "idx": idx.tolist(), "score": float(c[np.arange(ds), idx].sum()),
            "a": as_list(a), "b": as_list(b), "prunedA": as_list(a[:, idx]), "prunedB": as_list(b[idx, :])}


def procrustes(p, o):
    x, y = rng.normal(size=(200, p)), rng.normal(size=(200, o))
    c = x.T @ y
    u, s, vt = np.linalg.svd(c, full_matrices=False)
    out = {"p": p, "o": o, "c": as_list(c), "factor": as_list(u @ vt), "singularSum": float(s.sum())}
    if p == o:
        r, scale = orthogonal_procrustes(x, y)
        assert np.allclose(r, u @ vt) and np.isclose(scale, s.sum())
    return out


def ridge(p, o, rho):
    x, y = rng.normal(size=(60, p)), rng.normal(size=(60, o))
    gram = x.T @ x
    fitted = Ridge(alpha=rho * np.trace(gram) / p, fit_intercept=False, solver="cholesky").fit(x, y)
    return {"p": p, "o": o, "rho": rho, "gram": as_list(gram), "cross": as_list(x.T @ y), "map": as_list(fitted.coef_.T)}


def cka(x, y):
    k, l = x @ x.T, y @ y.T
    n = len(x)
    h = np.eye(n) - 1 / n
    kc, lc = h @ k @ h, h @ l @ h
    biased = (kc * lc).sum() / np.sqrt((kc * kc).sum() * (lc * lc).sum())

    def hsic(a, b):
        a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
        one = np.ones(n)
        return (np.trace(a @ b) + one @ a @ one * (one @ b @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ a @ b @ one) / (n * (n - 3))

    return {"n": n, "dx": x.shape[1], "dy": y.shape[1], "x": as_list(x), "y": as_list(y), "biased": float(biased), "unbiased": float(hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l)))}


def low_rank(out, r, inn, keep):
    a, b = rng.normal(size=(r, inn)), rng.normal(size=(out, r))
    u, s, vt = np.linalg.svd(b @ a, full_matrices=False)
    return {"out": out, "r": r, "in": inn, "keep": keep, "a": as_list(a), "b": as_list(b), "singularValues": s[:min(r, out, inn)].tolist(), "cut": as_list(u[:, :keep] * s[:keep] @ vt[:keep]), "energy": float((s[:keep] ** 2).sum() / (s ** 2).sum())}


golden = {
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
    "assignments": [assignment(rng.normal(size=shape).tolist()) for shape in [(6, 6), (5, 9), (9, 5), (30, 30), (20, 40)]] + [assignment([[3, 4, 4, 4], [1, 3, 4, 4], [3, 2, 3, 4], [4, 4, 4, 4]])],
    "seedExact": [seed_exact(80, 6, 10, 2), seed_exact(120, 10, 10, 3)],
    "procrustes": [procrustes(5, 5), procrustes(4, 7), procrustes(7, 4)],
    "ridge": [ridge(6, 4, rho) for rho in (1e-4, 1e-2, 1e-1)],
    "cka": [cka(rng.normal(size=(12, 5)), rng.normal(size=(12, 7)))],
    "lowRank": [low_rank(7, 3, 5, 2), low_rank(3, 5, 8, 3)],
}
with open(sys.argv[1], "w") as file:
    json.dump(golden, file)
