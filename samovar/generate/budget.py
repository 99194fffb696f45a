"""How many passages fit into a prompt: computed beforehand and reported, never left to a silent cut.

Knows nothing about what a passage is; it is whatever `make_messages` can turn into messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from samovar.errors import PromptTooLongError
from samovar.generate.model import Message, Model

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Fitted:
    """The messages to send and which passages (by index) are in them. `prompt_tokens` counts these messages."""

    messages: tuple[Message, ...]
    kept: tuple[int, ...]
    left_out: tuple[int, ...]
    prompt_tokens: int


def fit_passages(
    model: Model,
    make_messages: Callable[[Sequence[P]], Sequence[Message]],
    passages: Sequence[P],
    budget_tokens: int,
    completion_tokens: int,
) -> Fitted:
    """Keep the passages, best first, that fit; a long one that does not fit makes room for shorter ones after it.

    The passages together may cost `budget_tokens` beyond the prompt without any, and prompt plus `completion_tokens` may
    fill the model's context. Costs one token count when all fit, else one for each passage more.

    Raises:
        PromptTooLongError: even without passages the prompt leaves no room for the completion.
    """
    bare = _fitted(model, make_messages, passages, ())
    room = model.context_tokens - completion_tokens
    if bare.prompt_tokens > room:
        raise PromptTooLongError(
            f"the prompt without any passage has {bare.prompt_tokens} tokens; {model.name} holds {model.context_tokens}, "
            f"{completion_tokens} of them kept for the answer: shorten the question or the history, or raise "
            "generate.context_tokens"
        )
    limit = min(room, bare.prompt_tokens + budget_tokens)
    best = _fitted(model, make_messages, passages, range(len(passages))) if passages else bare
    if best.prompt_tokens <= limit:
        return best
    best = bare
    for index in range(len(passages)):
        candidate = _fitted(model, make_messages, passages, (*best.kept, index))
        if candidate.prompt_tokens <= limit:
            best = candidate
    return best


def _fitted(
    model: Model, make_messages: Callable[[Sequence[P]], Sequence[Message]], passages: Sequence[P], kept: Sequence[int]
) -> Fitted:
    messages = tuple(make_messages([passages[index] for index in kept]))
    left_out = tuple(index for index in range(len(passages)) if index not in set(kept))
    return Fitted(messages, tuple(kept), left_out, model.count_tokens(messages))
