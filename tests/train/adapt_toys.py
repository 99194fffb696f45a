"""Toys for the adaptation tests: Hugging Face models of random weights around real, small tokenizers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from samovar.train.tokenizer import Tokenizer

ENGLISH = (
    "The samovar stands on the table. Water boils in it, tea is poured out of it.",
    "In 1837 the first railway was opened; it was 27 km long.",
    "A word for every thing, and a thing for every word: that is a dictionary.",
)


def write_corpus(folder: Path, texts: list[str]) -> Path:
    """Write texts as files."""
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number:04}.md").write_text(text, "utf-8")
    return folder


def make_hf(folder: Path, tokenizer_folder: Path, kind: str = "qwen3", *, tied: bool = True, **changes: Any) -> Path:
    """Write a random model of transformers with our tokenizer's files but not our own ones: somebody else's model."""
    import torch
    import transformers

    words = Tokenizer.load(tokenizer_folder)
    shape = {
        "vocab_size": words.vocab_size + 64,  # rows that no token has, as Qwen's models have
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 96,
        "max_position_embeddings": 512,
        "tie_word_embeddings": tied,
        "bos_token_id": words.end_of_text,
        "eos_token_id": [words.turn_end, words.end_of_text],
        "pad_token_id": words.end_of_text,
    } | changes
    config = {"qwen3": transformers.Qwen3Config, "llama": transformers.LlamaConfig}[kind](**shape)
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.12) if weight.ndim == 2 else weight.uniform_(0.6, 1.4)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((tokenizer_folder / name).read_bytes())
    (folder / "LICENSE").write_text("terms", "utf-8")
    return folder


def change_json(path: Path, **values: Any) -> None:
    """Change values of a JSON object."""
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")
