"""Edits and layouts: the enumeration is complete, the distance a distance."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.language import profile_for
from samovar.search.spelling import _CHUNK, _INNER_MARK, _TRAILING, edit_distance, single_edits, transliterations

LETTERS = "абв"
WORD = st.text(LETTERS, max_size=5)


@given(WORD, WORD)
@settings(max_examples=300)
def test_single_edits_are_exactly_the_words_at_distance_one(a: str, b: str) -> None:
    assert (b in single_edits(a, LETTERS)) == (edit_distance(a, b, 2) == 1)


@given(WORD, WORD)
def test_distance_is_symmetric_and_zero_only_for_equals(a: str, b: str) -> None:
    assert edit_distance(a, b, 9) == edit_distance(b, a, 9)
    assert (edit_distance(a, b, 9) == 0) == (a == b)


def test_limit_cuts_off() -> None:
    assert edit_distance("абвг", "", 2) == 3
    assert edit_distance("мост", "мсот", 2) == 1


def test_transliteration_goes_both_ways() -> None:
    russian = profile_for("ru")
    assert transliterations("Интернет2", russian) == ["internet2"]
    assert transliterations("pushkin", russian) == ["пушкин"]
    assert transliterations("中文", russian) == []


@given(st.text(st.sampled_from("aЯ1²_ \t\n?!…»”\"'.,-«\u0301"), max_size=12))
@settings(max_examples=300, deadline=None)
def test_only_texts_without_marks_inside_their_chunks_are_passed_over(text: str) -> None:
    cores = [chunk.rstrip(_TRAILING) for chunk in _CHUNK.findall(text)]
    assert bool(_INNER_MARK.search(text)) == any(core and not core.isalnum() for core in cores)
