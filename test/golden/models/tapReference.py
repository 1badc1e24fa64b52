"""Reads the taps of design section 5 out of a transformers model with forward hooks, one row at a time.

Used by makeGoldens.py and realModels.py. Nothing is recomputed here: each tap is what the model's own
modules received or returned, in evaluation mode, without padding.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch


@dataclass(frozen=True)
class Places:
    """Where a family keeps its parts: module paths, `{i}` is the block. A shared block has a path without `{i}`."""

    block: str
    attention_out: str
    up: str
    down: str
    gate: str | None = None
    final_norm: str | None = None
    mixture: str | None = None
    heads: str | None = None
    """Where a mixture of attention heads stands."""
    """Where a mixture of experts stands in blocks that have one."""


def _bert_like(prefix: str) -> Places:
    block = prefix + "encoder.layer.{i}"
    return Places(block, block + ".attention.output.dense", block + ".intermediate.dense", block + ".output.dense")


def _llama_like(norm: str = "model.norm") -> Places:
    block = "model.layers.{i}"
    mlp = block + ".mlp."
    return Places(
        block, block + ".self_attn.o_proj", mlp + "up_proj", mlp + "down_proj", mlp + "gate_proj", norm, block + ".mlp",
    )


def _gpt2(prefix: str) -> Places:
    block = prefix + "h.{i}"
    return Places(block, block + ".attn.c_proj", block + ".mlp.c_fc", block + ".mlp.c_proj", None, prefix + "ln_f")


def places_of(model) -> Places:
    """The places of a loaded model, by its class."""
    name = type(model).__name__
    if name == "GPT2LMHeadModel":
        return _gpt2("transformer.")
    if name == "GPT2Model":
        return _gpt2("")
    if name in ("BertForMaskedLM", "BertForSequenceClassification"):
        return _bert_like("bert.")
    if name == "BertModel":
        return _bert_like("")
    if name in ("RobertaForMaskedLM", "XLMRobertaForMaskedLM"):
        return _bert_like("roberta.")
    if name == "DistilBertForMaskedLM":
        block = "distilbert.transformer.layer.{i}"
        return Places(block, block + ".attention.out_lin", block + ".ffn.lin1", block + ".ffn.lin2")
    if name == "AlbertForMaskedLM":
        groups = model.config.num_hidden_groups
        block = "albert.encoder.albert_layer_groups." + ("0" if groups == 1 else "{g}") + ".albert_layers.0"
        return Places(block, block + ".attention.dense", block + ".ffn", block + ".ffn_output")
    if name == "GPTNeoXForCausalLM":
        block = "gpt_neox.layers.{i}"
        return Places(
            block, block + ".attention.dense", block + ".mlp.dense_h_to_4h", block + ".mlp.dense_4h_to_h",
            None, "gpt_neox.final_layer_norm",
        )
    if name == "OPTForCausalLM":
        block = "model.decoder.layers.{i}"
        norm = "model.decoder.final_layer_norm" if model.model.decoder.final_layer_norm is not None else None
        return Places(block, block + ".self_attn.out_proj", block + ".fc1", block + ".fc2", None, norm)
    if name == "GraniteMoeForCausalLM":
        return replace(_llama_like(), mixture="model.layers.{i}.block_sparse_moe")
    if name == "JetMoeForCausalLM":
        attention = "model.layers.{i}.self_attention"
        return replace(_llama_like(), attention_out=attention, heads=attention + ".experts")
    if hasattr(model, "model") and hasattr(model.model, "layers"):
        return _llama_like()
    raise ValueError(f"no places known for {name}")


def _first(value):
    return value[0] if isinstance(value, tuple) else value


def _logits(routed):
    """Logits of a router's output: JetMoE's puts them last."""
    return routed[-1] if len(routed) > 3 else routed[0]


def _choice(routed):
    """Logits, weights and experts `[tokens, k]` of a router's output. JetMoE's groups tokens by expert: it is put back in order."""
    if len(routed) == 3:
        return routed
    order, tokens, gates, sizes, logits = routed
    k = order.numel() // logits.shape[0]
    weights, experts = torch.zeros(order.numel()), torch.zeros(order.numel(), dtype=torch.long)
    weights[order] = gates.float()
    experts[order] = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return logits, weights.reshape(-1, k), experts.reshape(-1, k)


def mixture_of(model, places: Places, i: int):
    """The mixture of experts of block i, or None where the block has a dense FFN."""
    if places.mixture is None:
        return None
    module = model.get_submodule(places.block.format(i=i, g=0))
    for part in places.mixture.removeprefix(places.block).strip(".").split("."):
        module = getattr(module, part, None)
    return module if hasattr(module, "router") or hasattr(module, "experts") else None


def router_of(mixture):
    return mixture.router if hasattr(mixture, "router") else mixture.gate


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().reshape(-1, tensor.shape[-1]).to(torch.float32).clone()


class _Recorder:
    """Hooks that append what they see under a key; a shared module is told apart by the order of its calls."""

    def __init__(self) -> None:
        self.seen: dict[str, list[torch.Tensor]] = {}
        self.handles = []

    def _add(self, key: str, tensor: torch.Tensor) -> None:
        self.seen.setdefault(key, []).append(_flat(tensor))

    def watch(self, module: torch.nn.Module, before: str | None, after: str | None, read=_first) -> None:
        if before is not None:
            def on_input(_module, args, kwargs):
                self._add(before, args[0] if len(args) > 0 else kwargs["hidden_states"])
            self.handles.append(module.register_forward_pre_hook(on_input, with_kwargs=True))
        if after is not None:
            self.handles.append(module.register_forward_hook(lambda _m, _a, out: self._add(after, read(out))))

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def _part(model, base, path: str):
    """A module by its path; under PEFT the wrapped linear map stands in the same place and includes the adapter."""
    return (base or model).get_submodule(path)


def block_count(config) -> int:
    return getattr(config, "num_hidden_layers", None) or config.n_layer


def reference_taps(model, rows: list[list[int]], base=None) -> dict[str, torch.Tensor]:
    """All taps of `rows`, concatenated in order: name -> [tokens, width] float32. `base` = the model inside a PEFT one."""
    inner = base or model
    config = inner.config
    blocks = block_count(config)
    places = places_of(inner)
    parts: dict[str, list[torch.Tensor]] = {}
    for row in rows:
        recorder = _Recorder()
        # A path without {i} serves several blocks in the order of the calls.
        paths: dict[str, list[int]] = {}
        groups = getattr(config, "num_hidden_groups", None)
        for i in range(blocks):
            group = int(i / (blocks / groups)) if groups else 0
            paths.setdefault(places.block.format(i=i, g=group), []).append(i)
        for path, owners in paths.items():
            i, group = owners[0], int(path.split("albert_layer_groups.")[1].split(".")[0]) if groups else 0
            at = lambda p: _part(model, base, p.format(i=i, g=group))
            recorder.watch(at(places.block), f"{path}|input", f"{path}|output")
            recorder.watch(at(places.attention_out), None, f"{path}|attention.output")
            if places.heads is not None:
                recorder.watch(at(places.heads).router, None, f"{path}|attention.router.logits", _logits)
            mixture = mixture_of(inner, places, i)
            if mixture is not None:
                recorder.watch(mixture, f"{path}|ffn.input", f"{path}|ffn.output")
                recorder.watch(router_of(mixture), None, f"{path}|router.logits", _logits)
                continue
            recorder.watch(at(places.up), f"{path}|ffn.input", f"{path}|ffn.up")
            recorder.watch(at(places.down), f"{path}|ffn.hidden", f"{path}|ffn.output")
            if places.gate is not None:
                recorder.watch(at(places.gate), None, f"{path}|ffn.gate")
        if places.final_norm is not None:
            recorder.watch(_part(model, base, places.final_norm), None, "final")
        with torch.no_grad():
            result = model(input_ids=torch.tensor([row]))
        recorder.remove()
        for key, calls in recorder.seen.items():
            if key == "final":
                assert len(calls) == 1
                parts.setdefault("final", []).append(calls[0])
                continue
            path, tap = key.split("|")
            assert len(calls) == len(paths[path]), (key, len(calls))
            for owner, call in zip(paths[path], calls):
                assert call.shape[0] == len(row), (key, call.shape)
                parts.setdefault(f"blocks.{owner}.{tap}", []).append(call)
        if getattr(result, "logits", None) is not None and result.logits.dim() == 3:
            parts.setdefault("logits", []).append(_flat(result.logits))
    taps = {name: torch.cat(pieces) for name, pieces in parts.items()}
    taps["embeddings"] = taps["blocks.0.input"].clone()
    if places.final_norm is None:
        taps["final"] = taps[f"blocks.{blocks - 1}.output"].clone()
    return dict(sorted(taps.items()))


def reference_routing(model, rows: list[list[int]]) -> tuple[dict[str, torch.Tensor], float]:
    """Chosen experts and weights `[tokens, k]` per mixture as the router returned them (ids as float32), ordered by expert, and the
    smallest margin between the logits of the last chosen expert and the first one left out."""
    places, parts, margin = places_of(model), {}, float("inf")
    for row in rows:
        handles = []
        for i in range(block_count(model.config)):
            routers = {}
            if places.heads is not None:
                routers[f"blocks.{i}.attention"] = model.get_submodule(places.heads.format(i=i)).router
            if mixture_of(model, places, i) is not None:
                routers[f"blocks.{i}"] = router_of(mixture_of(model, places, i))

            def on_output(_module, _args, out, name):
                nonlocal margin
                logits, weights, experts = _choice(out)
                k = experts.shape[-1]
                ranked = logits.sort(dim=-1, descending=True).values
                margin = min(margin, float((ranked[:, k - 1] - ranked[:, k]).min()))
                order = experts.argsort(dim=-1)
                parts.setdefault(f"{name}.experts", []).append(_flat(experts.gather(-1, order)))
                parts.setdefault(f"{name}.weights", []).append(_flat(weights.gather(-1, order)))

            handles += [router.register_forward_hook(partial(on_output, name=name)) for name, router in routers.items()]
        with torch.no_grad():
            model(input_ids=torch.tensor([row]))
        for handle in handles:
            handle.remove()
    return {name: torch.cat(pieces) for name, pieces in sorted(parts.items())}, margin


def worst_relative(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> tuple[float, str]:
    """Largest max|a - b| / max|b| over the taps that both have, and that tap's name."""
    worst, where = 0.0, ""
    for name in b:
        if name in a and a[name].shape == b[name].shape:
            value = float((a[name] - b[name]).abs().max() / b[name].abs().max().clamp_min(1e-30))
            if value >= worst:
                worst, where = value, name
    return worst, where
