"""Slots: one per token, in order, with every reading of a word; offsets come back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.language import profile_for
from samovar.search import analysis
from samovar.search.analysis import (
    BREAK,
    GAP,
    PassageAnalyser,
    QueryAnalyser,
    analyser_version,
    is_mixed,
    number_term,
    slot_numbers,
    slot_spans,
)
from samovar.search.rescore import phrase_in

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


def split_slots(slots: str) -> list[list[str]]:
    """The slots as lists of terms, by the definition of the format."""
    joined = slots.replace(GAP + BREAK + GAP, GAP + GAP).replace(BREAK, "")
    return [slot.split(GAP) for slot in joined.strip(GAP).split(GAP + GAP)] if joined else []


@given(TEXT, st.sampled_from(["ru", "en", "tt", "und"]))
@settings(max_examples=150)
def test_one_slot_per_token(text: str, language: str) -> None:
    made = ANALYSER.analyse(text, language)
    slots = split_slots(made.slots)
    assert len(slots) == made.length == len(slot_spans(text))
    for number, terms in enumerate(slots):
        for term in terms:
            assert number in slot_numbers(made.slots, GAP + term + GAP)
    for term in {t for terms in slots for t in terms}:
        holding = [n for n, terms in enumerate(slots) if term in terms]
        assert list(slot_numbers(made.slots, GAP + term + GAP)) == holding
        assert made.slots.count(GAP + term + GAP) == len(holding)


def test_every_reading_of_a_word_is_kept() -> None:
    slots = split_slots(ANALYSER.analyse("Стали мост", "ru").slots)
    assert {*profile_for("ru").terms("сталь"), *profile_for("ru").terms("стать")} <= set(slots[0])


def test_words_of_another_script_are_read_by_its_profile() -> None:
    slots = split_slots(ANALYSER.analyse("Он читал books и HD-качество", "ru").slots)
    assert slots[2] == ["book"]
    assert "hd" in slots[4]
    english = split_slots(ANALYSER.analyse("He read книги", "en").slots)
    assert english[2] == list(profile_for("ru").terms("книги"))


def test_sentences_are_parted() -> None:
    slots = ANALYSER.analyse("Один. Два три! Четыре", "ru").slots
    assert [line.count("||") + 1 for line in slots.split(BREAK)] == [1, 2, 1]


def test_phrase_needs_consecutive_slots_even_across_readings() -> None:
    slots = ANALYSER.analyse("Роман «Мёртвые души» вышел. Души мёртвые", "ru").slots
    terms = QueryAnalyser(("ru",))
    words = [profile_for("ru").terms(w) for w in ("мёртвых", "душ")]
    assert phrase_in(slots, words)
    assert not phrase_in(slots, [*words, *words])
    assert not phrase_in(ANALYSER.analyse("Мёртвые и души", "ru").slots, words)
    assert terms.fold("Ёж") == "еж"


def test_numbers_without_grouping() -> None:
    assert number_term("1 799") == "1799"
    assert number_term("6,5") == number_term("6.5")
    assert split_slots(ANALYSER.analyse("ровно 12 345 штук", "ru").slots)[1] == ["12345"]


def test_endless_token_is_cut() -> None:
    made = ANALYSER.analyse("A" * 10_000, "en")
    assert len(made.slots) < 60


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
