"""Goldens of Arrow routing, made by PEFT itself.

    python makeArrow.py        (needs torch, transformers, peft, safetensors)

Writes, below test/fixtures/routing/:
  arrow-toy.json                 a 4 -> 3 linear map with three adapters of rank 2, every case of it
  arrow-llama/, arrow-gpt2/      three adapters on the random checkpoints of test/fixtures/golden; the first as
                                 PEFT saves a whole Arrow set (task_0 ... arrow_router), the second as plain folders
  arrow-llama.safetensors, ...   per case and linear map |x . v|, coefficients, and the final logits

PEFT finds prototypes by 15 power steps. The adapters are made with singular values 1, 0.3, 0.1, 0.05, so that the
steps have converged (0.3^30) and the comparison is of routing, not of the iteration.
"""

import json
import shutil
from pathlib import Path

import peft
import peft.tuners.lora.arrow as arrow
import torch
import transformers
from peft import ArrowConfig, LoraConfig, create_arrow_model, get_peft_model
from safetensors.torch import save_file
from transformers import PretrainedConfig, PreTrainedModel

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent.parent / "fixtures" / "golden"
OUT = HERE.parent.parent / "fixtures" / "routing"
VERSIONS = {"peft": peft.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
SPECTRUM = [1.0, 0.3, 0.1, 0.05]


class Recorder:
    """Stands in for `torch` inside PEFT's arrow file and keeps what it computes on the way."""

    def __init__(self):
        self.similarities, self.coefficients = [], []

    def __getattr__(self, name):
        return getattr(torch, name)

    def abs(self, x):
        self.similarities.append(torch.abs(x))
        return self.similarities[-1]

    def softmax(self, x, **options):
        self.coefficients.append(torch.softmax(x, **options))
        return self.coefficients[-1]


def recorded(model, run):
    """What each routed linear map computed, in the order of the calls."""
    names, original, recorder = [], arrow.torch, Recorder()
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, arrow.ArrowLoraLinearLayer):
            path = name.split(".lora_arrow.")[0].removeprefix("base_model.model.")
            handles.append(module.register_forward_hook(lambda *_, path=path: names.append(path)))
    arrow.torch = recorder
    try:
        with torch.no_grad():
            out = run()
    finally:
        arrow.torch = original
        for handle in handles:
            handle.remove()
    return out, {n: (s, c) for n, s, c in zip(names, recorder.similarities, recorder.coefficients, strict=True)}


# ---- the toy

TOY = {
    "A": [[[1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 1, 1]], [[1, 1, 1, 1], [0, 1, 0, -1]]],
    "B": [[[2, 0], [0, 1], [0, 0]], [[1, 0], [0, 1], [1, 1]], [[0, 1], [1, 0], [1, 0]]],
    "alphas": [4, 2, 1],
}
GENERAL = {"A": [[0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5]], "B": [[0.5, 0], [0, 0.5], [0, 0]]}


class ToyConfig(PretrainedConfig):
    model_type = "toy"


class Toy(PreTrainedModel):
    config_class = ToyConfig

    def __init__(self, config):
        super().__init__(config)
        self.linear = torch.nn.Linear(4, 3, bias=False)
        torch.nn.init.zeros_(self.linear.weight)
        self.post_init()

    def forward(self, x):
        return self.linear(x)

    def prepare_inputs_for_generation(self, *args, **kwargs):
        raise NotImplementedError


def toy_base():
    base = Toy(ToyConfig())
    torch.nn.init.zeros_(base.linear.weight)
    return base


def save_toy(folder, a, b, alpha):
    model = get_peft_model(toy_base(), LoraConfig(r=2, lora_alpha=alpha, target_modules=["linear"]))
    with torch.no_grad():
        layer = model.base_model.model.linear
        layer.lora_A["default"].weight.copy_(torch.tensor(a, dtype=torch.float32))
        layer.lora_B["default"].weight.copy_(torch.tensor(b, dtype=torch.float32))
    model.save_pretrained(folder)


def make_toy(scratch):
    paths = []
    for i in range(3):
        paths.append(str(scratch / f"toy{i}"))
        save_toy(paths[-1], TOY["A"][i], TOY["B"][i], TOY["alphas"][i])
    save_toy(str(scratch / "general"), GENERAL["A"], GENERAL["B"], 2)
    x, tie = [0.5, -1, 3, 1], [1, 2, 0, -1]
    cases = []
    for row, k, temperature, gks in [(x, 2, 1.0, False), (x, 2, 2.0, False), (x, 3, 1.0, False), (x, 1, 1.0, False), (tie, 2, 1.0, False), (x, 2, 1.0, True)]:
        model = create_arrow_model(toy_base(), paths, ArrowConfig(top_k=k, router_temperature=temperature, use_gks=gks, rng_seed=1), general_adapter_paths=[str(scratch / "general")] if gks else None).eval()
        output, sites = recorded(model, lambda: model(torch.tensor([row], dtype=torch.float32)))
        similarity, coefficients = sites["linear"]
        layer = model.base_model.model.linear
        cases.append({
            "x": row, "k": k, "temperature": temperature, "gks": gks, "similarity": similarity[0].tolist(), "coefficients": coefficients[0].tolist(), "output": output[0].tolist(),
            "prototypes": layer.lora_arrow["arrow_router"].prototypes.abs().tolist(),
            "afterwards": {"A": layer.lora_A["task_0"].weight.tolist(), "B": layer.lora_B["task_0"].weight.tolist()},
        })
    (OUT / "arrow-toy.json").write_text(json.dumps({"versions": VERSIONS, **TOY, "general": GENERAL, "cases": cases}, indent=1) + "\n")


# ---- whole models

def low_rank(out_width, in_width, generator):
    """Factors of a matrix with the singular values of SPECTRUM, in a mixed basis."""
    r = len(SPECTRUM)
    u = torch.linalg.qr(torch.randn(out_width, r, generator=generator, dtype=torch.float64))[0]
    v = torch.linalg.qr(torch.randn(in_width, r, generator=generator, dtype=torch.float64))[0]
    mix = torch.linalg.qr(torch.randn(r, r, generator=generator, dtype=torch.float64))[0] + 0.1 * torch.eye(r, dtype=torch.float64)
    s = torch.tensor(SPECTRUM, dtype=torch.float64).sqrt()
    return (torch.linalg.inv(mix) @ torch.diag(s) @ v.T).float(), (u @ torch.diag(s) @ mix).float()


def base_of(name):
    folder = GOLDEN / name
    cls = getattr(transformers, json.loads((folder / "config.json").read_text())["architectures"][0])
    return cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def tidy(folder, base):
    for readme in folder.rglob("README.md"):
        readme.unlink()
    for file in folder.rglob("adapter_config.json"):
        settings = json.loads(file.read_text())
        settings["base_model_name_or_path"] = base
        if isinstance(settings["target_modules"], list):
            settings["target_modules"].sort()
        file.write_text(json.dumps(settings, indent=2) + "\n")


def save_adapter(folder, base, targets, alpha, seed, extra, gain):
    model = get_peft_model(base_of(base), LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=alpha, target_modules=targets, **extra))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, module in model.named_modules():
            if hasattr(module, "lora_A") and "default" in module.lora_A:
                a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
                low_a, low_b = low_rank(b.shape[0], a.shape[1], generator)
                a.copy_(low_a)
                b.copy_(gain * low_b)
    model.save_pretrained(folder)
    tidy(folder, base)


def run_rows(model, rows):
    """Final logits and, per linear map, similarity and coefficients of all rows one after the other."""
    finals, sites = [], {}
    for row in rows:
        out, found = recorded(model, lambda: model(input_ids=torch.tensor([row])).logits[0])
        finals.append(out)
        for name, (s, c) in found.items():
            sites.setdefault(name, ([], []))
            sites[name][0].append(s)
            sites[name][1].append(c)
    return torch.cat(finals), {n: (torch.cat(s), torch.cat(c)) for n, (s, c) in sites.items()}


def base_similarities(base, model, rows):
    """|x . v| on the activations of the base without any adapter."""
    prototypes = {n.split(".lora_arrow.")[0].removeprefix("base_model.model."): m.prototypes for n, m in model.named_modules() if isinstance(m, arrow.ArrowLoraLinearLayer)}
    plain, found, handles = base_of(base), {n: [] for n in prototypes}, []
    for name, module in plain.named_modules():
        if name in prototypes:
            handles.append(module.register_forward_hook(lambda _m, args, _o, name=name: found[name].append((args[0][0] @ prototypes[name].T).abs())))
    with torch.no_grad():
        for row in rows:
            plain(input_ids=torch.tensor([row]))
    return {n: torch.cat(v) for n, v in found.items()}


def make_model(base, targets, extra, cases, scratch, whole):
    rows = json.loads((GOLDEN / base / "input.json").read_text())["input_ids"]
    folder = OUT / f"arrow-{base}"
    shutil.rmtree(folder, ignore_errors=True)
    names = ["code", "law", "maths"]
    paths = [scratch / base / n for n in names]
    for i, path in enumerate(paths):
        save_adapter(path, base, targets, [8, 4, 6][i], 100 + i, extra, 1.5)
    general = [scratch / base / f"general{i}" for i in range(2)]
    for i, path in enumerate(general):
        save_adapter(path, base, targets, 4, 200 + i, extra, 0.5)
    tensors, described = {}, []
    for case in cases:
        gks = case.get("gks", False)
        config = ArrowConfig(top_k=case["k"], router_temperature=case["temperature"], use_gks=gks, rng_seed=7)
        model = create_arrow_model(base_of(base), [str(p) for p in paths], config, general_adapter_paths=[str(p) for p in general] if gks else None).eval()
        if whole and case.get("saved"):
            # Before any forward pass: afterwards the factors would be the subtracted ones.
            model.save_pretrained(folder)
            tidy(folder, base)
        final, sites = run_rows(model, rows)
        tensors[f"{case['name']}|logits"] = final
        for name, (s, c) in sites.items():
            tensors[f"{case['name']}|{name}|similarity"] = s
            tensors[f"{case['name']}|{name}|weights"] = c
        if case.get("base"):
            for name, s in base_similarities(base, model, rows).items():
                tensors[f"{case['name']}|{name}|base"] = s
        described.append({**case, "sites": len(sites)})
    if not whole:
        for name, path in zip(names, paths):
            shutil.copytree(path, folder / name)
    plain = base_of(base)
    with torch.no_grad():
        moved = (tensors[f"{cases[0]['name']}|logits"] - torch.cat([plain(input_ids=torch.tensor([r])).logits[0] for r in rows])).abs().max().item()
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"arrow-{base}.safetensors", {"versions": json.dumps(VERSIONS), "cases": json.dumps(described), "rows": json.dumps(rows), "movedByAdapters": f"{moved:.4f}"})


def main():
    import tempfile
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        make_toy(scratch)
        make_model("llama", ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], {}, [
            {"name": "k2", "k": 2, "temperature": 1.0, "base": True}, {"name": "gks", "k": 2, "temperature": 0.5, "gks": True, "saved": True},
        ], scratch, True)
        make_model("gpt2", ["c_attn", "c_proj", "c_fc"], {"fan_in_fan_out": True}, [
            {"name": "k1", "k": 1, "temperature": 1.0}, {"name": "k2", "k": 2, "temperature": 0.25}, {"name": "k3", "k": 3, "temperature": 2.0},
        ], scratch, False)


if __name__ == "__main__":
    main()
