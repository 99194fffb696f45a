"""Near duplicates: MinHash signatures of texts, bands of them as keys, and clusters of the texts whose signatures agree.

A text is the set of its runs of five words (of nine characters where it has few words); a signature estimates how much two sets have in
common (Jaccard). Two texts are compared when one band of their signatures is equal, and joined when the signatures agree in enough places.
Everything depends on the texts alone, not on their order or number. Knows no language, no files and no corpus.
Sources: Broder 1997 (MinHash); Leskovec, Rajaraman, Ullman, *Mining of Massive Datasets*, ch. 3 (bands).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.scan import U64, Ints, Scan, batches_of, mix, shared_scan
from samovar.errors import MissingExtraError

Signatures = npt.NDArray[np.uint32]
_BASE = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.uint32(0xFFFFFFFF)
_ALL_PAIRS = 32  # a bucket of up to so many texts is compared pair by pair


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

    def bands(self, texts: list[str]) -> U64:
        """Return [n, bands] keys: equal keys of one band make two texts candidates."""
        return self.bands_of(self.signatures(texts))

    def bands_of(self, signatures: Signatures) -> U64:
        """Return the keys of signatures; texts without a letter get keys of their own, which are 0."""
        rows, bands = self.options.rows, self.options.bands
        keys = np.zeros((len(signatures), bands), np.uint64)
        for place in range(rows):
            keys = mix(keys * _BASE + signatures[:, place::rows] + np.uint64(1))
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
            found = found * _BASE + letters[place : place + count]
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


def cluster(bands: U64, signatures: Signatures | None = None, threshold: float = 0.8) -> Ints:
    """Return a label for each text, the smallest number in its cluster: texts are joined by pairs that share a band and, when there are
    signatures, agree in at least `threshold` of their places.

    The estimate may fall short of the threshold by its standard error: without that, half of the pairs exactly at it would be missed.
    Works band by band: 16 bytes a text. Which texts are together does not depend on their order.
    """
    parents = np.arange(len(bands), dtype=np.int64)
    floor = 0.0
    if signatures is not None and signatures.shape[1]:
        floor = threshold - (threshold * (1 - threshold) / signatures.shape[1]) ** 0.5
    for band in range(bands.shape[1]):
        left, right = _candidates(
            bands[:, band], bands[:, 0] if signatures is None else signatures[:, 0].astype(np.uint64)
        )
        left, right = _leave_out_joined(parents, left, right)
        if signatures is not None:
            close = agreement(signatures, left, right) >= floor
            left, right = left[close], right[close]
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            _join(parents, one, other)
    return _roots(parents)


def _candidates(keys: U64, tie_breaker: U64) -> tuple[Ints, Ints]:
    """Return the pairs to compare: all within a small bucket, neighbours and the first with each in a large one."""
    order = np.lexsort((tie_breaker, keys)).astype(np.int64)
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(keys) else np.zeros(0, int)
    sizes = np.diff(np.append(starts, len(keys)))
    several = (sizes > 1) & (ordered[starts] != 0) if len(keys) else sizes > 1
    lefts, rights = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start, size in zip(starts[several].tolist(), sizes[several].tolist(), strict=True):
        members = order[start : start + size]
        if size <= _ALL_PAIRS:
            first, second = np.triu_indices(size, 1)
            lefts.append(members[first])
            rights.append(members[second])
        else:
            lefts += [members[:-1], np.full(size - 1, members[0])]
            rights += [members[1:], members[1:]]
    return np.concatenate(lefts), np.concatenate(rights)


def _leave_out_joined(parents: Ints, left: Ints, right: Ints) -> tuple[Ints, Ints]:
    roots = _roots(parents)
    apart = roots[left] != roots[right]
    return left[apart], right[apart]


def _join(parents: Ints, one: int, other: int) -> None:
    """Put two trees together under the smaller root."""
    one, other = _root(parents, one), _root(parents, other)
    if one != other:
        parents[max(one, other)] = min(one, other)


def _root(parents: Ints, number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = int(parents[number])
    return number


def _roots(parents: Ints) -> Ints:
    """Return the root of every tree member; roots are the smallest members."""
    roots = parents
    while True:
        above = roots[roots]
        if np.array_equal(above, roots):
            return above
        roots = above
