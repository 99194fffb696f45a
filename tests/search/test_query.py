"""Taking queries apart: operators where they are meant, words everywhere else, never an error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.search.query import LONGEST_QUERY, MOST_WORDS, Filters, parse_query


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)
    | st.text(alphabet='«»"+- абвC:()„“*?\\~^[]{}', max_size=40)
)
@settings(max_examples=300)
def test_any_text_is_a_query(text: str) -> None:
    query = parse_query(text)
    for word in query.words:
        assert query.text[word.start : word.end] == word.text
    assert len(query.words) <= MOST_WORDS


@pytest.mark.parametrize(
    ("text", "phrases", "required", "excluded", "strict"),
    [
        ("Кто написал роман «Мёртвые души»?", ("Мёртвые души",), (), (), False),
        ('"мёртвые души"', ("мёртвые души",), (), (), True),
        ("„Мёртвые души“", ("Мёртвые души",), (), (), True),
        ("+самовар -чай", (), ("самовар",), ("чай",), False),
        ("кое-кто из-за Сан-Диего-Карлсбад", (), (), (), False),
        ("1812-1814", (), (), (), False),
        ("a - b + c", (), (), (), False),
        ("C++ (что?", (), (), (), False),
        ("поле:значение AND NOT *", (), (), (), False),
        ('5" экран и 7" экран', (), (), (), False),
        ("-wi-fi роутер", (), (), ("wi-fi",), False),
        ("«»", (), (), (), False),
        ('"+не оператор"', ("+не оператор",), (), (), True),
    ],
)
def test_operators(
    text: str, phrases: tuple[str, ...], required: tuple[str, ...], excluded: tuple[str, ...], strict: bool
) -> None:
    query = parse_query(text)
    assert (query.phrases, query.required, query.excluded, query.strict) == (phrases, required, excluded, strict)


def test_excluded_words_do_not_score_and_required_do() -> None:
    assert [w.text for w in parse_query("+самовар -чай вода").words] == ["самовар", "вода"]


def test_endless_query_is_cut_at_a_word() -> None:
    query = parse_query("слово " * 10_000)
    assert len(query.text) <= LONGEST_QUERY
    assert query.words[-1].text == "слово"


def test_filters_know_when_they_are_empty() -> None:
    assert Filters().is_empty()
    assert not Filters(languages=("ru",)).is_empty()
