"""scipy's assignment and orthogonal Procrustes on the matrices of the benchmark: `transferPeer.py FILE N`. Prints one JSON line."""
import json
import sys
import time

import numpy as np
import scipy
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment

n = int(sys.argv[2])
matrix = np.fromfile(sys.argv[1], dtype=np.float64).reshape(n, n)
began = time.perf_counter()
rows, columns = linear_sum_assignment(matrix, maximize=True)
assignment = time.perf_counter() - began
out = {"n": n, "scipy": scipy.__version__, "assignmentSeconds": assignment, "score": float(matrix[rows, columns].sum())}
if n <= 1000:
    # The matrix is the product already: with the identity as one side the routine decomposes it as it is.
    began = time.perf_counter()
    _, scale = orthogonal_procrustes(np.eye(n), matrix)
    out.update(procrustesSeconds=time.perf_counter() - began, singularSum=float(scale))
print(json.dumps(out))
