"""Continue a text greedily with the model in training: to look at, not to serve. No cache: short samples only."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from samovar.train.model import LanguageModel

if TYPE_CHECKING:
    from samovar.train.tokenizer import Tokenizer

NUM_PROMPTS = 3
PROMPT_WORDS = 4


@torch.no_grad()
def continue_greedily(
    model: LanguageModel, tokens: list[int], num_tokens: int, *, stop: int | None = None
) -> list[int]:
    """Return the tokens that follow, at most `num_tokens`; ends before `stop`."""
    device = next(model.parameters()).device
    found: list[int] = []
    for _ in range(num_tokens):
        window = torch.tensor([(tokens + found)[-model.config.max_seq_len :]], device=device)
        following = int(model(window)[0, -1].argmax())
        if following == stop:
            break
        found.append(following)
    return found


def read_beginnings(tokens: Path, tokenizer: Tokenizer, count: int = NUM_PROMPTS) -> tuple[str, ...]:
    """Return the first words of held-out documents: prompts in whatever language the texts are."""
    from samovar.train.shards import read_held_out

    found: list[str] = []
    for ids in islice(read_held_out(tokens, tokenizer.sha256), count):
        words = tokenizer.decode(ids[:64]).split()[:PROMPT_WORDS]
        found += [" ".join(words)] if words else []
    return tuple(found)
