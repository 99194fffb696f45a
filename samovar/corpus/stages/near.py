"""Near duplicates: MinHash signatures of texts, bands of them as keys, and clusters of the texts whose signatures agree.

A text is the set of its runs of five words (of nine characters where it has few words); a signature estimates how much two sets have in
common (Jaccard). Two texts are compared when one band of their signatures is equal, and joined when the signatures agree in enough places.
Everything depends on the texts alone, not on their order or number; `cluster` does it for texts in memory, the build for those that are not,
of the same parts: `candidates`, `agreement`, `Forest`. Knows no language, no files and no corpus.
Sources: Broder 1997 (MinHash); Leskovec, Rajaraman, Ullman, *Mining of Massive Datasets*, ch. 3 (bands).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.scan import BASE, U64, Ints, Scan, batches_of, mix, shared_scan
from samovar.errors import MissingExtraError

Signatures = npt.NDArray[np.uint32]
_EMPTY = np.uint32(0xFFFFFFFF)
_ALL_PAIRS = 32  # a bucket of up to so many texts is compared pair by pair
PAIRS = 16_384
"""Pairs that are looked at together: their signatures (1 kB a text) are in memory."""
_FEW_JOINED = 100_000  # pairs that wait, at least, before a forest is made anew


class NearOptions(StageOptions):
    """Texts are near duplicates when the estimated Jaccard similarity of their runs of `ngram` words is at least `threshold`; texts of fewer
    than `short_words` words are taken as runs of `char_ngram` characters. Signatures have `bands` × `rows` numbers. `seed` draws the hash
    functions."""

    threshold: float = Field(0.8, gt=0, le=1)
    ngram: int = Field(5, ge=1, le=50)
    char_ngram: int = Field(9, ge=1, le=50)
    short_words: int = Field(20, ge=0)
    bands: int = Field(32, ge=1, le=256)
    rows: int = Field(8, ge=1, le=64)
    seed: int = 1

    @model_validator(mode="after")
    def _check_size(self) -> NearOptions:
        if self.bands * self.rows > 4096:
            raise ValueError(
                f"expected bands × rows of at most 4096, found {self.bands * self.rows}: make one of them smaller"
            )
        return self


class MinHasher:
    """Signatures and bands of texts. Pure: two hashers with the same options and the same rensa give the same numbers on any machine.

    The permutations are rensa's (a·x + b modulo 2^64, its upper half), 17 times as fast as the same in numpy; its "rho" sketch is not used.

    Raises:
        MissingExtraError: rensa is not installed.
    """

    def __init__(self, options: NearOptions | None = None) -> None:
        self.options = options or NearOptions()
        try:
            from rensa import RMinHash
        except ImportError as error:
            raise MissingExtraError("corpus", "finding near duplicates") from error
        self._digest = RMinHash.digest_matrix_from_flat_token_hashes

    def signatures(self, texts: list[str]) -> Signatures:
        """Return [n, bands * rows] numbers; a text without a letter has the largest number everywhere."""
        result = np.full((len(texts), self.options.bands * self.options.rows), _EMPTY)
        done = 0
        for batch in batches_of(texts, len):
            for scan, numbers in shared_scan().scans(batch):
                asked = numbers >= 0
                result[done + numbers[asked]] = self.signatures_in(scan)[asked]
            done += len(batch)
        return result

    def signatures_in(self, scan: Scan) -> Signatures:
        """Return `signatures` of the texts of a scan."""
        hashes, owner = self._shingles(scan)
        bounds = np.searchsorted(owner, np.arange(len(scan) + 1)).astype(np.uint64)
        digests = self._digest(hashes, bounds, self.options.bands * self.options.rows, self.options.seed)
        return np.array(digests.to_rows(), np.uint32).reshape(len(scan), -1)

    def bands_of(self, signatures: Signatures) -> U64:
        """Return [n, bands] keys: equal keys of one band make two texts candidates; texts without a letter have the key 0, which makes none."""
        rows, bands = self.options.rows, self.options.bands
        keys = np.zeros((len(signatures), bands), np.uint64)
        for place in range(rows):
            keys = mix(keys * BASE + signatures[:, place::rows] + np.uint64(1))
        keys[(signatures == _EMPTY).all(axis=1)] = 0
        return keys

    def _shingles(self, scan: Scan) -> tuple[U64, Ints]:
        """Return the hashes of the runs and the text each belongs to, in the order of texts."""
        options = self.options
        short = scan.num_words() < max(options.short_words, options.ngram)
        owner = scan.text_of_words()
        hashes, first = scan.ngrams(options.ngram)
        texts = owner[first]
        if not short.any():
            return hashes, texts
        long_enough = ~short[texts]
        few, few_texts = _character_runs(scan, short, options.char_ngram)
        hashes = np.concatenate((hashes[long_enough], few))
        texts = np.concatenate((texts[long_enough], few_texts))
        order = np.argsort(texts, kind="stable")
        return hashes[order], texts[order]


def _character_runs(scan: Scan, wanted: npt.NDArray[np.bool_], size: int) -> tuple[U64, Ints]:
    """Return the runs of `size` letters and digits of some texts; a shorter text is one run."""
    hashes, texts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for number in np.flatnonzero(wanted):
        letters = scan.folded[scan.texts[number] : scan.texts[number + 1]]
        letters = letters[letters != 0].astype(np.uint64)
        if not len(letters):
            continue
        count = max(1, len(letters) - size + 1)
        found = np.zeros(count, np.uint64)
        for place in range(min(size, len(letters))):
            found = found * BASE + letters[place : place + count]
        hashes.append(mix(found))
        texts.append(np.full(count, number, np.int64))
    return np.concatenate(hashes), np.concatenate(texts)


def agreement(signatures: Signatures, left: Ints, right: Ints) -> npt.NDArray[np.float64]:
    """Return the estimated Jaccard similarity of pairs of texts."""
    result = np.empty(len(left))
    for start in range(0, len(left), 4096):
        part = slice(start, start + 4096)
        result[part] = (signatures[left[part]] == signatures[right[part]]).mean(axis=1)
    return result


def least_agreement(threshold: float, places: int) -> float:
    """Return how much signatures must agree: the threshold less the standard error of the estimate, without which half of the pairs exactly
    at the threshold would be missed."""
    return threshold - (threshold * (1 - threshold) / places) ** 0.5 if places else 0.0


def cluster(bands: U64, signatures: Signatures | None = None, threshold: float = 0.8) -> Ints:
    """Return a label for each text, the smallest number in its cluster: texts are joined by pairs that share a band and, when there are
    signatures, agree in `least_agreement` of their places. Which texts are together does not depend on their order. A build does not call it, it
    does the same with files: this is what tests compare with."""
    parents = np.arange(len(bands), dtype=np.int64)
    floor = least_agreement(threshold, signatures.shape[1]) if signatures is not None else 0.0
    ties = bands[:, 0] if signatures is None else signatures[:, 0]
    for band in range(bands.shape[1]):
        order = np.argsort(bands[:, band], kind="stable")
        for one, other in candidates(bands[order, band], lambda places, order=order: ties[order[places]]):  # type: ignore[misc]
            left, right = order[one], order[other]
            if signatures is not None:
                close = agreement(signatures, left, right) >= floor
                left, right = left[close], right[close]
            parents = join(parents, left, right)
    return parents


def candidates(keys: U64, ties: Callable[[Ints], npt.NDArray[np.unsignedinteger]]) -> Iterator[tuple[Ints, Ints]]:
    """Yield the pairs to compare, about `PAIRS` at a time: all within a small bucket; in a large one neighbours, and the first with each.

    `keys` are those of one band, sorted; equal ones, but for 0, make a bucket, and pairs are of places in `keys`. A large bucket is put into
    the order of its members' `ties`, of which as many places are asked for at a time as there are in one bucket, or `PAIRS`.
    """
    same = np.concatenate(([False], (keys[1:] == keys[:-1]) & (keys[1:] != 0))) if len(keys) else np.zeros(0, bool)
    order = np.flatnonzero(same | np.append(same[1:], False)) if len(keys) else np.zeros(0, np.int64)
    starts = np.flatnonzero(~same[order])
    sizes = np.diff(np.append(starts, len(order)))
    for first, last in _stretches(sizes * (sizes > _ALL_PAIRS)):
        large = np.repeat(sizes[first:last] > _ALL_PAIRS, sizes[first:last])
        places = starts[first] + np.flatnonzero(large)
        bucket = np.repeat(np.arange(first, last), sizes[first:last])[large]
        members = order[places]
        order[places] = members[np.lexsort((ties(members), bucket))]
    lefts: list[Ints] = []
    rights: list[Ints] = []
    for left, right in _pairs(starts, sizes, len(order)):
        lefts.append(order[left])
        rights.append(order[right])
        if sum(map(len, lefts)) >= PAIRS:
            yield np.concatenate(lefts), np.concatenate(rights)
            lefts, rights = [], []
    if lefts:
        yield np.concatenate(lefts), np.concatenate(rights)


def _stretches(weights: Ints) -> Iterator[tuple[int, int]]:
    """Yield first and last of stretches of numbers that weigh about `PAIRS` together; those that weigh nothing at all are left out."""
    some = np.flatnonzero(weights)
    group = (np.cumsum(weights[some]) - 1) // PAIRS
    bounds = np.flatnonzero(np.diff(group, prepend=-1)) if len(some) else np.zeros(0, np.int64)
    for first, last in zip(bounds.tolist(), np.append(bounds[1:], len(some)).tolist(), strict=False):
        yield int(some[first]), int(some[last - 1]) + 1


def _pairs(starts: Ints, sizes: Ints, count: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs of places in buckets that lie behind each other, at most `PAIRS` at a time."""
    for begin in range(0, count, PAIRS):
        here = np.arange(begin, min(count, begin + PAIRS))
        bucket = np.searchsorted(starts, here, side="right") - 1
        first, last = starts[bucket], starts[bucket] + sizes[bucket]
        large = sizes[bucket] > _ALL_PAIRS
        small = ~large
        for distance in range(1, _ALL_PAIRS):
            left = here[small & (here + distance < last)]
            if not len(left):
                break
            yield left, left + distance
        if large.any():
            left = here[large & (here + 1 < last)]
            yield left, left + 1
            right = here[large & (here > first)]
            yield first[right - begin], right


def join(parents: Ints, left: Ints, right: Ints) -> Ints:
    """Return the roots of all texts after some pairs were joined. `parents` are roots, and so is the result: the smallest text of each tree."""
    while True:
        left, right = parents[left], parents[right]
        apart = left != right
        if not apart.any():
            return parents
        left, right = left[apart], right[apart]
        parents = parents.copy()
        np.minimum.at(parents, np.maximum(left, right), np.minimum(left, right))
        parents = _roots(parents)


class Forest:
    """Texts that were joined, known by any numbers, and no others: `members`, sorted, and the smallest text of the cluster of each, `roots`.

    New pairs wait until there are half as many as there are members: the forest is made anew a few times, not for every pair.
    """

    def __init__(self) -> None:
        self.members: U64 = np.zeros(0, np.uint64)
        self.roots: U64 = np.zeros(0, np.uint64)
        self._left: list[U64] = []
        self._right: list[U64] = []
        self._waiting = 0

    def add(self, left: U64, right: U64) -> None:
        """Join pairs."""
        self._left.append(left)
        self._right.append(right)
        self._waiting += len(left)
        if self._waiting >= max(_FEW_JOINED, len(self.members) // 2):
            self.settle()

    def settle(self) -> None:
        """Join what waits."""
        left = np.concatenate([self.members, *self._left])
        right = np.concatenate([self.roots, *self._right])
        self._left, self._right, self._waiting = [], [], 0
        self.members, places = np.unique(np.concatenate((left, right)), return_inverse=True)
        parents = join(np.arange(len(self.members)), places[: len(left)], places[len(left) :])
        self.roots = self.members[parents]

    def apart(self, left: U64, right: U64) -> npt.NDArray[np.bool_]:
        """Tell which pairs are not known to be joined yet; those that wait are not looked at."""
        if not len(self.members):
            return np.ones(len(left), bool)
        return np.asarray(self._root(left) != self._root(right))

    def _root(self, texts: U64) -> U64:
        place = np.minimum(np.searchsorted(self.members, texts), len(self.members) - 1)
        return np.where(self.members[place] == texts, self.roots[place], texts)


def _roots(parents: Ints) -> Ints:
    """Return the root of every tree member; roots are the smallest members."""
    roots = parents
    while True:
        above = roots[roots]
        if np.array_equal(above, roots):
            return above
        roots = above
