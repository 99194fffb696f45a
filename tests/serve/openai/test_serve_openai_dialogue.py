"""Messages to question and history: the same conversation gives the same queries as when it was asked turn by turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar.assistant.prompts import prompt
from samovar.errors import UsageError
from samovar.serve.chat import LONGEST_QUESTION
from samovar.serve.dialogue import MOST_TURNS, Said, dialogue_of, notes_on

LANGUAGES = ("ru", "en")


def talk(*texts: str) -> list[Said]:
    return [Said("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]


def test_the_last_words_are_the_question_and_the_rest_is_history() -> None:
    found = dialogue_of(
        [Said("system", "s"), *talk("Кто написал «Онегина»?", "Пушкин [1]", "А «Бородино»?")], LANGUAGES
    )
    assert found.question == "А «Бородино»?"
    (turn,) = found.history
    assert (turn.question, turn.answer.text, turn.answer.status) == ("Кто написал «Онегина»?", "Пушкин [1]", "answered")
    assert found.ignored == ("system",)


def test_messages_in_a_row_belong_together() -> None:
    found = dialogue_of([Said("user", "Привет."), Said("user", "Кто изобрёл самовар?")], LANGUAGES)
    assert found.question == "Привет.\nКто изобрёл самовар?"
    assert dialogue_of([Said("assistant", "Здравствуйте!"), Said("user", "Где Байкал?")], LANGUAGES).history == ()


def test_earlier_follow_up_questions_keep_the_query_they_had() -> None:
    found = dialogue_of(
        talk("Кто написал роман «Евгений Онегин»?", "Пушкин.", "А «Мёртвые души»?", "Гоголь.", "Когда?"), LANGUAGES
    )
    assert found.history[1].question == "А «Мёртвые души»?"
    assert found.history[1].answer.query != "А «Мёртвые души»?"
    assert "Кто написал" in found.history[1].answer.query
    assert "души" in found.history[1].answer.query


def test_our_abstentions_are_known_in_every_language() -> None:
    for name in ("abstain", "abstain_found"):
        for tag in LANGUAGES:
            found = dialogue_of(talk("Кто?", prompt(name, tag), "А где?"), LANGUAGES)
            assert found.history[0].answer.status == "abstained"


def test_a_cited_title_comes_back() -> None:
    messages = [Said("user", "Кто?"), Said("assistant", "Он [1]", "Байкал"), Said("user", "А где?")]
    assert dialogue_of(messages, LANGUAGES).history[0].answer.citations[0].title == "Байкал"


@pytest.mark.parametrize(
    "messages",
    [[], talk(""), talk("а", "б"), [Said("system", "а")], [Said("tool", "а")], talk("  \n "), talk("а" * (LONGEST_QUESTION + 1))],
)  # fmt: skip
def test_without_a_question_there_is_nothing_to_answer(messages: list[Said]) -> None:
    with pytest.raises(UsageError, match="expected"):
        dialogue_of(messages, LANGUAGES)


ROLES = st.sampled_from(["system", "user", "assistant", "tool"])


@given(st.lists(st.builds(Said, ROLES, st.text(max_size=30) | st.just("Кто это?")), max_size=12))
def test_any_conversation_ends_in_a_question_or_a_usage_error(messages: list[Said]) -> None:
    spoken = [m for m in messages if m.role in ("user", "assistant")]
    try:
        found = dialogue_of(messages, LANGUAGES)
    except UsageError:
        tail = []
        for message in reversed(spoken):
            if message.role != "user":
                break
            tail.append(message.text)
        assert not "\n".join(tail).strip()
        return
    assert found.question == found.question.strip() != ""
    assert spoken[-1].text.strip() in found.question
    assert len(found.history) <= MOST_TURNS


def test_notes_are_in_the_language_of_the_question() -> None:
    assert "Системные" in notes_on(["system"], "Кто это?", LANGUAGES)[0]
    assert "System" in notes_on(["system"], "Who is it?", LANGUAGES)[0]
