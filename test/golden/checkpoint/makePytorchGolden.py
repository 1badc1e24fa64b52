"""PyTorch archives written by torch.save, and hostile ones, with what torch reads from them.

Run with an environment that has torch: python makePytorchGolden.py
Writes pytorchGolden.json: {"versions", "files": [{"name", "bytes" (base64), "tensors": [[name, dtype, shape, values]], "error", "global"?}]}.
Values are float32, row-major; non-finite ones are texts.
"""
import base64
import collections
import io
import json
import os
import pickle
import platform
import zipfile

import torch

DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.uint16: "U16"}
files = []


def number(value):
    return value if value == value and abs(value) != float("inf") and not (value == 0 and str(value)[0] == "-") else str(value)


def listed(tensors):
    return [[name, DTYPES[t.dtype], list(t.shape), [number(v) for v in t.detach().to(torch.float32).reshape(-1).tolist()]] for name, t in tensors.items()]


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def add(name, blob, tensors=None, error=None, global_name=None):
    files.append({"name": name, "bytes": base64.b64encode(blob).decode(), "tensors": [] if tensors is None else listed(tensors), "error": error, "global": global_name})


def rezip(blob, change=lambda name, data: data, method=zipfile.ZIP_DEFLATED, drop=()):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(blob)) as source, zipfile.ZipFile(out, "w", method) as target:
        for name in source.namelist():
            if not name.endswith(tuple(drop) or ("\0",)):
                target.writestr(name, change(name, source.read(name)))
    return out.getvalue()


torch.manual_seed(0)
plain = collections.OrderedDict((name, torch.randn(3, 4).to(dtype) if dtype.is_floating_point else torch.randint(0, 2 if dtype == torch.bool else 100, (3, 4)).to(dtype)) for name, dtype in [("weights." + str(d).split(".")[1], d) for d in DTYPES])
add("every dtype", saved(plain), plain)
odd = {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "__proto__": torch.ones(2), "<b>": torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0]), "\u00e9": torch.ones(1)}
add("odd shapes and names", saved(odd), odd)
base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
views = {"whole": base, "transposed": base.t(), "slice": base[1:3], "columns": base[:, 2:5], "step": base[::2, 1::2], "expanded": torch.tensor([1.0, 2.0]).expand(3, 2), "permuted": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1), "half": torch.arange(6, dtype=torch.float16).reshape(2, 3).t()}
add("views", saved(views), views)
add("views, compressed", rezip(saved(views)), views)
for protocol in (2, 3, 4, 5):
    add("pickle protocol %d" % protocol, saved(views, pickle_protocol=protocol), views)
model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
add("state dict of a module", saved(model.state_dict()), model.state_dict())
parameters = {"p": torch.nn.Parameter(torch.randn(2, 2))}
add("parameter", saved(parameters), parameters)
add("wrapped in state_dict", saved({"epoch": 3, "state_dict": model.state_dict(), "rate": 0.1, "note": "x", "big": 2 ** 70, "none": None, "flags": (True, False)}), model.state_dict())
add("nested without a wrapper", saved({"a": {"b": torch.ones(2)}, "c": [torch.zeros(1), {"d": torch.ones(1)}]}), {"a.b": torch.ones(2), "c.0": torch.zeros(1), "c.1.d": torch.ones(1)})
add("many tensors", saved({"t%d" % i: torch.full((2,), float(i)) for i in range(300)}), {"t%d" % i: torch.full((2,), float(i)) for i in range(300)})


class Evil:
    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


add("runs a command", saved({"w": torch.ones(1), "x": Evil(os.system, "echo hacked")}), error="checkpoint/pickle-global", global_name=os.system.__module__ + ".system")
add("runs a command, protocol 4", saved({"x": Evil(os.system, "echo hacked")}, pickle_protocol=4), error="checkpoint/pickle-global", global_name=os.system.__module__ + ".system")
add("evaluates", saved({"x": Evil(eval, "1+1")}), error="checkpoint/pickle-global", global_name="__builtin__.eval")
add("whole module", saved(model), error="checkpoint/pickle-global", global_name="torch.nn.modules.container.Sequential")
add("legacy", saved(plain, _use_new_zipfile_serialization=False), error="checkpoint/pickle-legacy")
add("bare pickle", pickle.dumps({"a": 1}), error="checkpoint/pickle-legacy")
good = saved({"w": torch.ones(8)})
add("cut", good[:-30], error="checkpoint/zip-invalid")
add("cut early", good[:200], error="checkpoint/zip-invalid")
add("not a zip", b"\0\1\2\3 hello", error="checkpoint/zip-invalid")
add("empty", b"", error="checkpoint/zip-invalid")
add("no pickle", rezip(good, drop=["data.pkl"]), error="checkpoint/zip-invalid")
add("no data", rezip(good, drop=["data/0"]), error="checkpoint/zip-invalid")
add("data too short", rezip(good, lambda name, data: data[:10] if name.endswith("data/0") else data, zipfile.ZIP_STORED), error="checkpoint/past-end")
add("big endian", rezip(good, lambda name, data: b"big" if name.endswith("byteorder") else data), error="checkpoint/zip-invalid")
add("damaged pickle", rezip(good, lambda name, data: data[:20] if name.endswith("data.pkl") else data), error="checkpoint/pickle-invalid")
add("bzip2", rezip(good, method=zipfile.ZIP_BZIP2), error="checkpoint/zip-invalid")
add("huge view", saved({"w": torch.ones(1).expand(2 ** 40)}), error="checkpoint/zip-limit")

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorchGolden.json"), "w") as file:
    file.write('{"versions": %s, "files": [\n' % json.dumps({"torch": torch.__version__, "python": platform.python_version()}))
    file.write(",\n".join(json.dumps(item) for item in files))
    file.write("\n]}\n")
print(len(files), "files")
