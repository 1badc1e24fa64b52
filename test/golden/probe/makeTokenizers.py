"""Small tokenizers in the old and the new file form, and the ids that transformers gives with them, for tokenizers.test.ts.

Run: python test/golden/probe/makeTokenizers.py   (transformers, tokenizers; writes test/fixtures/tokenizers and tokenizers.json beside this file)
"""

import json
import shutil
from pathlib import Path

import tokenizers
import transformers
from tokenizers import ByteLevelBPETokenizer

HERE = Path(__file__).parent
FIXTURES = HERE.parent.parent / "fixtures"
OUT = FIXTURES / "tokenizers"
TRAINING = [json.loads(line)["text"] for line in (FIXTURES / "banking77-slice.jsonl").read_text(encoding="utf-8").splitlines() if line.strip()]
SAMPLES = [
    "How do I locate my card?", " leading and trailing ", "UPPER lower MiXeD", "numbers 12345 67.8%", "tabs\tand\nnew lines\n\n", "it's, don't; we'll!",
    "na\u00efve caf\u00e9 \u00dcber", "\u4f60\u597d world", "\U0001f600 emoji", "<mask> and [MASK]", "see <mask> here", "a", "", "   ", "e\u0301 combined", "under_score-hyphen/slash", "<|endoftext|> inside",
]


def byte_level(folder: Path, specials: list[str], config: dict):
    folder.mkdir(parents=True, exist_ok=True)
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TRAINING, vocab_size=340, min_frequency=2, special_tokens=specials, show_progress=False)
    trained.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def word_piece(folder: Path, lower: bool):
    folder.mkdir(parents=True, exist_ok=True)
    trained = tokenizers.BertWordPieceTokenizer(lowercase=lower)
    trained.train_from_iterator(TRAINING, vocab_size=300, min_frequency=2, show_progress=False)
    trained.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": lower}, indent=1) + "\n")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    byte_level(OUT / "gpt2", ["<|endoftext|>"], {"tokenizer_class": "GPT2Tokenizer"})
    byte_level(OUT / "roberta", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], {"tokenizer_class": "RobertaTokenizer"})
    word_piece(OUT / "bert", True)
    word_piece(OUT / "bert-cased", False)
    classes = {"gpt2": transformers.GPT2TokenizerFast, "roberta": transformers.RobertaTokenizerFast, "bert": transformers.BertTokenizerFast, "bert-cased": transformers.BertTokenizerFast}
    out = {"madeBy": "test/golden/probe/makeTokenizers.py", "versions": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}, "samples": SAMPLES, "ids": {}, "plain": {}}
    for name, cls in classes.items():
        tokenizer = cls.from_pretrained(OUT / name)
        tokenizer.backend_tokenizer.save(str(OUT / name / "tokenizer.json"))
        out["ids"][name] = [tokenizer(text)["input_ids"] for text in SAMPLES]
        out["plain"][name] = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in SAMPLES]
    stories = transformers.PreTrainedTokenizerFast(tokenizer_file=str(FIXTURES / "stories260k" / "tokenizer.json"))
    out["ids"]["stories260k"] = [stories(text)["input_ids"] for text in SAMPLES]
    out["plain"]["stories260k"] = [stories(text, add_special_tokens=False)["input_ids"] for text in SAMPLES]
    (HERE / "tokenizers.json").write_text(json.dumps(out) + "\n")


main()
