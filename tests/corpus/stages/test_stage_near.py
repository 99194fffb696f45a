"""Near duplicates on planted ones: recall and precision floors, order independence, short and unspaced texts."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

pytest.importorskip("rensa")

from samovar.corpus.stages import near
from samovar.corpus.stages.near import Forest, MinHasher, NearOptions, agreement, candidates, cluster, least_agreement

WORDS = [a + b + c for a in "бвгдклмнпрст" for b in "аеиоуы" for c in ("дка", "рный", "лить", "зм", "вать")]


def make_text(draw: random.Random, length: int = 300) -> list[str]:
    return draw.choices(WORDS, k=length)


def jaccard(left: list[str], right: list[str], size: int = 5) -> float:
    one, other = ({tuple(words[i : i + size]) for i in range(len(words) - size + 1)} for words in (left, right))
    return len(one & other) / len(one | other)


def edit(words: list[str], share: float, draw: random.Random) -> list[str]:
    """Replace a stretch of the text, so that the similarity is near `share`."""
    kept = 2 * share / (1 + share)
    length = round((1 - kept) * len(words))
    start = draw.randrange(len(words) - length + 1)
    return words[:start] + make_text(draw, length) + words[start + length :]


def test_planted_duplicates_are_found_and_nothing_else() -> None:
    draw = random.Random(5)
    texts: list[list[str]] = []
    planted: list[tuple[int, int, float]] = []
    for number in range(900):
        words = make_text(draw, draw.randrange(80, 500))
        copy = edit(words, 0.5 + 0.05 * (number % 10), draw)
        planted.append((len(texts), len(texts) + 1, jaccard(words, copy)))
        texts += [words, copy]
    hasher = MinHasher()
    signatures = hasher.signatures([" ".join(words) for words in texts])
    labels = cluster(hasher.bands_of(signatures), signatures, hasher.options.threshold)
    similar = [labels[one] == labels[other] for one, other, value in planted if value >= 0.8]
    different = [labels[one] == labels[other] for one, other, value in planted if value < 0.7]
    assert len(similar) > 200 and np.mean(similar) >= 0.95
    assert len(different) > 300 and np.mean(different) <= 0.01
    partner = {one: other for one, other, _ in planted} | {other: one for one, other, _ in planted}
    strangers = [n for n in range(len(texts)) if labels[n] != n and labels[n] != partner[n]]
    assert not strangers


def test_the_estimate_is_the_similarity() -> None:
    draw = random.Random(6)
    hasher = MinHasher(NearOptions(bands=64, rows=8))
    for share in (0.3, 0.6, 0.9):
        words = make_text(draw, 600)
        copy = edit(words, share, draw)
        signatures = hasher.signatures([" ".join(words), " ".join(copy)])
        found = agreement(signatures, np.array([0]), np.array([1]))[0]
        assert found == pytest.approx(jaccard(words, copy), abs=4 * (0.25 / 512) ** 0.5)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 60))
def test_clusters_do_not_depend_on_order(draw: random.Random, copies: int) -> None:
    words = make_text(random.Random(7), 120)
    texts = [" ".join(edit(words, draw.choice((0.6, 0.75, 0.85, 1.0)), draw)) for _ in range(copies)]
    texts += [" ".join(make_text(draw, 60)) for _ in range(5)]
    order = list(range(len(texts)))
    draw.shuffle(order)
    hasher = MinHasher()

    def groups(arranged: list[str], names: list[int]) -> set[frozenset[int]]:
        signatures = hasher.signatures(arranged)
        labels = cluster(hasher.bands_of(signatures), signatures)
        found: dict[int, set[int]] = {}
        for name, label in zip(names, labels.tolist(), strict=True):
            found.setdefault(label, set()).add(name)
        return {frozenset(group) for group in found.values()}

    assert groups(texts, list(range(len(texts)))) == groups([texts[number] for number in order], order)


def cluster_simply(bands: np.ndarray, signatures: np.ndarray, threshold: float) -> list[int]:
    """The same without arrays: what `cluster` and the divided form must agree with."""
    labels = list(range(len(bands)))
    for band in range(bands.shape[1]):
        buckets: dict[int, list[int]] = {}
        for text in range(len(bands)):
            if bands[text, band]:
                buckets.setdefault(int(bands[text, band]), []).append(text)
        for members in buckets.values():
            pairs = [(one, other) for at, one in enumerate(members) for other in members[at + 1 :]]
            if len(members) > 32:
                members.sort(key=lambda text: (int(signatures[text, 0]), text))
                pairs = [*pairwise(members), *((members[0], other) for other in members[1:])]
            for one, other in pairs:
                if (signatures[one] == signatures[other]).mean() >= least_agreement(threshold, signatures.shape[1]):
                    low, high = sorted((labels[one], labels[other]))
                    labels = [low if label == high else label for label in labels]
    return labels


@st.composite
def sketches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Bands and signatures that collide often, some buckets larger than what is compared pair by pair."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, width = draw(st.integers(0, 90)), draw(st.integers(1, 4))
    signatures = rng.integers(0, draw(st.integers(1, 6)), (count, 2 * width)).astype(np.uint32)
    keys = rng.integers(0, draw(st.sampled_from([1, 2, 5, 40])) + 1, (count, width)).astype(np.uint64)
    return keys * np.uint64(2**58), signatures


@settings(max_examples=60, deadline=None)
@given(sketches(), st.sampled_from([0.3, 0.5, 0.8]), st.sampled_from([1, 7, 16_384]), st.sampled_from([0, 100_000]))
def test_arrays_and_divided_work_give_the_same_clusters(
    made: tuple[np.ndarray, np.ndarray], threshold: float, pairs: int, few: int
) -> None:
    bands, signatures = made
    expected = cluster_simply(bands, signatures, threshold)
    floor = least_agreement(threshold, signatures.shape[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "PAIRS", pairs)
        patch.setattr(near, "_FEW_JOINED", few)
        assert cluster(bands, signatures, threshold).tolist() == expected
        whole = Forest()
        for band in range(bands.shape[1]):
            part = Forest()
            order = np.argsort(bands[:, band], kind="stable")
            for one, other in candidates(bands[order, band], lambda at, order=order: signatures[order[at], 0]):
                left, right = (order[places].astype(np.uint64) for places in (one, other))
                apart = part.apart(left, right)
                left, right = left[apart], right[apart]
                close = agreement(signatures, left.astype(np.int64), right.astype(np.int64)) >= floor
                part.add(left[close], right[close])
            part.settle()
            whole.add(part.members, part.roots)
        whole.settle()
    labels = np.arange(len(bands))
    labels[whole.members.astype(np.int64)] = whole.roots
    assert labels.tolist() == expected


def test_candidates_of_a_huge_bucket_come_in_pieces() -> None:
    keys = np.repeat(np.array([1, 2, 3, 9], np.uint64), [1, 200_000, 5, 40_000])
    sizes, asked = [], []

    def ties(places: np.ndarray) -> np.ndarray:
        asked.append(len(places))
        return (places[::-1] % 1000).astype(np.uint32)

    for left, right in candidates(keys, ties):
        sizes.append(len(left))
        assert (keys[left] == keys[right]).all()
    assert asked == [200_000, 40_000]
    assert sum(sizes) == 2 * 199_999 + 10 + 2 * 39_999
    assert max(sizes) < 3 * near.PAIRS


def test_labels_are_the_smallest_member() -> None:
    keys = np.array([[1, 9], [2, 8], [1, 7], [3, 8], [4, 4]], np.uint64)
    assert cluster(keys).tolist() == [0, 1, 0, 1, 4]


def test_texts_without_letters_are_nobodys_duplicates() -> None:
    hasher = MinHasher()
    texts = ["", "---", "", "***", "слово"]
    signatures = hasher.signatures(texts)
    assert cluster(hasher.bands_of(signatures), signatures).tolist() == [0, 1, 2, 3, 4]
    assert hasher.signatures([]).shape == (0, hasher.options.bands * hasher.options.rows)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Съешь ещё этих мягких французских булок, да выпей чаю", "съешь еще этих мягких французских булок да выпей чаю!", True),
        ("Съешь ещё этих мягких французских булок", "Глокая куздра штеко будланула бокра", False),
        ("我们昨天在图书馆里读了很多关于历史的书籍并且讨论了它们的内容和意义" * 3, "我们昨天在图书馆里读了很多关于历史的书籍并且讨论了它们的内容和意义" * 3 + "吗", True),
    ],
)  # fmt: skip
def test_short_and_unspaced_texts(one: str, other: str, alike: bool) -> None:
    hasher = MinHasher()
    signatures = hasher.signatures([one, other])
    labels = cluster(hasher.bands_of(signatures), signatures)
    assert (labels[0] == labels[1]) == alike


def test_signatures_are_pinned_to_the_version_of_the_library() -> None:
    """Should this fail after an upgrade, corpora built before it cannot be rebuilt to the byte: raise the format's version."""
    signatures = MinHasher(NearOptions(bands=2, rows=2)).signatures(["раз два три четыре пять " * 5])
    assert signatures.tolist() == PINNED


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(ValidationError, match="bands × rows"):
        NearOptions(bands=256, rows=64)


PINNED = [[1234022474, 197319914, 427292420, 986092168]]
