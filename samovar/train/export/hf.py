"""Write a Hugging Face folder: safetensors, config, generation config, tokenizer, chat template. transformers and vLLM load it unmodified."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from samovar.train.bpe import CHAT_TEMPLATE
from samovar.train.card import ORIGIN, read_origin
from samovar.train.disk import disk_errors
from samovar.train.drafts import write_json
from samovar.train.export.trained import Trained

TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "ranks.tiktoken", "samovar.json")


def write_hf(trained: Trained, folder: Path, kind: str = "f32") -> None:
    """Write the files into an existing folder; `kind` is the type of the weights. What the model began with is carried on (``origin.json``)."""
    dtype = TYPES[kind]
    words = trained.tokenizer
    config = trained.config.to_hf(eos_token_id=words.turn_end)
    name = str(dtype).removeprefix("torch.")
    config["dtype"] = config["torch_dtype"] = name  # the new name and the one before transformers 5
    config["pad_token_id"] = words.end_of_text
    weights = {name: tensor.to(dtype).contiguous() for name, tensor in trained.weights.items()}
    with disk_errors():
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config)
    write_json(
        folder / "generation_config.json",
        {"eos_token_id": [words.turn_end, words.end_of_text], "pad_token_id": words.end_of_text, "do_sample": False},
    )
    for name in _TOKENIZER_FILES:
        if trained.tokenizer_folder != folder:
            shutil.copyfile(trained.tokenizer_folder / name, folder / name)
    if origin := read_origin(trained.folder):
        write_json(folder / ORIGIN, origin)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, "utf-8")
