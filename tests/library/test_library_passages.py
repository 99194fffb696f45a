"""Splitting: the promises of `split_passages` hold for any text and any segmentation, and read well on ordinary
prose.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.language import profile_for
from samovar.library import passages as module
from samovar.library.passages import CHARS_PER_WORD, split_passages

SENTENCE = "Слово идёт за словом и так далее до конца предложения номер {0}."
PARTS = [*"аяЁwZ1.!?…,;«»()-—\n\t \u00a0\u2028\x1f\u0301\u200d\U0001f600漢。ก", " Слово", "\n\n", ". Да", " им. "]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=300).map("".join)


class Neutral:
    """A segmentation that returns whatever it is told to."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.spans = spans

    def sentences(self, text: str) -> list[tuple[int, int]]:
        return [(a, b) for a, b in self.spans if b <= len(text)]

    def tokens(self, text: str) -> list[module.TokenLike]:
        return []


def assert_promises(text: str, spans: list[tuple[int, int]]) -> None:
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert all(text[a:b] == text[a:b].strip() != "" for a, b in spans)
    starts, ends = [a for a, _ in spans], [b for _, b in spans]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends))
    covered = bytearray(len(text))
    for a, b in spans:
        covered[a:b] = b"\1" * (b - a)
    assert all(covered[i] or char.isspace() for i, char in enumerate(text))


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(1, 30), st.integers(0, 29), st.sampled_from(["ru", "en", "und"]))
def test_promises_hold_for_any_text(text: str, words: int, overlap: int, language: str) -> None:
    assert_promises(text, split_passages(text, profile_for(language), words=words, overlap=min(overlap, words - 1)))


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400))), st.integers(1, 10))
def test_promises_hold_for_a_senseless_segmentation(text: str, spans: list[tuple[int, int]], words: int) -> None:
    assert_promises(text, split_passages(text, Neutral(spans), words=words, overlap=0))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([SENTENCE.format(7), "Да!", "\n\n", "слово " * 30, "x" * 90]), max_size=40))
def test_promises_hold_through_a_narrow_window(parts: list[str]) -> None:
    text = " ".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW_CHARS", 200)
        assert_promises(text, split_passages(text, profile_for("ru"), words=20, overlap=5))


@pytest.mark.parametrize("mark", [" ", "\n", "\n\n"])
def test_a_narrow_window_gives_what_a_wide_one_gives(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = mark.join(SENTENCE.format(i) for i in range(120))
    wide = split_passages(text, profile_for("ru"), words=20, overlap=5)
    monkeypatch.setattr(module, "WINDOW_CHARS", 700)
    assert split_passages(text, profile_for("ru"), words=20, overlap=5) == wide


def test_passages_are_whole_sentences_of_about_the_target() -> None:
    text = " ".join(SENTENCE.format(i) for i in range(200))
    spans = split_passages(text, profile_for("ru"), words=120, overlap=25)
    sizes = [len(text[a:b].split()) for a, b in spans]
    assert all(text[a:b].startswith("Слово") and text[a:b].endswith(".") for a, b in spans)
    assert all(110 <= size <= 132 for size in sizes[:-1])
    assert 12 <= sizes[-1] <= 156


def test_neighbours_share_whole_sentences_of_about_the_overlap() -> None:
    text = " ".join(SENTENCE.format(i) for i in range(200))
    spans = split_passages(text, profile_for("ru"), words=120, overlap=25)
    shared = [text[b:a] for (_, a), (b, _) in pairwise(spans)]
    assert all(17 <= len(part.split()) <= 33 and part.startswith("Слово") for part in shared)


def test_without_overlap_nothing_is_shared() -> None:
    text = " ".join(SENTENCE.format(i) for i in range(100))
    spans = split_passages(text, profile_for("ru"), words=50, overlap=0)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_a_paragraph_end_near_the_target_is_the_border() -> None:
    paragraph = " ".join(SENTENCE.format(i) for i in range(9))  # 99 words
    text = "\n\n".join([paragraph] * 6)
    spans = split_passages(text, profile_for("ru"), words=110, overlap=0)
    assert [text[a:b] for a, b in spans] == [paragraph] * 6


def test_a_heading_goes_with_what_follows() -> None:
    paragraph = " ".join(SENTENCE.format(i) for i in range(10))  # 110 words
    text = f"{paragraph}\n\nГлава вторая\n\n{paragraph}\n\nГлава третья\n\n{paragraph}"
    spans = split_passages(text, profile_for("ru"), words=110, overlap=0)
    assert [text[a:b] for a, b in spans] == [paragraph, f"Глава вторая\n\n{paragraph}", f"Глава третья\n\n{paragraph}"]


def test_a_short_text_is_one_passage_and_a_blank_one_none() -> None:
    profile = profile_for("ru")
    assert split_passages("  Коротко.\n", profile, words=120, overlap=25) == [(2, 10)]
    assert split_passages(" \n\t ", profile, words=120, overlap=25) == []
    assert split_passages("", profile, words=120, overlap=25) == []


def test_an_endless_sentence_is_cut_at_words() -> None:
    text = "слово " * 5000
    spans = split_passages(text, profile_for("ru"), words=100, overlap=20)
    assert_promises(text, spans)
    assert max(len(text[a:b].split()) for a, b in spans) <= 150
    assert all(text[a:b].startswith("слово") and text[a:b].endswith("слово") for a, b in spans)


@pytest.mark.parametrize(
    "text", ["я" * 50_000, "漢字文本" * 9_000, "e\u0301" * 20_000], ids=["letters", "han", "marks"]
)
def test_a_text_without_spaces_is_cut_between_characters(text: str) -> None:
    spans = split_passages(text, profile_for("und"), words=100, overlap=20)
    assert_promises(text, spans)
    assert max(b - a for a, b in spans) <= 3 * 100 * CHARS_PER_WORD
    assert not any(unicodedata.category(text[a]).startswith("M") for a, _ in spans)


@pytest.mark.parametrize(("words", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_impossible_lengths_are_refused(words: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="expected words"):
        split_passages("Текст.", profile_for("ru"), words=words, overlap=overlap)
