"""Trains one rank-4 LoRA on one domain with peft and saves it, in bf16, as peft does.

    python lora.py --work FOLDER --base MODEL_FOLDER --domain banking|dutch --minutes 5 --export FOLDER
"""
import argparse
import csv
import math
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from train import CONTEXT, Rows, encode, loss_of, quick_validation

RANK, ALPHA, RATE, SEED, BATCH = 4, 8, 4e-3, 1, 4
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--export", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    train, held = encode(args.work, f"adapter-{args.domain}-train"), encode(args.work, f"adapter-{args.domain}-heldout")
    base = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM"))
    inner = model.get_base_model()
    rows = Rows(train, SEED)
    adam = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0.0)
    log = args.work / f"lora-{args.domain}-log.csv"
    log.write_text("step,tokens,seconds,trainLoss,heldoutLoss\n")
    began, step, running = time.monotonic(), 0, None

    def note():
        with open(log, "a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([step, step * BATCH * CONTEXT, round(time.monotonic() - began, 1),
                                                            "" if running is None else round(running, 4),
                                                            f"{quick_validation(inner, held, rows=8):.4f}"])

    note()
    while (progress := (time.monotonic() - began) / (args.minutes * 60)) < 1:
        loss = loss_of(inner, rows.batch(BATCH))
        loss.backward()
        for group in adam.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * progress))
        adam.step()
        adam.zero_grad()
        step += 1
        running = loss.item() if running is None else 0.9 * running + 0.1 * loss.item()
        if step % 20 == 0:
            note()
    note()
    model.peft_config["default"].base_model_name_or_path = "modulens-sample"
    model.to(torch.bfloat16).save_pretrained(args.export)
    (args.export / "adapter_model.safetensors").chmod(0o644)
    (args.export / "README.md").write_text(f"# lora-{args.domain}\n\nLoRA of rank {RANK}, alpha {ALPHA}, for `modulens-sample`; data, licences and losses: `../README.md`.\n", encoding="utf-8")


if __name__ == "__main__":
    main()
