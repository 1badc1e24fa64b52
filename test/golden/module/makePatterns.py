"""Which key of a pattern table PEFT follows for a module path, for lora.test.ts.

Run: python test/golden/module/makePatterns.py   (peft; writes patterns.json beside this file)
"""

import json
from pathlib import Path

import peft
from peft.utils.other import get_pattern_key

TARGETS = [
    "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.10.self_attn.q_proj", "model.layers.0.mlp.up_proj", "model.layers.12.mlp.down_proj",
    "transformer.h.1.attn.c_proj", "transformer.h.1.mlp.c_proj", "transformer.h.11.mlp.c_fc", "lm_head", "my_q_proj",
]
TABLES = [
    ["q_proj"], ["mlp.c_proj", "c_proj"], ["c_proj", "mlp.c_proj"], ["layers.1.self_attn.q_proj"], [r".*\.[12]\.mlp\.down_proj"], [r"layers\.(0|10)\..*"], ["^model.layers.0.mlp.up_proj$"],
    ["attn|mlp"], [r"h\.1\..*|lm_head"], ["q_proj$"], ["model.*"], ["proj"], [r"\d+\.mlp\.\w+"], ["", "lm_head"], ["layers.0.self_attn.q_proj", "q_proj"], ["Q_PROJ"], ["l.yers.0.mlp.up_proj"],
]


def main():
    cases = []
    for keys in TABLES:
        found = [get_pattern_key(keys, target) for target in TARGETS]
        cases.append({"keys": keys, "found": [keys.index(key) if key in keys else None for key in found]})
    out = {"madeBy": "test/golden/module/makePatterns.py", "versions": {"peft": peft.__version__}, "targets": TARGETS, "cases": cases}
    (Path(__file__).parent / "patterns.json").write_text(json.dumps(out, indent=1) + "\n")


main()
