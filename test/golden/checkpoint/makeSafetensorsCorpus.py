"""Small odd and hostile safetensors files with the verdict of the reference library.

Run with an environment that has safetensors and numpy: python makeSafetensorsCorpus.py
Writes safetensorsCorpus.json: {"versions", "cases": [{"name", "bytes" (base64), "repeat"?, "accepted", "reason", "tensors"}]}.
`tensors` are what the reference lists for an accepted file: name -> [dtype, shape].
"""
import base64
import json
import os
import platform
import random
import struct
import tempfile

import safetensors
from safetensors import deserialize, safe_open

cases = []


def build(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode("utf-8")
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def verdict(blob):
    accepted, reason, tensors = True, "", {}
    try:
        for name, info in deserialize(blob):
            tensors[name] = [info["dtype"], list(info["shape"])]
    except Exception as error:
        accepted, reason = False, str(error)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.safetensors")
        with open(path, "wb") as file:
            file.write(blob)
        try:
            with safe_open(path, "np") as opened:
                opened_names = sorted(opened.keys())
            opened_ok = True
        except Exception as error:
            opened_ok, reason = False, reason or str(error)
    assert accepted == opened_ok, (blob[:200], accepted, opened_ok, reason)
    if accepted:
        assert opened_names == sorted(tensors), (opened_names, tensors)
    return accepted, reason, tensors


def case(name, blob):
    accepted, reason, tensors = verdict(blob)
    cases.append({"name": name, "bytes": base64.b64encode(blob).decode(), "accepted": accepted, "reason": reason, "tensors": [[k, *v] for k, v in sorted(tensors.items())]})


def header(name, text, data=b""):
    case(name, build(text, data))


def entry(dtype='"F32"', shape="[1]", offsets="[0,4]", extra=""):
    return '{"dtype":%s,"shape":%s,"data_offsets":%s%s}' % (dtype, shape, offsets, extra)


def one(name, data=b"\0" * 4, **parts):
    header(name, '{"x":%s}' % entry(**parts), data)


# --- the frame
case("empty file", b"")
case("seven bytes", b"\0" * 7)
case("length zero, nothing more", struct.pack("<Q", 0))
case("length past the end", build("{}", length=3))
case("length one short", build("{} ", length=2))
case("length of 2^63", build("{}", length=2 ** 63))
case("length of 2^64 - 1", build("{}", length=2 ** 64 - 1))
case("length of 100,000,001", build("{}", length=100_000_001))
case("length of 100,000,000 in a short file", build("{}", length=100_000_000))
header("no tensors", "{}")
header("no tensors, one byte of data", "{}", b"1")
header("blanks behind", "{}      ")
header("blanks before", " \n\r\t{}")
header("form feed before", "\f{}")
header("no-break space before", "\u00a0{}")
header("NUL behind", "{}\0")
header("byte order mark", "\ufeff{}")
header("text behind", "{}x")
header("two objects", "{}{}")
header("array", "[]")
header("null", "null")
header("string", '"x"')
header("number", "1")
header("open", "{")
header("not UTF-8", b'{"\xff":%s}' % entry().encode(), b"\0" * 4)
header("overlong UTF-8", b'{"\xc0\xaf":%s}' % entry().encode(), b"\0" * 4)
header("surrogate in UTF-8", b'{"\xed\xa0\x80":%s}' % entry().encode(), b"\0" * 4)
header("UTF-8 in an ignored place", b'{"x":%s}' % entry(extra=',"k":"\u00e9\U0001f600"').encode(), b"\0" * 4)
header("trailing comma", '{"x":%s,}' % entry(), b"\0" * 4)
header("missing colon", '{"x" %s}' % entry(), b"\0" * 4)
header("single quotes", "{'x':%s}" % entry(), b"\0" * 4)
header("comment", '{/**/"x":%s}' % entry(), b"\0" * 4)

# --- names
for label, key in [("__proto__", "__proto__"), ("constructor", "constructor"), ("empty", ""), ("path", "../../etc/passwd"), ("HTML", "<img src=x onerror=alert(1)>"), ("accents", "\u00e9\u4e2d\U0001f600"), ("blanks", " a b "), ("newline", "a\nb"), ("long", "x" * 5000), ("NUL", "a\0b"), ("line separator", "\u2028")]:
    header("name: " + label, json.dumps({key: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, ensure_ascii=label == "NUL"), b"\0" * 4)
for label, text in [("escaped", r'\u0041\n\t\b\f\r\/\\\"'), ("pair of surrogates", r"\ud83d\ude00"), ("high surrogate alone", r"\ud83d"), ("high surrogate and letter", r"\ud83dx"), ("high surrogate and other escape", r"\ud83d\n"), ("two high surrogates", r"\ud83d\ud83d"), ("low surrogate alone", r"\ude00"), ("unknown escape", r"\x41"), ("short hex", r"\u12"), ("bad hex", r"\u12g4"), ("control character", "a\x01b"), ("tab", "a\tb"), ("DEL", "a\x7fb"), ("upper case hex", r"\u00E9")]:
    header("name text: " + label, '{"%s":%s}' % (text, entry()), b"\0" * 4)

# --- __metadata__
for label, text in [("empty", "{}"), ("null", "null"), ("texts", '{"a":"b","c":""}'), ("same key twice", '{"a":"b","a":"c"}'), ("number", '{"a":1}'), ("null value", '{"a":null}'), ("nested", '{"a":{}}'), ("array", "[]"), ("string", '"x"'), ("__proto__", '{"__proto__":"x"}'), ("tensor-like", entry()), ("surrogate", r'{"a":"\ud800"}'), ("true", "true")]:
    header("metadata: " + label, '{"__metadata__":%s}' % text)
header("metadata twice", '{"__metadata__":{},"__metadata__":{}}')
header("metadata null and object", '{"__metadata__":null,"__metadata__":{}}')
header("metadata by escape", r'{"__metadata\u005f_":{"a":"b"}}')
header("metadata last", '{"x":%s,"__metadata__":{"format":"weird"}}' % entry(), b"\0" * 4)

# --- repeated and missing things
header("same name twice, same place", '{"x":%s,"x":%s}' % (entry(), entry()), b"\0" * 4)
header("same name twice, other place", '{"x":%s,"x":%s}' % (entry(), entry(offsets="[4,8]")), b"\0" * 8)
header("same name twice, last one good", '{"x":%s,"x":%s}' % (entry(offsets="[9,13]"), entry()), b"\0" * 4)
for field, value in [("dtype", '"F32"'), ("shape", "[1]"), ("data_offsets", "[0,4]")]:
    one("field twice: " + field, extra=',"%s":%s' % (field, value))
header("field twice by escape", r'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"d\u0074ype":"F32"}}', b"\0" * 4)
header("dtype missing", '{"x":{"shape":[1],"data_offsets":[0,4]}}', b"\0" * 4)
header("shape missing", '{"x":{"dtype":"F32","data_offsets":[0,4]}}', b"\0" * 4)
header("data_offsets missing", '{"x":{"dtype":"F32","shape":[1]}}', b"\0" * 4)
header("empty entry", '{"x":{}}')
one("unknown field", extra=',"other":[1,{"a":null}]')
one("unknown field twice", extra=',"other":1,"other":2')
for label, text in [("null", "null"), ("number", "1"), ("text", '"F32"'), ("true", "true"), ("array of three", '["F32",[1],[0,4]]'), ("array of two", '["F32",[1]]'), ("array of four", '["F32",[1],[0,4],0]'), ("array in another order", '[[1],"F32",[0,4]]'), ("empty array", "[]")]:
    header("entry: " + label, '{"x":%s}' % text, b"\0" * 4)

# --- dtype
for name, bits in [("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16), ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64)]:
    size = 4 * bits // 8
    one("dtype " + name, data=b"\0" * size, dtype='"%s"' % name, shape="[4]", offsets="[0,%d]" % size)
    one("dtype %s, three elements" % name, data=b"\0" * (3 * bits // 8), dtype='"%s"' % name, shape="[3]", offsets="[0,%d]" % (3 * bits // 8))
    one("dtype %s, scalar" % name, data=b"\0" * (bits // 8), dtype='"%s"' % name, shape="[]", offsets="[0,%d]" % (bits // 8))
for label, text in [("unknown", '"Q8"'), ("lower case", '"f32"'), ("torch's", '"float32"'), ("C128", '"C128"'), ("empty", '""'), ("blank", '"F32 "'), ("null", "null"), ("number", "0"), ("array", '["F32"]'), ("object with null", '{"F32":null}'), ("object with object", '{"F32":{}}'), ("object with array", '{"F32":[]}'), ("object of two", '{"F32":null,"F16":null}'), ("empty object", "{}"), ("object with an unknown name", '{"Q":null}'), ("escaped", r'"F\u00332"'), ("__proto__", '"__proto__"'), ("toString", '"toString"')]:
    one("dtype: " + label, dtype=text)

# --- numbers
for label, text, size in [("minus one", "-1", 4), ("minus zero", "-0", 0), ("fraction", "1.0", 4), ("exponent", "1e0", 4), ("text", '"1"', 4), ("null", "null", 4), ("true", "true", 4), ("leading zero", "01", 4), ("plus", "+1", 4), ("hex", "0x1", 4), ("2^53 + 1", "9007199254740993", 4), ("2^63", "9223372036854775808", 4), ("2^64 - 1", "18446744073709551615", 4), ("2^64", "18446744073709551616", 4), ("30 digits", "1" * 30, 4), ("400 digits", "1" * 400, 4), ("NaN", "NaN", 4), ("Infinity", "Infinity", 4), ("1e999", "1e999", 4), ("minus", "-", 4), ("dot", "1.", 4), ("zero e", "0e", 4), ("array", "[1]", 4), ("empty", "", 0)]:
    one("size: " + label, data=b"\0" * size, shape="[%s]" % text, offsets="[0,%d]" % size)
    one("offset: " + label, shape="[1]", offsets="[0,%s]" % text)
    one("start: " + label, shape="[1]", offsets="[%s,4]" % text)
for label, text in [("null", "null"), ("object", "{}"), ("text", '"[1]"'), ("number", "1"), ("blanks", "[ 1 \n]"), ("trailing comma", "[1,]"), ("leading comma", "[,1]")]:
    one("shape: " + label, shape=text)
for label, text in [("one", "[0]"), ("three", "[0,4,4]"), ("none", "[]"), ("object", '{"0":0,"1":4}'), ("null", "null"), ("text", '"0,4"')]:
    one("data_offsets: " + label, offsets=text)

# --- sizes
one("shape empty", data=b"\0" * 4, shape="[]")
one("shape with zero", data=b"", shape="[0,5]", offsets="[0,0]")
one("shape of 2^63 and zero", data=b"", shape="[9223372036854775808,0]", offsets="[0,0]")
one("shape of 2^63, 2 and zero", data=b"", shape="[9223372036854775808,2,0]", offsets="[0,0]")
one("shape of zero, 2^63 and 2", data=b"", shape="[0,9223372036854775808,2]", offsets="[0,0]")
one("shape of 2^32 squared", data=b"", shape="[4294967296,4294967296]", offsets="[0,0]")
one("shape of 2^61", data=b"", shape="[2305843009213693952]", offsets="[0,0]")
one("shape of 2^58", data=b"", shape="[288230376151711744]", offsets="[0,0]")
one("shape of 2^58 with matching offsets", data=b"", shape="[288230376151711744]", offsets="[0,1152921504606846976]")
one("1,000 ones", shape="[" + ",".join(["1"] * 1000) + "]")
one("too many bytes", shape="[1]", offsets="[0,8]", data=b"\0" * 8)
one("too few bytes", shape="[2]")
one("reversed", offsets="[4,0]")
one("reversed far", offsets="[0,0]", data=b"", shape="[0]")
one("data cut", data=b"\0" * 3)
one("data longer", data=b"\0" * 5)
one("no data", data=b"")
one("start at 4", offsets="[4,8]", data=b"\0" * 8)
eight = ",".join('"t%d":%s' % (i, entry(shape="[576460752303423487]", offsets="[%d,%d]" % (i * 2305843009213693948, (i + 1) * 2305843009213693948))) for i in range(7))
header("seven tensors of 2^61 bytes", "{%s}" % eight)

# --- places
a, b = entry(), entry(offsets="[4,8]")
for label, first, second, size in [("in order", a, b, 8), ("out of order", b, a, 8), ("overlap", a, entry(offsets="[2,6]"), 6), ("same place", a, a, 4), ("hole", a, entry(offsets="[8,12]"), 12), ("hole of one", a, entry(offsets="[5,9]"), 9), ("inside", entry(shape="[2]", offsets="[0,8]"), b, 8), ("empty in front", a, entry(shape="[0]", offsets="[0,0]"), 4), ("empty behind", a, entry(shape="[0]", offsets="[4,4]"), 4), ("empty in the middle of another", a, entry(shape="[0]", offsets="[2,2]"), 4), ("empty past the end", a, entry(shape="[0]", offsets="[8,8]"), 4), ("two empty", entry(shape="[0]", offsets="[0,0]"), entry(shape="[3,0]", offsets="[0,0]"), 0), ("odd start", entry(dtype='"U8"', offsets="[0,1]"), entry(offsets="[1,5]"), 5)]:
    header("two tensors: " + label, '{"a":%s,"b":%s}' % (first, second), b"\0" * size)

# --- nesting and values that are passed over
for depth in (1, 50, 124, 125, 126, 127, 128, 200):
    one("unknown field nested %d deep" % depth, extra=',"k":' + "[" * depth + "]" * depth)
    one("unknown field with objects nested %d deep" % depth, extra=',"k":' + '{"a":' * depth + "1" + "}" * depth)
for label, text in [("1e308", "1e308"), ("1e309", "1e309"), ("-1e400", "-1e400"), ("0e999", "0e999"), ("1e-999", "1e-999"), ("400 digits", "9" * 400), ("-0", "-0"), ("-0.0", "-0.0"), ("tru", "tru"), ("True", "True"), ("nul", "nul"), ("NaN", "NaN"), ("lone surrogate", r'"\ud800"'), ("control character", '"\x00"'), ("minus", "-"), (".5", ".5"), ("5.", "5."), ("1e", "1e"), ("1e+", "1e+"), ("1E+2", "1E+2"), ("unclosed", "[1,2"), ("wrong bracket", "[1}"), ("same key twice", '{"a":1,"a":2}')]:
    one("unknown field: " + label, extra=',"k":' + text)

# --- many random edits of a good header, one by one
rng = random.Random(7)
good = ('{"__metadata__":{"format":"pt"},"a":%s,"b":%s}' % (entry(shape="[2,1]", offsets="[0,8]"), entry(dtype='"F16"', shape="[3]", offsets="[8,14]"))).encode()
for number in range(400):
    text = bytearray(good)
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(text))
        kind = rng.randrange(4)
        if kind == 0:
            text[at] = rng.choice(b'{}[]",:0123456789eE.-+ntf\\u \n\x00\xc3')
        elif kind == 1:
            del text[at]
        elif kind == 2:
            text.insert(at, rng.choice(b'{}[]",:0123456789eE.-+ntf\\u \n\x00\xc3'))
        else:
            other = rng.randrange(len(text))
            text[at], text[other] = text[other], text[at]
    case("edit %d" % number, build(bytes(text), b"\0" * 14))

result = {"versions": {"safetensors": safetensors.__version__, "python": platform.python_version()}, "cases": cases}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "safetensorsCorpus.json"), "w") as file:
    file.write('{"versions": %s, "cases": [\n' % json.dumps(result["versions"]))
    file.write(",\n".join(json.dumps(item, ensure_ascii=True) for item in cases))
    file.write("\n]}\n")
print(len(cases), "cases,", sum(item["accepted"] for item in cases), "accepted")
