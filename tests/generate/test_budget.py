"""Fitting passages: nothing disappears, limits hold, and the counts are those of the messages sent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar.errors import PromptTooLongError
from samovar.generate.budget import fit_passages
from samovar.generate.model import Message
from samovar.generate.scripted import MESSAGE_TOKENS, ScriptedModel

QUESTION = "раз два три"
BARE = 2 * MESSAGE_TOKENS + 3


def make_messages(passages: Sequence[str]) -> list[Message]:
    return [Message("system", " ".join(passages)), Message("user", QUESTION)]


def words(count: int) -> str:
    return " ".join(["слово"] * count)


def test_all_fit_with_two_counts() -> None:
    model = ScriptedModel()
    fitted = fit_passages(model, make_messages, [words(3), words(4)], 100, 50)
    assert (fitted.kept, fitted.left_out) == ((0, 1), ())
    assert fitted.prompt_tokens == BARE + 7
    assert fitted.messages == tuple(make_messages([words(3), words(4)]))


def test_too_long_a_passage_makes_room_for_later_ones() -> None:
    fitted = fit_passages(ScriptedModel(), make_messages, [words(5), words(90), words(4)], 10, 50)
    assert (fitted.kept, fitted.left_out) == ((0, 2), (1,))


def test_context_limits_as_well_as_the_budget() -> None:
    model = ScriptedModel(context_tokens=BARE + 20 + 6)
    fitted = fit_passages(model, make_messages, [words(5), words(5)], 1000, 20)
    assert (fitted.kept, fitted.left_out) == ((0,), (1,))


def test_no_passages_is_fine() -> None:
    fitted = fit_passages(ScriptedModel(), make_messages, [], 0, 10)
    assert (fitted.kept, fitted.left_out, fitted.prompt_tokens) == ((), (), BARE)


def test_not_even_the_bare_prompt_fits() -> None:
    model = ScriptedModel(context_tokens=BARE + 9)
    with pytest.raises(PromptTooLongError, match=rf"{BARE} tokens.*holds {BARE + 9}, 10 of them"):
        fit_passages(model, make_messages, [words(1)], 100, 10)
    assert fit_passages(model, make_messages, [words(1)], 100, 9).left_out == (0,)


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 100), st.integers(0, 60), st.integers(BARE, BARE + 150))
def test_invariants(sizes: list[int], budget: int, completion: int, context: int) -> None:
    model = ScriptedModel(context_tokens=context)
    passages = [words(size) for size in sizes]
    if BARE + completion > context:
        with pytest.raises(PromptTooLongError):
            fit_passages(model, make_messages, passages, budget, completion)
        return
    fitted = fit_passages(model, make_messages, passages, budget, completion)
    assert sorted(fitted.kept + fitted.left_out) == list(range(len(passages)))
    assert list(fitted.kept) == sorted(fitted.kept)
    assert fitted.prompt_tokens == model.count_tokens(fitted.messages)
    assert fitted.prompt_tokens + completion <= context
    assert fitted.prompt_tokens <= BARE + budget
    for index in fitted.left_out:  # nothing was left out that would still have fitted at its turn
        earlier = [passages[i] for i in fitted.kept if i < index]
        cost = model.count_tokens(make_messages([*earlier, passages[index]]))
        assert cost > min(BARE + budget, context - completion)
