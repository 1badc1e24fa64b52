"""Makes the golden references of what-ifs on models with a router of their own: transformers runs each tiny mixture of
test/fixtures/golden with its router logits changed on the way out of the router's linear map.

    python test/golden/routing/makeWhatIf.py

An expert that is taken out has a logit of -1e9 there; where a bias takes part in the choice (DeepSeek-V3) its bias is set
back by 64, because a sigmoid of 0 plus a bias could still win. A temperature divides all logits first. Nothing else of the
reference is changed. Writes test/fixtures/routing/what-if/NAME.safetensors: weights [tokens, experts] of every site and the
model's logits, per case; the cases are in the metadata.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "models"))
from makeGoldens import VERSIONS, load  # noqa: E402
from modelVariants import VARIANTS  # noqa: E402
from tapReference import _choice, block_count, mixture_of, places_of, router_of  # noqa: E402

GOLDEN = HERE.parents[2] / "fixtures" / "golden"
OUT = HERE.parents[2] / "fixtures" / "routing" / "what-if"
NAMES = ["mixtral", "olmoe", "qwen2-moe", "deepseek-v2", "deepseek-v3", "gpt-oss", "granite-moe", "jetmoe"]
linear = torch.nn.functional.linear


def routers_of(model):
    places, found = places_of(model), {}
    for i in range(block_count(model.config)):
        if places.heads is not None:
            found[f"blocks.{i}.attention"] = model.get_submodule(places.heads.format(i=i)).router
        if mixture_of(model, places, i) is not None:
            found[f"blocks.{i}.ffn"] = router_of(mixture_of(model, places, i))
    return found


def experts_of(router):
    return (router.layer if hasattr(router, "layer") else router).weight.shape[0]


def taken_out(case, site, experts):
    here = lambda entries: {int(e["expert"]) for e in entries if e.get("site", site) == site}
    mute, force = here(case.get("mute", [])), here(case.get("force", []))
    return [e for e in range(experts) if e in mute or (force and e not in force)]


def run(model, rows, case):
    routers, changes, handles, parts = routers_of(model), {}, [], {}
    for site, router in routers.items():
        weight = (router.layer if hasattr(router, "layer") else router).weight
        out = taken_out(case, site, weight.shape[0])
        changes[weight.data_ptr()] = (out, case.get("temperature", 1.0))
        if hasattr(router, "e_score_correction_bias"):
            router.e_score_correction_bias.data[out] -= 64

        def on_output(_module, _args, found, site=site):
            logits, weights, experts = _choice(found)
            parts.setdefault(f"{site}.weights", []).append(torch.zeros(logits.shape[0], logits.shape[-1]).scatter(1, experts.reshape(logits.shape[0], -1), weights.reshape(logits.shape[0], -1).float()))

        handles.append(router.register_forward_hook(on_output))

    def changed(x, weight, bias=None):
        y = linear(x, weight, bias)
        if weight.data_ptr() not in changes or y.shape[-1] != weight.shape[0]:
            return y
        out, temperature = changes[weight.data_ptr()]
        y = y / temperature
        y[..., out] = -1e9
        return y

    torch.nn.functional.linear = changed
    try:
        for row in rows:
            with torch.no_grad():
                parts.setdefault("logits", []).append(model(input_ids=torch.tensor([row])).logits[0].float())
    finally:
        torch.nn.functional.linear = linear
        for handle in handles:
            handle.remove()
    return {name: torch.cat(pieces).contiguous() for name, pieces in parts.items()}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        variant = next(v for v in VARIANTS if v.name == name)
        rows = json.loads((GOLDEN / name / "input.json").read_text())["input_ids"]
        sites = list(routers_of(load(variant.cls, GOLDEN / name)))
        cases = {
            "none": {},
            "mute": {"mute": [{"expert": "1"}]},
            "one": {"mute": [{"expert": "0", "site": sites[0]}], "temperature": 2.0},
            "force": {"force": [{"expert": "2", "site": sites[0]}, {"expert": "3", "site": sites[-1]}, {"expert": "0", "site": sites[-1]}]},
        }
        tensors = {f"{case}.{key}": value for case, what in cases.items() for key, value in run(load(variant.cls, GOLDEN / name), rows, what).items()}
        for case in ("mute", "one", "force"):
            effect = float((tensors[f"{case}.logits"] - tensors["none.logits"]).abs().max())
            assert effect > 0.01, (name, case, "changes nothing", effect)
        save_file(tensors, OUT / f"{name}.safetensors", metadata={"versions": json.dumps(VERSIONS), "cases": json.dumps(cases)})
        print(name, len(tensors), (OUT / f"{name}.safetensors").stat().st_size)


main()
