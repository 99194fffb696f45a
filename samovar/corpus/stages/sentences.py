"""Short reference items in texts: as runs of words they are anywhere, as whole sentences or lines they are the item.

An item counts only if it is a sentence itself (it ends with a mark). It is found by its first words, then compared to the word, then held
against what stands before and after it. Knows no language.
"""

from __future__ import annotations

import numpy as np

from samovar.corpus.stages.scan import U64, Ints, Scan, hash_runs, scan_texts, within_texts

_FILTER_BITS = 16
_ENDS = frozenset(map(ord, "?!.…\u037e\u061f\u203d\u3002\uff1f\uff01"))
_BEFORE = _ENDS | frozenset(map(ord, "\n\t:;|>)]}«»„“”\"'‘’•·*#–—-"))
_AFTER = _ENDS | frozenset(map(ord, "\n\t:;|<([{«»„“”\"'‘’"))


class Sentences:
    """Short items: the words of each, found by the hash of the first `num_first`."""

    def __init__(self, num_first: int) -> None:
        self.num_first = num_first
        self._items: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        self._filter = np.zeros(1 << _FILTER_BITS, bool)

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

    def add(self, number: int, text: str) -> bool:
        """Add an item; False when it is no sentence, or has too few words."""
        stripped = text.rstrip(" \n\t\u00a0»”\"')")
        if not stripped or ord(stripped[-1]) not in _ENDS:
            return False
        scan = scan_texts([text])
        [(_, hashes)] = hash_runs(scan, (self.num_first,))
        if not len(hashes):
            return False
        self._items.setdefault(int(hashes[0]), []).append((number, tuple(scan.words.tolist())))
        self._filter[int(hashes[0]) >> (64 - _FILTER_BITS)] = True
        return True

    def find(self, scan: Scan, hashes: U64) -> list[tuple[int, int]]:
        """Return pairs of text and item, each once, in order; `hashes` are those of `hash_runs` for `num_first` words."""
        if not self._items:
            return []
        found: set[tuple[int, int]] = set()
        first = np.flatnonzero(self._filter.take((hashes >> np.uint64(64 - _FILTER_BITS)).view(np.int64)))
        for place in within_texts(scan, first, self.num_first).tolist():
            for number, words in self._items.get(int(hashes[place]), ()):
                if (text := _find_text(scan, place, words)) >= 0:
                    found.add((text, number))
        return sorted(found)


def _find_text(scan: Scan, word: int, words: tuple[int, ...]) -> int:
    """Return the text in which these words begin at a word and are a sentence or line; -1 when they are none."""
    after = word + len(words)
    text = int(np.searchsorted(scan.first_words, word, "right")) - 1
    if after > int(scan.first_words[text + 1]) or scan.words[word:after].tolist() != list(words):
        return -1
    starts: Ints = scan.starts
    if word > int(scan.first_words[text]):
        end = int(starts[word - 1] + scan.lengths[word - 1])
        if _BEFORE.isdisjoint(scan.codes[end : int(starts[word])].tolist()):
            return -1
    if after < int(scan.first_words[text + 1]):
        end = int(starts[after - 1] + scan.lengths[after - 1])
        if _AFTER.isdisjoint(scan.codes[end : int(starts[after])].tolist()):
            return -1
    return text
