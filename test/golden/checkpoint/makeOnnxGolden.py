"""Small ONNX models in every way of storing initialisers, with what the onnx package reads from them.

Run with an environment that has onnx and numpy: python makeOnnxGolden.py
Writes onnxGolden.json: {"versions", "files": [{"name", "parts": [[relative path, base64]], "tensors": [[name, dtype, shape, values]], "error"}]}.
"""
import base64
import json
import os
import platform
import tempfile

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

files = []
KINDS = {TensorProto.FLOAT: "F32", TensorProto.DOUBLE: "F64", TensorProto.FLOAT16: "F16", TensorProto.BFLOAT16: "BF16", TensorProto.INT64: "I64", TensorProto.INT32: "I32", TensorProto.INT16: "I16", TensorProto.INT8: "I8", TensorProto.UINT8: "U8", TensorProto.UINT16: "U16", TensorProto.UINT32: "U32", TensorProto.UINT64: "U64", TensorProto.BOOL: "BOOL"}


def model(initializers, **options):
    names = [i.name for i in initializers]
    graph = helper.make_graph([helper.make_node("Identity", [names[0] if names else "x"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], initializers)
    made = helper.make_model(graph, producer_name="golden", opset_imports=[helper.make_opsetid("", 17)], **options)
    helper.set_model_props(made, {"made by": "golden"})
    return made


def listed(initializers, base=""):
    return [[i.name, KINDS[i.data_type], list(i.dims), numpy_helper.to_array(i, base).astype(np.float32).reshape(-1).tolist()] for i in initializers]


def add(name, parts, tensors=None, error=None):
    files.append({"name": name, "parts": [[path, base64.b64encode(blob).decode()] for path, blob in parts], "tensors": tensors or [], "error": error})


rng = np.random.default_rng(0)
raw = [numpy_helper.from_array(rng.standard_normal((2, 3)).astype(dtype), "w." + np.dtype(dtype).name) for dtype in ("float32", "float64", "float16")]
raw += [numpy_helper.from_array(rng.integers(0, 100, (3, 2)).astype(dtype), "w." + dtype) for dtype in ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64")]
raw += [numpy_helper.from_array(np.array([True, False]), "flag"), numpy_helper.from_array(np.float32(3.5), "scalar"), numpy_helper.from_array(np.zeros((0, 4), np.float32), "empty"), numpy_helper.from_array(rng.standard_normal(4).astype(ml_dtypes.bfloat16), "w.bf16")]
add("raw data", [["m.onnx", model(raw).SerializeToString()]], listed(raw))
values = [helper.make_tensor(name, kind, [2, 2], numbers) for name, kind, numbers in [("f", TensorProto.FLOAT, [1.5, -2.25, 0, 4]), ("d", TensorProto.DOUBLE, [1, 2, 3, 4.5]), ("i64", TensorProto.INT64, [-1, 2 ** 40, 0, 7]), ("i32", TensorProto.INT32, [-1, 2, -3, 4]), ("i8", TensorProto.INT8, [-128, 127, 0, -1]), ("u8", TensorProto.UINT8, [0, 255, 1, 2]), ("u64", TensorProto.UINT64, [0, 2 ** 63, 1, 2]), ("b", TensorProto.BOOL, [1, 0, 0, 1]), ("h", TensorProto.FLOAT16, [0.5, -1, 2, 65504])]]
add("values one by one", [["m.onnx", model(values).SerializeToString()]], listed(values))

with tempfile.TemporaryDirectory() as folder:
    external = model([numpy_helper.from_array(rng.standard_normal((40, 30)).astype(np.float32), "big"), numpy_helper.from_array(rng.standard_normal((20, 30)).astype(np.float32), "other")])
    expected = listed(external.graph.initializer)
    onnx.save(external, os.path.join(folder, "m.onnx"), save_as_external_data=True, location="data file.bin", size_threshold=0)
    blobs = {name: open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)}
    add("external data", [["m.onnx", blobs["m.onnx"]], ["data file.bin", blobs["data file.bin"]]], expected)
    add("external data missing", [["m.onnx", blobs["m.onnx"]]], error="checkpoint/onnx-data-missing")
    add("external data cut", [["m.onnx", blobs["m.onnx"]], ["data file.bin", blobs["data file.bin"][:-1]]], error="checkpoint/past-end")


def outside(location, **fields):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    return model([tensor]).SerializeToString()


for location in ("../secret", "/etc/passwd", "a/../../b", "C:\\secret", "\\\\server\\share", ""):
    add("location " + repr(location), [["m.onnx", outside(location)]], error="checkpoint/onnx-path")
add("negative offset", [["m.onnx", outside("d", offset=-4)], ["d", b"0" * 8]], error="checkpoint/size-mismatch")
add("huge offset", [["m.onnx", outside("d", offset=2 ** 60)], ["d", b"0" * 8]], error="checkpoint/size-mismatch")
add("offset past the end", [["m.onnx", outside("d", offset=2 ** 40)], ["d", b"0" * 8]], error="checkpoint/past-end")
short = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], raw_data=b"0" * 8)
add("too few bytes", [["m.onnx", model([short]).SerializeToString()]], error="checkpoint/size-mismatch")
negative = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-4], raw_data=b"0" * 8)
add("negative size", [["m.onnx", model([negative]).SerializeToString()]], error="checkpoint/tensor-entry")
vast = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2 ** 40, 2 ** 40], raw_data=b"0" * 8)
add("vast size", [["m.onnx", model([vast]).SerializeToString()]], error="checkpoint/shape-overflow")
good = model(raw).SerializeToString()
add("cut", [["m.onnx", good[:-40]]], error="checkpoint/onnx-invalid")
add("not a model", [["m.onnx", b"this is some text, not a model"]], error="checkpoint/onnx-invalid")
add("empty file", [["m.onnx", b""]], error="checkpoint/onnx-invalid")

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnxGolden.json"), "w") as file:
    file.write('{"versions": %s, "files": [\n' % json.dumps({"onnx": onnx.__version__, "numpy": np.__version__, "python": platform.python_version()}))
    file.write(",\n".join(json.dumps(item) for item in files))
    file.write("\n]}\n")
print(len(files), "files")
