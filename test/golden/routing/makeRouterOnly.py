"""Makes the golden references of families of which only the routers are built: what the routers of a tiny random model read
and decide, as the family's own code computes it.

    python test/golden/routing/makeRouterOnly.py MODULEFORMER_FOLDER

Switch Transformers: transformers runs encoder and decoder of a whole model; hooks record what each router reads and returns.
ModuleFormer: the gate of IBM's released code (github.com/IBM/ModuleFormer, MODULEFORMER_FOLDER is a checkout of it) runs on
normalised random states, for each of its three kinds of gate. Writes test/fixtures/routing/router-only/.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import safetensors
import torch
import transformers
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "fixtures" / "routing" / "router-only"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "safetensors": safetensors.__version__}


def dense(experts, weights, count):
    return torch.zeros(experts.shape[0], count).scatter(1, experts, weights)


def switch():
    folder = OUT / "switch"
    folder.mkdir(parents=True)
    torch.manual_seed(11)
    config = transformers.SwitchTransformersConfig(
        vocab_size=40, d_model=12, d_kv=4, d_ff=10, num_heads=3, num_layers=4, num_sparse_encoder_layers=2, num_decoder_layers=4, num_sparse_decoder_layers=2,
        num_experts=5, expert_capacity=4, router_bias=True, relative_attention_num_buckets=8, decoder_start_token_id=0,
    )
    model = transformers.SwitchTransformersForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_((1 + 0.3 * torch.randn(parameter.shape)) if "layer_norm" in name else 0.4 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    texts, seen, handles = [17, 9], {}, []
    for stack, prefix in (("encoder", "encoder."), ("decoder", "")):
        for i, block in enumerate(getattr(model, stack).block):
            mlp = block.layer[-1].mlp
            if not hasattr(mlp, "router"):
                continue

            def on_output(_module, args, out, site=f"{prefix}blocks.{i}.ffn"):
                experts, probability, logits = out
                seen.setdefault(site, []).append((args[0][0].float(), logits[0].float(), (experts * probability)[0].float()))

            handles.append(mlp.router.register_forward_hook(on_output))
    for n in texts:
        with torch.no_grad():
            model(input_ids=torch.randint(2, 40, (1, n)), decoder_input_ids=torch.randint(2, 40, (1, n)))
    golden, dropped = {}, 0
    for stack, of in (("encoder", lambda site: site.startswith("encoder.")), ("decoder", lambda site: not site.startswith("encoder."))):
        sites = {site: calls for site, calls in seen.items() if of(site)}
        save_file({site: torch.cat([call[0] for call in calls]).contiguous() for site, calls in sites.items()}, folder.parent / f"switch-{stack}.safetensors", metadata={"tokensPerText": json.dumps(texts), "versions": json.dumps(VERSIONS)})
        for site, calls in sites.items():
            golden[f"{site}.logits"] = torch.cat([call[1] for call in calls]).contiguous()
            golden[f"{site}.weights"] = torch.cat([call[2] for call in calls]).contiguous()
            dropped += int((golden[f"{site}.weights"].sum(-1) == 0).sum())
    assert len(seen) == 4 and dropped > 0, (list(seen), dropped)
    save_file(golden, folder.parent / "switch-golden.safetensors", metadata={"versions": json.dumps(VERSIONS)})
    print("switch", sorted(seen), "without room:", dropped)


def moduleformer(code):
    sys.path.insert(0, str(Path(code) / "moduleformer"))
    from utils.gate import top_k_gating

    commit = subprocess.run(["git", "-C", code, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() or "850f1eb7804fbd644ca60437277448c162350a6c"
    versions = {**VERSIONS, "IBM/ModuleFormer": commit}
    for kind in ("mlp", "linear", "gmm"):
        torch.manual_seed(23)
        folder = OUT / f"moduleformer-{kind}"
        folder.mkdir(parents=True)
        config = {"model_type": "moduleformer", "n_embd": 12, "n_layer": 2, "n_att_experts": 3, "k_att": 2, "n_mlp_experts": 6, "k_mlp": 3, "gating_size": 8, "gate_type": kind}
        (folder / "config.json").write_text(json.dumps(config) + "\n")
        tensors, hidden, golden = {}, {}, {}
        for i in range(2):
            for part, site, experts, k in (("attn.q_proj", "attention", 3, 2), ("mlpf", "ffn", 6, 3)):
                gate = top_k_gating(12, experts, k, hidden_size=8, gate_type=kind, dropout=0.0).eval()
                with torch.no_grad():
                    for parameter in gate.parameters():
                        parameter.copy_(0.7 * torch.randn(parameter.shape))
                    x = torch.nn.functional.layer_norm(torch.randn(20, 12), (12,))
                    chosen, weights, probabilities = gate(x)
                tensors.update({f"transformer.h.{i}.{part}.gate.{name}": value.clone().contiguous() for name, value in gate.state_dict().items()})
                hidden[f"blocks.{i}.{site}"] = x
                golden[f"blocks.{i}.{site}.weights"] = dense(chosen, weights.detach(), experts)
                golden[f"blocks.{i}.{site}.probabilities"] = probabilities.detach().contiguous()
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        save_file(hidden, OUT / f"moduleformer-{kind}-hidden.safetensors", metadata={"tokensPerText": "[12, 8]", "versions": json.dumps(versions)})
        save_file(golden, OUT / f"moduleformer-{kind}-golden.safetensors", metadata={"versions": json.dumps(versions)})
        print("moduleformer", kind, list(tensors)[:3])


shutil.rmtree(OUT, ignore_errors=True)
switch()
moduleformer(sys.argv[1])
