"""Several documents in one row that do not see each other, with models of any architecture that transformers computes.

transformers keeps documents apart when their positions begin anew and neither a mask nor a cache is given; not every architecture takes part
in that (recurrent ones do not). So it is tried with the model at hand, and where it fails each document of a row is computed alone.
"""

from __future__ import annotations

import inspect
from typing import Any

PROBE = 8
TOLERANCE = 1e-3
"""Largest difference of a logit that counts as rounding."""


def place_documents(tokens: Any, separator: int) -> Any:
    """Return the place of each token in its document, [1, length]: the separator opens one, as in pretraining."""
    import torch

    places = torch.arange(tokens.shape[1], device=tokens.device)
    opens = torch.where(tokens[0] == separator, places, 0)
    return (places - opens.cummax(0).values)[None]


def keeps_apart(model: Any, vocab_size: int) -> bool:
    """Whether the model computes the second of two documents in a row as if it stood alone."""
    import torch

    if "position_ids" not in inspect.signature(_innermost(model).forward).parameters:
        return False
    training = model.training
    model.eval()
    tokens = (7 * torch.arange(2 * PROBE, device=model.device) + 3)[None] % vocab_size
    places = torch.arange(PROBE, device=model.device).repeat(2)[None]
    with torch.no_grad():
        both = model(tokens, position_ids=places, use_cache=False).logits[:, PROBE:]
        alone = model(tokens[:, PROBE:], use_cache=False).logits
    model.train(training)
    return bool(torch.allclose(both, alone, atol=TOLERANCE, rtol=TOLERANCE))


def _innermost(model: Any) -> Any:
    """Return transformers' own model inside peft's."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def compute_row(model: Any, tokens: Any, separator: int, *, together: bool) -> Any:
    """Return the logits of a row, [1, length, vocabulary], in which no document sees another. `together`: see `keeps_apart`."""
    import torch

    places = place_documents(tokens, separator)
    if together:
        return model(tokens, position_ids=places, use_cache=False).logits
    begins = [0, *(number for number in (places[0] == 0).nonzero().flatten().tolist() if number)]
    sizes = [end - begin for begin, end in zip(begins, [*begins[1:], tokens.shape[1]], strict=True)]
    return torch.cat([model(part, use_cache=False).logits for part in tokens.split(sizes, 1)], 1)
