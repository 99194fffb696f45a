"""Bits per byte: how well a model predicts a text, whatever its tokenizer. Lower is better.

The nats of all predicted tokens, divided by ln 2 and by the UTF-8 bytes those tokens stand for. Separators predict but stand for no bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from samovar.train.distributed import Team
from samovar.train.model import IGNORED, LanguageModel, number_documents


@torch.no_grad()
def measure_bits(
    model: LanguageModel,
    parts: Iterable[tuple[Tensor, Tensor]],
    token_bytes: Tensor,
    separator: int,
    team: Team,
    dtype: torch.dtype,
) -> float:
    """Return bits per byte over parts of tokens and targets, [batch, length] each; each process gives its own, all get the same figure.

    `token_bytes` [vocabulary] holds the bytes of each token, 0 for specials, whose prediction is not counted; nor are targets `IGNORED`.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=team.device)
    model.eval()
    for tokens, targets in parts:
        num_bytes = torch.where(targets == IGNORED, 0, token_bytes[targets.clamp_min(0)])
        with torch.autocast(team.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            nats = model.loss(
                tokens,
                torch.where(num_bytes > 0, targets, IGNORED),
                number_documents(tokens, separator),
                reduction="none",
            )
        sums += torch.stack((nats.double().sum(), num_bytes.double().sum()))
    model.train()
    team.total(sums)
    return float(sums[0] / sums[1] / math.log(2)) if sums[1] else float("nan")
