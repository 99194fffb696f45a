"""Slots: one per token, in order, with every reading of a word; offsets come back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.language import profile_for
from samovar.language.token import tokenize
from samovar.search import analysis
from samovar.search.analysis import (
    PassageAnalyser,
    QueryAnalyser,
    analyser_version,
    is_mixed,
    number_term,
    slot_spans,
)

ANALYSER = PassageAnalyser()
WORDS = st.sampled_from(
    [
        "стали",
        "мост",
        "Мёртвые",
        "души",
        "1",
        "799",
        "HD-качество",
        "кое-кто",
        "Peter's",
        "_",
        "6,5",
        "tea",
        "Тула",
        ".",
        "!",
        "?",
        "\n\n",
        "«",
        "»",
        "и",
    ]
)
TEXT = st.lists(WORDS, max_size=30).map(" ".join) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), max_size=60
)


def slots_of(text: str, language: str) -> list[list[str]]:
    """The slots of a text as lists of terms."""
    return [slot.split(" ") for line in ANALYSER.analyse(text, language).lines for slot in line]


@given(TEXT, st.sampled_from(["ru", "en", "tt", "und"]))
@settings(max_examples=150, deadline=None)
def test_one_slot_per_token(text: str, language: str) -> None:
    made = ANALYSER.analyse(text, language)
    spans = slot_spans(text)
    assert made.length == len(spans) == sum(map(len, made.lines))
    assert list(made.words) == [text[start:end] for start, end in spans] == [t.text for t in tokenize(text)]
    assert all(made.lines)
    assert all(slot and not any(c.isspace() for c in slot.replace(" ", "")) for line in made.lines for slot in line)
    alone = [ANALYSER.analyse(word, language).lines for word in made.words]
    assert [slot for line in made.lines for slot in line] == [lines[0][0] for lines in alone]


def test_every_reading_of_a_word_is_kept() -> None:
    slots = slots_of("Стали мост", "ru")
    assert {*profile_for("ru").terms("сталь"), *profile_for("ru").terms("стать")} <= set(slots[0])


def test_words_of_another_script_are_read_by_its_profile() -> None:
    slots = slots_of("Он читал books и HD-качество", "ru")
    assert slots[2] == ["book"]
    assert "hd" in slots[4]
    english = slots_of("He read книги", "en")
    assert english[2] == list(profile_for("ru").terms("книги"))


def test_sentences_are_parted() -> None:
    assert [len(line) for line in ANALYSER.analyse("Один. Два три! Четыре", "ru").lines] == [1, 2, 1]


def test_queries_are_folded() -> None:
    assert QueryAnalyser(("ru",)).fold("Ёж") == "еж"


def test_numbers_without_grouping() -> None:
    assert number_term("1 799") == "1799"
    assert number_term("6,5") == number_term("6.5")
    assert slots_of("ровно 12 345 штук", "ru")[1] == ["12345"]


def test_endless_token_is_cut() -> None:
    made = ANALYSER.analyse("A" * 10_000, "en")
    assert len(made.lines[0][0]) < 60


def test_mixed_scripts() -> None:
    assert is_mixed("Мocква")
    assert not is_mixed("Москва")
    assert not is_mixed("Moscow")
    readers = QueryAnalyser(("ru",))
    assert readers.is_stop_word("Kто")  # a Latin K


def test_version_changes_with_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    before = analyser_version()
    assert before == analyser_version()
    monkeypatch.setattr(analysis, "CODE_REVISION", analysis.CODE_REVISION + 1)
    assert analyser_version() != before
    monkeypatch.setattr(analysis, "CODE_REVISION", analysis.CODE_REVISION - 1)
    monkeypatch.setattr(analysis, "_version_of", lambda package: "another")
    assert analyser_version() != before
