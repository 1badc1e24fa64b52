"""Losses and label accuracies as transformers and PEFT compute them, for evaluation.test.ts.

Run: python test/golden/evaluation/makeEvaluation.py   (torch, transformers, peft; writes evaluation.json beside this file)
"""

import json
import math
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from peft import PeftModel
from peft.tuners.lora import LoraLayer

HERE = Path(__file__).parent
FIXTURES = HERE.parent.parent / "fixtures"
STORIES = FIXTURES / "stories260k"
ROWS = [json.loads(line) for line in (FIXTURES / "banking77-slice.jsonl").read_text(encoding="utf-8").splitlines() if line.strip()]
LABELS = list(dict.fromkeys(row["label"] for row in ROWS))
torch.set_num_threads(1)


def log_probabilities(model, ids):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    return torch.log_softmax(logits.double(), dim=-1)


def windowed_nll(model, ids, context):
    """Windows of the context at half its stride; an id belongs to the first window that holds it."""
    total, count, seen, begin = 0.0, 0, 0, 0
    while seen < len(ids):
        end = min(begin + context, len(ids))
        table = log_probabilities(model, ids[begin:end])
        for i in range(max(1, seen), end):
            total -= table[i - 1 - begin, ids[i]].item()
            count += 1
        seen = end
        begin += context // 2
    return total, count


def loss(model, tokenizer, texts, context):
    total, count, size = 0.0, 0, 0
    for text in texts:
        nll, n = windowed_nll(model, tokenizer(text)["input_ids"], context)
        total, count, size = total + nll, count + n, size + len(text.encode("utf-8"))
    return {"tokens": count, "lossPerToken": total / count, "bitsPerByte": total / math.log(2) / size}


def accuracy(model, tokenizer):
    right, margin = 0, math.inf
    for row in ROWS:
        start = tokenizer(row["text"])["input_ids"]
        scores = []
        for label in LABELS:
            ids = tokenizer(row["text"] + " " + label)["input_ids"]
            common = 0
            while common < len(start) and common < len(ids) and start[common] == ids[common]:
                common += 1
            table = log_probabilities(model, ids)
            scores.append(sum(table[i - 1, ids[i]].item() for i in range(max(1, common), len(ids))) / len(label))
        ranked = sorted(scores, reverse=True)
        margin = min(margin, ranked[0] - ranked[1])
        right += LABELS[scores.index(max(scores))] == row["label"]
    return {"accuracy": right / len(ROWS), "smallestMargin": margin}


def stories(module=None, strength=1.0):
    model = transformers.AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.float32, attn_implementation="eager").eval()
    if module:
        model = PeftModel.from_pretrained(model, FIXTURES / "stories260k-modules" / module).eval()
        for part in model.modules():
            if isinstance(part, LoraLayer):
                part.scale_layer(strength)
    return model


def pseudo():
    """Every id that is no special token masked in turn, with a small letter vocabulary on the golden bert."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    texts = ["hidden modules", "a B c", "zebra crossing?", "x" * 70]
    folder = FIXTURES / "golden" / "bert"
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        tokenizer = transformers.BertTokenizer.from_pretrained(scratch)
    model = transformers.BertForMaskedLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    context = model.config.max_position_embeddings
    total, count, size = 0.0, 0, 0
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        seen, begin = 0, 0
        while seen < len(ids):
            end = min(begin + context, len(ids))
            for i in range(seen, end):
                if ids[i] in tokenizer.all_special_ids:
                    continue
                masked = list(ids[begin:end])
                masked[i - begin] = tokenizer.mask_token_id
                total -= log_probabilities(model, masked)[i - begin, ids[i]].item()
                count += 1
            seen = end
            begin += context // 2
        size += len(text.encode("utf-8"))
    return {"vocabulary": vocabulary, "texts": texts, "tokens": count, "lossPerToken": total / count, "bitsPerByte": total / math.log(2) / size}


def main():
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(STORIES / "tokenizer.json"))
    context = json.loads((STORIES / "config.json").read_text())["max_position_embeddings"]
    texts = [row["text"] for row in ROWS]
    long = " ".join(texts)
    out = {"madeBy": "test/golden/evaluation/makeEvaluation.py", "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}, "runs": []}
    for module, strength in ((None, 1.0), ("lora-bank-r4", 1.0), ("lora-bank-r4", 0.5), ("lora-code-r8", 1.0)):
        model = stories(module, strength)
        out["runs"].append({"module": module, "strength": strength, **loss(model, tokenizer, texts, context), **(accuracy(model, tokenizer) if strength == 1.0 else {})})
    model = stories()
    out["long"] = {"ids": len(tokenizer(long)["input_ids"]), "context": context, **loss(model, tokenizer, [long, "Once upon a time"], context)}
    pairs = [row["text"] + "\n" + row["label"] for row in ROWS[:10]]
    out["pairs"] = loss(model, tokenizer, pairs, context)
    out["pseudo"] = pseudo()
    (HERE / "evaluation.json").write_text(json.dumps(out, indent=1) + "\n")


main()
