"""Reference values for extension/numerics, from scipy, scikit-learn and an independent Philox.

Run: python makeNumerics.py   (writes numerics.json beside itself)
"""
import json
import pathlib
import sys

import numpy as np
import scipy
import sklearn
from scipy import optimize, special, stats
from sklearn import metrics

rng = np.random.default_rng(7)
out = {"versions": {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__}}


def philox(counter, key):
    """Philox4x32-10 from the paper's definition, in arbitrary-precision integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


blocks = [([0, 0, 0, 0], [0, 0]), ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2), ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0])]
blocks += [([int(v) for v in rng.integers(0, 2**32, 4)], [int(v) for v in rng.integers(0, 2**32, 2)]) for _ in range(20)]
out["philox"] = [{"counter": c, "key": k, "out": philox(c, k)} for c, k in blocks]

xs = [-8.0, -3.1, -1.0, -0.2, 0.0, 0.3, 1.0, 1.96, 1.999, 2.001, 4.5, 9.0]
out["normalCdf"] = [[x, float(stats.norm.cdf(x))] for x in xs]
out["normalQuantile"] = [[p, float(stats.norm.ppf(p))] for p in (1e-12, 0.001, 0.025, 0.2, 0.5, 0.7, 0.975, 0.999999)]
out["erfc"] = [[x, float(special.erfc(x))] for x in (-2.0, -0.5, 0.0, 0.1, 1.0, 1.9999, 2.0, 3.0, 8.0, 20.0)]
out["logGamma"] = [[x, float(special.gammaln(x))] for x in (0.1, 0.5, 1.0, 1.5, 3.7, 25.0, 171.3, 1e4, 1e6)]
out["incompleteBeta"] = [[x, a, b, float(special.betainc(a, b, x))] for x, a, b in ((0.1, 2, 3), (0.5, 0.5, 0.5), (0.9, 20, 1.5), (0.01, 0.5, 40), (0.0625, 100, 1700), (0.3, 1e4, 2e4))]
out["studentCdf"] = [[t, df, float(stats.t.cdf(t, df))] for t in (-40.0, -12.0, -2.2, -0.5, 0.0, 0.9, 3.3) for df in (1, 4, 18, 200)]
out["studentTail"] = [[t, df, float(stats.t.sf(t, df))] for t in (1.0, 5.0, 40.0) for df in (4, 9)]
out["studentQuantile"] = [[p, df, float(stats.t.ppf(p, df))] for p in (1e-6, 0.025, 0.4, 0.975) for df in (1, 4, 30)]
out["hypergeometricTail"] = [[t, M, n, N, float(stats.hypergeom.sf(t, M, n, N))] for t, M, n, N in (
    (7, 3072, 192, 30), (0, 3072, 192, 30), (-1, 100, 10, 5), (4, 3072, 48, 30), (20, 3072, 48, 30), (48, 49152, 3072, 491), (28, 49152, 3072, 491), (3, 10, 8, 6), (4, 10, 8, 6), (90, 1000, 500, 200))]
out["binomialTail"] = [[t, n, p, float(stats.binom.sf(t, n, p))] for t, n, p in ((28, 240, 1 / 16), (145, 1800, 1 / 16), (0, 10, 0.1), (-1, 10, 0.1), (10, 10, 0.4), (900, 100000, 0.01))]


def hyper_t(M, n, N):
    t = 0
    while stats.hypergeom.sf(t, M, n, N) > 1e-3:
        t += 1
    return t


def binom_t(N):
    t = 0
    while stats.binom.sf(t, N, 1 / 16) > 1e-3:
        t += 1
    return t


out["hypergeometricThreshold"] = [[M, n, N, hyper_t(M, n, N)] for M, n, N in ((3072, 192, 30), (3072, 48, 30), (11008, 172, 110), (14336, 224, 143), (49152, 3072, 491))]
out["binomialThreshold"] = [[N, binom_t(N)] for N in (240, 600, 900, 1800)]

p = np.concatenate([rng.uniform(size=12), rng.uniform(size=5) * 1e-3, [0.5, 0.5, 1.0]])
out["benjaminiHochberg"] = {"p": p.tolist(), "q": stats.false_discovery_control(p).tolist()}

agreement = []
for n, ka, kb in ((4, 2, 3), (40, 3, 5), (300, 16, 16), (50, 50, 1), (30, 30, 30), (512, 64, 8)):
    a = np.array([0, 0, 1, 1]) if n == 4 else (np.arange(n) if ka == n else rng.integers(0, ka, n))
    b = np.array([0, 0, 1, 2]) if n == 4 else (a.copy() if kb == n else rng.integers(0, kb, n))
    if n == 300:
        b = np.where(rng.uniform(size=n) < 0.6, a, b)
    agreement.append({"a": a.tolist(), "b": b.tolist(), "ari": float(metrics.adjusted_rand_score(a, b)), "nmi": float(metrics.normalized_mutual_info_score(a, b)), "ami": float(metrics.adjusted_mutual_info_score(a, b))})
out["agreement"] = agreement

ap = []
for n in (4, 30, 200):
    for ties in (False, True):
        y = rng.integers(0, 2, n)
        y[0], y[1] = 1, 0
        s = rng.integers(0, 5, n) / 4 if ties else rng.normal(size=n)
        ap.append({"y": y.tolist(), "s": s.tolist(), "ap": float(metrics.average_precision_score(y, s))})
ap.append({"y": [1, 0, 1, 0], "s": [0.9, 0.8, 0.7, 0.1], "ap": float(metrics.average_precision_score([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]))})
ap.append({"y": [1, 0, 1, 0], "s": [1, 1, 1, 1], "ap": float(metrics.average_precision_score([1, 0, 1, 0], [1, 1, 1, 1]))})
out["averagePrecision"] = ap

assignment = []
for n, e, sizes in ((6, 2, [3, 3]), (20, 4, [5, 5, 5, 5]), (60, 5, [12] * 5), (61, 5, None), (47, 8, None), (30, 3, [20, 7, 3]), (40, 6, None)):
    cost = np.round(rng.normal(size=(n, e)) + np.arange(e) * 0.7, 3)
    if n == 40:
        cost = np.round(cost)  # many ties
    if sizes is None:
        low, high = [n // e] * e, [n // e + 1] * e
    else:
        low = high = sizes
    # Linear program of the transport problem: its vertices are integral, so its optimum is the optimum.
    A_eq = np.kron(np.eye(n), np.ones((1, e)))
    per = np.tile(np.eye(e), (1, n))
    lp = optimize.linprog(cost.ravel(), A_ub=np.vstack([per, -per]), b_ub=np.concatenate([high, -np.array(low)]), A_eq=A_eq, b_eq=np.ones(n), method="highs")
    best = float(lp.fun)
    if sizes is not None:
        columns = np.repeat(np.arange(e), sizes)
        r, c = optimize.linear_sum_assignment(cost[:, columns])
        assert abs(cost[r, columns[c]].sum() - best) < 1e-9
    assignment.append({"n": n, "clusters": e, "lower": low, "upper": high, "cost": cost.ravel().tolist(), "best": best})
out["assignment"] = assignment

draws = rng.normal(size=7)
out["prediction"] = {"draws": draws.tolist(), "value": 2.5, "p": float(stats.t.sf((2.5 - draws.mean()) / (draws.std(ddof=1) * np.sqrt(1 + 1 / 7)), 6)), "z": float((2.5 - draws.mean()) / draws.std(ddof=1)), "reach": float(stats.t.ppf(0.975, 6) * draws.std(ddof=1) * np.sqrt(1 + 1 / 7)), "mean": float(draws.mean()), "sd": float(draws.std(ddof=1))}

v = rng.normal(size=33)
out["quantile"] = {"values": v.tolist(), "q": [[q, float(np.quantile(v, q, method="weibull"))] for q in (0.01, 0.025, 0.3, 0.5, 0.975)]}

pathlib.Path(__file__).with_name("numerics.json").write_text(json.dumps(out) + "\n")
