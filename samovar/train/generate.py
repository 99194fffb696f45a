"""Continue a text greedily with the model in training: to look at, not to serve. No cache: short samples only."""

from __future__ import annotations

import torch

from samovar.train.model import LanguageModel


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
