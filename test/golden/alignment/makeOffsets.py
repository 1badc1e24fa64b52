"""Where the reference library puts each token in the text.

    python test/golden/alignment/makeOffsets.py

Writes offsets.json: for each tokenizer and text the ids and the character range of each token, in UTF-16 units.
"""

import json
from pathlib import Path

import tokenizers

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NAMES = {name: ROOT / "test/fixtures/tokenizers" / name for name in ("gpt2", "roberta", "bert", "bert-cased")}
NAMES["stories260k"] = ROOT / "test/fixtures/stories260k"
NAMES["sample"] = ROOT / "media/sample/modulens-sample"
TEXTS = [
    "How do I locate my card?", "  two blanks, and\ta tab ", "h\u00e9\U0001f600\r\nb", "caf\u00e9 na\u00efve Stra\u00dfe", "e\u0301 a\u0308 combining",
    "line one\nline two\r\n\r\nline four", "\u05e9\u05dc\u05d5\u05dd \u0639\u0644\u064a\u0643\u0645", "\u4f60\u597d\uff0c\u4e16\u754c", "def f(x):\n    return x ** 2  # squared\n", "1,234.56 \u20ac \u2026 \u2014 \u201cquoted\u201d",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family", "UPPER lower MiXeD", "a", " ",
]


def utf16(text: str, index: int) -> int:
    return len(text[:index].encode("utf-16-le", "surrogatepass")) // 2


out = {"tokenizers": tokenizers.__version__, "texts": TEXTS, "offsets": {}}
for name, folder in NAMES.items():
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = []
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        rows.append({"ids": encoding.ids, "special": encoding.special_tokens_mask, "spans": [[utf16(text, a), utf16(text, b)] for a, b in encoding.offsets]})
    out["offsets"][name] = rows
(HERE / "offsets.json").write_text(json.dumps(out, ensure_ascii=True) + "\n")
