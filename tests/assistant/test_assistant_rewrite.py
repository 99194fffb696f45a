"""Follow-up questions in two and three turns: what must, and must not, be in the query that is searched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.assistant.relevance import missing_names
from samovar.assistant.rewrite import Exchange, put_right, rewrite_question
from samovar.language import Profile, available_profiles, profile_for

DIALOGUES = [json.loads(line) for line in Path(__file__).with_name("follow_ups.jsonl").read_text("utf-8").splitlines()]


def _terms(text: str, profile: Profile) -> set[str]:
    return {term for token in profile.tokens(text) for term in profile.terms(token.text)}


def _rewritten(dialogue: dict[str, Any]) -> str:
    profile = profile_for(dialogue["language"])
    history: list[Exchange] = []
    for question in dialogue["turns"]:
        history.append(Exchange(rewrite_question(question, history, profile)))
    history[-1] = Exchange(history[-1].query, dialogue["short"], dialogue["title"])
    return rewrite_question(dialogue["question"], history, profile)


def test_the_set_has_the_size_it_claims() -> None:
    assert len(DIALOGUES) >= 25
    assert {d["language"] for d in DIALOGUES} == {"ru", "en", "tt"}
    assert any(len(d["turns"]) == 2 for d in DIALOGUES)


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda d: d["question"])
def test_a_follow_up_is_searched_with_what_it_leaves_unsaid(dialogue: dict[str, Any]) -> None:
    profile = profile_for(dialogue["language"])
    query = _rewritten(dialogue)
    found = _terms(query, profile)
    assert [w for w in dialogue["must"] if found.isdisjoint(profile.terms(w))] == [], query
    assert [w for w in dialogue["must_not"] if not found.isdisjoint(profile.terms(w))] == [], query
    if dialogue["alone"]:
        assert query == dialogue["question"]


@pytest.mark.parametrize(
    ("text", "typed", "searched", "right"),
    [
        ("Когда родился Пушкн?", "Пушкн", "пушкин", "Когда родился Пушкин?"),
        ("пушкн и Пушкн", "Пушкн", "пушкин", "пушкн и Пушкин"),
        ("rjulf основана", "rjulf", "когда", "когда основана"),
        ("Байкал", "Лена", "река", "Байкал"),
    ],
)
def test_a_mistyped_word_is_put_right(text: str, typed: str, searched: str, right: str) -> None:
    assert put_right(text, typed, searched, profile_for("ru")) == right


@pytest.mark.parametrize(
    ("question", "passage", "missing", "share"),
    [
        ("Где находится Мачу-Пикчу?", "В соборе находится икона Божией Матери.", ["Мачу-Пикчу"], 1.0),
        ("Когда основан Санкт-Петербург?", "В 1703 году на Неве заложили Петербург.", [], 0.0),
        ("Кто такой Юлий Цезарь?", "Цезарь Кюи — русский композитор.", ["Юлий"], 0.5),
        ("Кто выиграл чемпионат 2018 года?", "Чемпионат 1948 года выиграл Ботвинник.", ["2018"], 1.0),
        ("Где учился Pushkin?", "Пушкин учился в лицее.", [], 0.0),
        ("Какая река самая длинная?", "Лена — одна из самых длинных рек.", [], 0.0),
        ("Когда умер Гоголь?", "Писатель умер в 1852 году.", [], 0.0),
    ],
)
def test_names_that_the_passage_does_not_hold(question: str, passage: str, missing: list[str], share: float) -> None:
    assert missing_names(question, passage, ["Николай Васильевич Гоголь"], profile_for("ru")) == (missing, share)


_TEXT = st.text(alphabet=st.sampled_from("аеиоЛПМ бвгд?!.,«»-abcXYZ 019 ӘҗёЁ\u0301\n"), max_size=60)


@given(question=_TEXT, tag=st.sampled_from(available_profiles()))
def test_without_history_a_question_is_left_alone(question: str, tag: str) -> None:
    assert rewrite_question(question, (), profile_for(tag)) == question


@settings(max_examples=60, deadline=None)
@given(question=_TEXT, query=_TEXT, short=_TEXT, title=_TEXT, tag=st.sampled_from(available_profiles()))
def test_any_history_gives_a_query_with_the_words_of_the_question(
    question: str, query: str, short: str, title: str, tag: str
) -> None:
    """Content is never lost: what was typed last is in the query, unless it is an aside before it or an opening like "And"."""
    profile = profile_for(tag)
    rewritten = rewrite_question(question, [Exchange(query, short, title)], profile)
    assert rewrite_question(question, [Exchange(query, short, title)], profile) == rewritten
    sentences = profile.sentences(question)
    if sentences:
        last = question[slice(*sentences[-1])]
        said = _terms(last, profile)
        kept = _terms(rewritten, profile)
        openings = {
            t for w in profile.follow_up_openings | {profile.read_question(last).word} for t in profile.terms(w)
        }
        short_words = {
            t
            for token in profile.tokens(last)
            if len(token.text) == 1 or profile.is_stop_word(token.text)
            for t in profile.terms(token.text)
        }
        assert said - kept <= openings | short_words
