"""Every code of the small floats as NumPy and ml_dtypes decode it.

Run with an environment that has numpy and ml_dtypes: python makeDtypeGolden.py
Writes dtypeGolden.json: {"versions", "codes": {dtype: [values of codes 0, 1, ...]}, "sha256": {dtype: hash of the float32 bytes of all 65,536 codes, NaN as 0}}.
"""
import hashlib
import json
import os
import platform

import ml_dtypes
import numpy as np

SMALL = {"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz, "F8_E8M0": ml_dtypes.float8_e8m0fnu, "F4": ml_dtypes.float4_e2m1fn, "F6_E2M3": ml_dtypes.float6_e2m3fn, "F6_E3M2": ml_dtypes.float6_e3m2fn}
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}


def text(value):
    return value if np.isfinite(value) else str(value)


codes = {name: [text(float(v)) for v in np.arange(2 ** BITS.get(name, 8), dtype=np.uint8).view(kind).astype(np.float32)] for name, kind in SMALL.items()}
sha = {}
for name, kind in {"F16": np.float16, "BF16": ml_dtypes.bfloat16}.items():
    values = np.arange(65536, dtype=np.uint16).view(kind).astype(np.float32)
    sha[name] = hashlib.sha256(np.where(np.isnan(values), np.float32(0), values).tobytes()).hexdigest()
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "dtypeGolden.json"), "w") as file:
    json.dump({"versions": {"numpy": np.__version__, "ml_dtypes": ml_dtypes.__version__, "python": platform.python_version()}, "codes": codes, "sha256": sha}, file)
    file.write("\n")
