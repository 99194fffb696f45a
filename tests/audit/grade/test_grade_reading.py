"""Folding, words, keys, scopes: what the rules stand on."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import pytest
from grade_toys import reader
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.audit.grade.gold import sound_of
from samovar.audit.grade.mentions import is_one_edit
from samovar.audit.grade.polarity import polarity_of
from samovar.audit.grade.reading import fold_text
from samovar.audit.grade.vocabulary import FILE, known_vocabularies, vocabulary_for

WORDS = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=9)


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_tokens_slice_back(text: str) -> None:
    reading = reader().read(text)
    assert all(reading.text[s:e] == t for t, s, e in zip(reading.tokens, reading.starts, reading.ends, strict=True))
    assert len(reading.sentence_of) == len(reading.keys) == len(reading)
    assert reading.sentence_of == sorted(reading.sentence_of)


def test_folding() -> None:
    assert fold_text("**«Ёлка»** — [1] `x`") == '"Ёлка" -  x'
    assert fold_text("# Title\n- item [word](http://a.b)") == "Title\nitem word"


def test_keys_join_forms() -> None:
    read = reader().keys
    assert read["Лермонтовым"] & read["Лермонтов"]
    assert read["Фёдор"] & read["Федор"]
    assert read["Kilts"] & read["kilt"]
    assert read["Brontë"] & read["Bronte"]
    assert read["XIV"] & read["14"] & read["14th"]
    assert read["четырнадцатом"] & read["XIV"]
    assert not read["мёд"] & read["медь"]
    assert not read["сена"] & read["сенатор"]
    assert not read["Mix"] & read["1009"]


def test_initials_and_abbreviations_end_no_sentence() -> None:
    assert reader().read("Это М. Ю. Лермонтов. Он поэт.").num_sentences == 2
    assert reader("en").read("St. Petersburg is a city. It is large.").num_sentences == 2


@given(WORDS, st.integers(0, 8), st.sampled_from("xyz"))
@settings(max_examples=100, deadline=None)
def test_one_edit(word: str, at: int, letter: str) -> None:
    at = min(at, len(word))
    assert is_one_edit(word, word[:at] + letter + word[at:])
    assert is_one_edit(word[:at] + letter + word[at:], word)
    assert not is_one_edit(word, word)
    assert not is_one_edit(word, word + "qq")


def test_sounds_meet_across_systems() -> None:
    both = reader()
    assert {sound_of(w, both) for w in ("chaikovskij", "tchaikovsky", "чайковский", "tchaikovskii")} == {"caikovsk"}
    assert sound_of("хичкоком", both) == sound_of("hitchcock", both)
    assert sound_of("манэ", both) != sound_of("моне", both)


@pytest.mark.parametrize(
    ("text", "word", "said"),
    [
        ("Не Пушкин, а Лермонтов", "Пушкин", "negated"),
        ("Не Пушкин, а Лермонтов", "Лермонтов", "asserted"),
        ("Лермонтов, а не Пушкин", "Пушкин", "negated"),
        ("Лермонтов (не путать с Пушкиным)", "Пушкиным", "negated"),
        ("Не только Пушкин", "Пушкин", "asserted"),
        ("Я не уверен, но это Пушкин", "Пушкин", "asserted"),
        ("Иногда книгу по ошибке приписывают Пушкину", "Пушкину", "dismissed"),
        ("Многие думают, что это Пушкин", "Пушкин", "dismissed"),
        ("Пушкин не писал этого", "Пушкин", "denied"),
        ("It wasn't Turner", "Turner", "negated"),
        ("It was Constable rather than Turner", "Turner", "negated"),
        ("Not only Turner painted it", "Turner", "asserted"),
        ("London does not stand on the Thames", "Thames", "negated"),
        ('Not "Othello" - "Hamlet"', "Othello", "negated"),
        ('Not "Othello" - "Hamlet"', "Hamlet", "asserted"),
        ("Turner is often credited with it", "Turner", "dismissed"),
        ("you can never leave, says the song Hotel", "Hotel", "asserted"),
    ],
)
def test_polarity(text: str, word: str, said: str) -> None:
    reading = reader().read(text)
    at = reading.tokens.index(word)
    assert polarity_of(reading, at, at) == said


def _shape(table: dict[str, Any]) -> dict[str, Any]:
    """Keys and kinds; the words of tables that are words are the language's own."""
    free = ("units", "ordinals", "scales", "shares")
    return {k: _shape(v) if isinstance(v, dict) and k not in free else type(v).__name__ for k, v in table.items()}


def test_vocabularies_have_the_same_keys() -> None:
    tables = {
        tag: tomllib.loads(resources.files("samovar").joinpath("packs", tag, FILE).read_text("utf-8"))
        for tag in known_vocabularies()
    }
    assert {"ru", "en"} <= set(tables)
    assert all(_shape(t) == _shape(tables["ru"]) for t in tables.values())


def test_a_language_without_words_is_read_all_the_same() -> None:
    assert vocabulary_for(("xx",)).negation == frozenset()
    assert reader("ka").read("თბილისი 1799").tokens == ["თბილისი", "1799"]
