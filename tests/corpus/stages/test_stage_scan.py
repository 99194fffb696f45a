"""What all stages count on: words, their hashes, lines and n-grams of many texts at once are those of each text alone."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samovar.corpus.stages import scan as module
from samovar.corpus.stages.scan import batches_of, scan_texts

TEXTS = st.lists(
    st.text(st.one_of(st.sampled_from("аАёЁй яz9 .,\n-你か\u0301"), st.characters(codec="utf-8")), max_size=60),
    max_size=6,
)


def reference_words(text: str) -> list[str]:
    """Words by regular expression: no case, no accents; a Chinese or kana character by itself."""
    folded = "".join(
        character for character in unicodedata.normalize("NFD", text.lower()) if not 0x300 <= ord(character) < 0x370
    )
    return re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u4e00-\u9fff]+", folded)


@pytest.mark.parametrize(
    "text",
    ["Ёжик, ежик! Я́блоко", "a1 b-2 c_d", "你好 мир", "カ和a", "", "  \n ", "Straße É", "слово" * 50_000 + " конец"],
)
def test_words_are_those_of_a_plain_reading(text: str) -> None:
    words, expected = scan_texts([text]).words, reference_words(text)
    assert len(words) == len(expected)
    pairs = set(zip(words.tolist(), expected, strict=True))
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
@example(["\u0301", "а\u0301", ""])
def test_a_text_gives_the_same_in_any_company(texts: list[str]) -> None:
    together = scan_texts(texts)
    for number, text in enumerate(texts):
        alone = scan_texts([text])
        part = slice(together.first_words[number], together.first_words[number + 1])
        assert together.words[part].tolist() == alone.words.tolist()
        hashes, first = together.ngrams(2)
        mine = hashes[(first >= part.start) & (first < part.stop)]
        assert mine.tolist() == alone.ngrams(2)[0].tolist()
        assert together.num_words()[number] == len(alone.words)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_there_are_as_many_lines_as_breaks(texts: list[str]) -> None:
    scan = scan_texts(texts)
    starts = scan.line_starts()
    bounds = np.searchsorted(starts, scan.texts)
    assert np.diff(bounds).tolist() == [len(text.split("\n")) for text in texts]


def test_the_hash_of_a_word_does_not_depend_on_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    word = scan_texts(["параллелепипед"]).words[0]
    for before in (1, module._BLOCK - 8, module._BLOCK, 3 * module._BLOCK - 5):
        assert scan_texts(["." * before + "Параллелепипед"]).words.tolist() == [word]


def test_different_words_have_different_hashes() -> None:
    words = [f"{first}{second}{third}" for first in "абвгдежзик" for second in "лмнопрстуф" for third in range(300)]
    assert len(set(scan_texts([" ".join(words)]).words.tolist())) == len(words)


@given(st.lists(st.integers(0, 50), max_size=30))
def test_batches_keep_order_and_lose_nothing(sizes: list[int]) -> None:
    batches = list(batches_of(sizes, lambda size: size, 60))
    assert [size for batch in batches for size in batch] == sizes
    assert all(sum(batch) <= 60 or len(batch) == 1 for batch in batches)
