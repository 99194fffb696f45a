"""The scripted model behaves like a model: pieces join, counts add up, cancel and failures show."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.errors import ModelError, PromptTooLongError
from samovar.generate.model import Cancel, GenerationOptions, Message, Model, Piece
from samovar.generate.scripted import MESSAGE_TOKENS, ScriptedModel, echo_model, echo_of, split_text

QUESTION = [Message("user", "Кто написал «Мёртвые души»?")]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@given(st.text(), st.sampled_from(["word", "character", "whole"]))
def test_pieces_join_to_the_text(text: str, pieces: str) -> None:
    parts = split_text(text, pieces)  # type: ignore[arg-type]
    assert "".join(parts) == text
    assert all(parts)


@given(st.text(max_size=80), st.sampled_from(["word", "character", "whole"]))
@settings(max_examples=50)
def test_stream_gives_the_reply_and_one_last_piece(text: str, pieces: str) -> None:
    got = list(ScriptedModel([text], pieces=pieces).stream(QUESTION))  # type: ignore[arg-type]
    assert text_of(got) == text
    assert [piece.stop_reason for piece in got[:-1]] == [None] * (len(got) - 1)
    assert got[-1].stop_reason == "stop"


def test_is_a_model_and_remembers_requests() -> None:
    model = ScriptedModel(["раз", "два"])
    assert isinstance(model, Model)
    options = GenerationOptions(temperature=0.5)
    assert text_of(list(model.stream(QUESTION, options))) == "раз"
    assert text_of(list(model.stream(QUESTION))) == "два"
    assert text_of(list(model.stream(QUESTION))) == "два"
    assert model.requests[0].messages == tuple(QUESTION)
    assert model.requests[0].options == options
    assert len(model.requests) == 3


def test_replies_may_be_a_function() -> None:
    model = ScriptedModel(lambda messages: messages[-1].content.upper())
    assert text_of(list(model.stream([Message("user", "да")]))) == "ДА"


def test_usage_and_count_can_be_checked_by_hand() -> None:
    model = ScriptedModel(["три слова тут"])
    last = list(model.stream(QUESTION))[-1]
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (MESSAGE_TOKENS + 4, 3)
    assert model.count_tokens(QUESTION) == MESSAGE_TOKENS + 4


def test_max_tokens_cuts_with_length_and_stop_strings_with_stop() -> None:
    got = list(ScriptedModel(["a b c d"]).stream(QUESTION, GenerationOptions(max_tokens=2)))
    assert (text_of(got), got[-1].stop_reason) == ("a b", "length")
    got = list(ScriptedModel(["a b; c d"]).stream(QUESTION, GenerationOptions(stop=(";", "zz"))))
    assert (text_of(got), got[-1].stop_reason) == ("a b", "stop")


def test_cancel_before_during_and_while_waiting() -> None:
    cancel = Cancel()
    stream = ScriptedModel(["a b c d"]).stream(QUESTION, cancel=cancel)
    assert next(stream).text == "a"
    cancel.set()
    assert [(p.text, p.stop_reason) for p in stream] == [("", "cancelled")]

    late = Cancel()
    threading.Timer(0.05, late.set).start()
    got = list(ScriptedModel(["a b"], delay_seconds=60).stream(QUESTION, cancel=late))
    assert [p.stop_reason for p in got] == ["cancelled"]


def test_fails_in_the_middle_as_told() -> None:
    stream = ScriptedModel(["a b c d"], fail_after=2).stream(QUESTION)
    assert [next(stream).text, next(stream).text] == ["a", " b"]
    with pytest.raises(ModelError, match="after 2 pieces"):
        next(stream)


def test_fails_even_when_the_reply_is_shorter() -> None:
    with pytest.raises(ModelError, match="after 9 pieces"):
        list(ScriptedModel(["a"], fail_after=9).stream(QUESTION))


def test_reply_may_be_an_error_or_a_refusal() -> None:
    with pytest.raises(ModelError, match="упало"):
        list(ScriptedModel([ModelError("упало")]).stream(QUESTION))
    assert list(ScriptedModel([Piece("нет", "refused")]).stream(QUESTION))[-1].stop_reason == "refused"


def test_prompt_too_long_before_the_first_piece() -> None:
    with pytest.raises(PromptTooLongError, match="holds 6"):
        next(ScriptedModel(["a"], context_tokens=6).stream(QUESTION))


def test_context_limits_the_completion() -> None:
    got = list(ScriptedModel(["a b c d e"], context_tokens=MESSAGE_TOKENS + 4 + 2).stream(QUESTION))
    assert (text_of(got), got[-1].stop_reason) == ("a b", "length")


def test_needs_replies() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ScriptedModel([])


def test_an_echo_carries_its_question_in_every_word() -> None:
    model = echo_model("echo,words=3")
    text = "".join(piece.text for piece in model.stream([Message("user", "q17 what?")]))
    assert text == "q17.0 q17.1 q17.2" == echo_of("q17 what?", 3)
    assert model.requests == []
    assert echo_of("", 1) == "-.0"


@pytest.mark.parametrize("setting", ["echo,words", "echo,words=x", "echo,size=3", "echo,delay=-1", "echo,"])
def test_an_echo_that_is_set_wrongly_is_refused(setting: str) -> None:
    with pytest.raises(ModelError, match="scripted:echo"):
        echo_model(setting)
