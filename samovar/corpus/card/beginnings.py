"""Where in a text a name may begin, told by the first letters of its words alone, for many words at once with numpy.

Says yes too often, never no where the answer is yes: letters count without case and as the profile folds them, look-alikes as one letter, and
what cannot be told letter by letter may be anything. Knows names only as beginnings of words; dictionaries are asked afterwards, by
`samovar.corpus.card.finder`, about the little that is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from samovar.corpus.stages.scan import Ints, code_points
from samovar.language import Profile

Bytes = npt.NDArray[np.uint8]
Number = TypeVar("Number", int, Ints)

LETTERS = 5
"""Letters of a word that are looked at."""
_SHORT = 2  # letters of the beginnings that hold only for words up to a length
_LENGTHS = 16
_BITS = 6
_IDS = (1 << _BITS) - 1
_WILD = _IDS  # a letter that may stand for any
_UPPER, _WORD = 0x40, 0x80
_TABLE = 1 << 16
_TOLD = 0x2000  # letters above, mostly ideographs, are not told apart
_FINAL_SIGMA = 0x3A3  # the one capital whose small letter depends on what follows
_DEEP_BITS = 18
_GROUP_BITS = 14
_SMALL, _CAPITAL, _SMALL_GOES_ON, _CAPITAL_GOES_ON, _SECOND = (1 << bit for bit in range(5))
"""What a word may be: a whole name (with a small letter, too, or only with a capital), the first of several words, the second."""
_OF_SMALL = _SMALL | _SMALL_GOES_ON
_OF_ANY = _OF_SMALL | _CAPITAL | _CAPITAL_GOES_ON
_ALL = _OF_ANY | _SECOND


@dataclass(frozen=True, slots=True)
class Places:
    """The words of texts that lie behind one another, and those at which a name may begin.

    `starts`, `ends`: one per word, in characters; `hits`: numbers of words; `owners`: the text of each hit; `stops`: for each text, the
    number of the word behind its last one.
    """

    starts: Ints
    ends: Ints
    hits: Ints
    owners: Ints
    stops: Ints


class Beginnings:
    """Tables of how names begin. A name is whether it must have a capital, and for each of its words the beginning that all forms have in
    common and how long the longest is, which counts where the beginning has one or two letters."""

    def __init__(self, names: Iterable[tuple[bool, Sequence[tuple[str, int]]]], profile: Profile) -> None:
        names = list(names)
        letters = sorted({profile.lookalikes.get(c, c) for _, words in names for b, _ in words[:2] for c in b})
        self._ids = {letter: 1 + number % (_WILD - 1) for number, letter in enumerate(letters)}
        self._lookalikes = profile.lookalikes
        self._table = _word_table().copy()
        self._fill(profile)
        self._short = np.zeros((_LENGTHS, 1 << 2 * _BITS), np.uint8)  # by the length of the word
        # beginnings of three letters in the upper half, the first three of more in the lower
        self._long = np.zeros(1 << 3 * _BITS, np.uint16)
        self._deep = np.zeros(1 << _DEEP_BITS, np.uint8)
        # a bit for each group of names that have the beginning of their first words in common; for first and for second words
        self._groups = np.zeros((2, 1 << _GROUP_BITS), np.uint64)
        of_first: dict[str, int] = {}
        for capital, words in names:
            goes_on = len(words) > 1
            first = _CAPITAL << 2 * goes_on if capital else _SMALL << 2 * goes_on
            self._put(*words[0], first)
            if goes_on:
                self._put(*words[1], _SECOND)
                group = np.uint64(1 << of_first.setdefault(words[0][0], len(of_first)) % 64)
                for table, (beginning, longest) in zip(self._groups, words[:2], strict=True):
                    self._put_into_group(table, beginning, longest, group)

    def _fill(self, profile: Profile) -> None:
        """Give every letter its number; most are in no beginning and have none."""
        table = self._table
        told = {*self._ids, *profile.folds, *profile.lookalikes}
        for code in np.flatnonzero(table[:_TOLD]).tolist():
            lower = chr(code).lower()
            if len(lower) > 1 or code == _FINAL_SIGMA:
                table[code] |= _WILD
            elif lower in told:
                table[code] |= self._number(profile.fold(lower))
        rest = table[_TOLD:]
        rest[rest != 0] |= _WILD

    def _number(self, folded: str) -> int:
        return self._ids.get(self._lookalikes.get(folded, folded), 0) if len(folded) == 1 else _WILD

    def _put(self, beginning: str, longest: int, flag: int) -> None:
        ids = list(map(self._number, beginning))
        if len(ids) <= _SHORT:
            first = ids[0] << _BITS
            last = first + _IDS if len(ids) == 1 else (first := first + ids[1])
            self._short[len(ids) : min(longest + 1, _LENGTHS), first : last + 1] |= flag
            return
        three = _join_ids(ids[:3])
        self._long[three] |= flag << 8 if len(ids) == 3 else flag
        if len(ids) > 3:
            four = (three << _BITS) + ids[3] << _BITS
            places = _deep_place(four + np.array(ids[4:LETTERS] or range(_IDS + 1)))
            self._deep[places] |= flag

    def _put_into_group(self, table: npt.NDArray[np.uint64], beginning: str, longest: int, group: np.uint64) -> None:
        """Put the words with a beginning into a group of names."""
        value, size = _join_ids(list(map(self._number, beginning))), len(beginning)
        for length in range(size, min(longest + 1, _LENGTHS)) if size <= _SHORT else (0,):
            table[_group_place(value, size, length)] |= group

    def find(self, text: str, bounds: Ints) -> Places:
        """Look through texts with something between them that is in no word; `bounds` [n + 1] are where each starts, and the end."""
        marks = self._mark(code_points(text))
        inside = np.zeros(len(marks) + 1, bool)
        np.greater_equal(marks, _WORD, out=inside[1:])
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        starts, ends = edges[::2], edges[1::2]
        may_be = self._flags(marks, starts, ends)
        stops = np.searchsorted(starts, bounds[1:])
        after = np.append(may_be[1:], np.uint8(0))
        after[stops[stops > 0] - 1] = 0
        first = may_be & np.where(marks[starts] & _UPPER, np.uint8(_OF_ANY), np.uint8(_OF_SMALL))
        alone = (first & (_SMALL | _CAPITAL)) != 0
        on = (first & (_SMALL_GOES_ON | _CAPITAL_GOES_ON)) != 0
        goes_on = np.flatnonzero(on & ((after & _SECOND) != 0) & ~alone)
        both = self._group_of(0, marks, starts, ends, goes_on) & self._group_of(1, marks, starts, ends, goes_on + 1)
        alone[goes_on[both != 0]] = True
        hits = np.flatnonzero(alone)
        owners = np.searchsorted(bounds, starts[hits], "right") - 1
        return Places(starts, ends, hits, owners, stops)

    def _group_of(self, table: int, marks: Bytes, starts: Ints, ends: Ints, words: Ints) -> npt.NDArray[np.uint64]:
        """Return the groups of names in which some words may be first (table 0) or second (table 1)."""
        at = starts[words]
        lengths = np.minimum(ends[words] - at, _LENGTHS - 1)
        values, groups = np.zeros(len(at), np.int64), np.zeros(len(at), np.uint64)
        for size in range(1, LETTERS + 1):
            ids = marks[at + size - 1] & _IDS
            values = (values << _BITS) + ids
            groups |= self._groups[table].take(_group_place(values, size, lengths if size <= _SHORT else 0))
            groups[ids == _WILD] = ~np.uint64(0)
        return groups

    def _mark(self, codes: npt.NDArray[np.uint32]) -> Bytes:
        """Return what each character is, and a few that are in no word behind them."""
        marks = np.zeros(len(codes) + LETTERS, np.uint8)
        if len(codes) and int(codes.max()) >= _TABLE:
            self._table.take(np.minimum(codes, _TABLE - 1), out=marks[: len(codes)])
            high = np.flatnonzero(codes >= _TABLE)
            marks[high] = [_WORD | _UPPER | _WILD if chr(code).isalnum() else 0 for code in codes[high].tolist()]
        else:
            self._table.take(codes, out=marks[: len(codes)])
        return marks

    def _flags(self, marks: Bytes, starts: Ints, ends: Ints) -> Bytes:
        """Return what each word may be."""
        ids = marks & _IDS
        two = (ids[starts].astype(np.int32) << _BITS) + ids[starts + 1]
        three = (two << _BITS) + ids[starts + 2]
        both = self._long.take(three)
        flags = (both >> 8).astype(np.uint8)
        deeper = np.flatnonzero(both & 0xFF)
        at = starts[deeper]
        five = (three[deeper].astype(np.int64) << 2 * _BITS) + (ids[at + 3].astype(np.int64) << _BITS) + ids[at + 4]
        found = self._deep.take(_deep_place(five))
        flags[deeper] |= found & both[deeper].astype(np.uint8)
        lengths = np.minimum(ends - starts, _LENGTHS - 1)
        flags |= self._short.take((lengths << 2 * _BITS) + two)
        if (ids == _WILD).any():
            wild = np.logical_or.reduce([ids[starts + place] == _WILD for place in range(LETTERS)])
            flags[wild] = _ALL
        return flags


def _join_ids(ids: list[int]) -> int:
    value = 0
    for number in ids:
        value = (value << _BITS) + number
    return value


def _deep_place(five: Ints) -> Ints:
    """Return the place of five letters in the table."""
    places: Ints = (five * 0x9E3779B1 & 0xFFFFFFFF) >> (32 - _DEEP_BITS)
    return places


def _group_place(values: Number, size: int, lengths: Number | int) -> Number:
    """Return the place of `size` letters in a table of groups; of few letters together with the length of the word."""
    whole = values + (size << LETTERS * _BITS + 8) + (lengths << LETTERS * _BITS)
    return (whole * 0x9E3779B1 >> 8 & 0xFFFFFFFF) >> (32 - _GROUP_BITS)


@cache
def _word_table() -> Bytes:
    """Return which characters are in words, as regular expressions see it, and which of them are capitals."""
    table = np.zeros(_TABLE, np.uint8)
    whole = "".join(map(chr, range(_TABLE)))
    for found in re.finditer(r"[^\W_]+", whole):
        table[found.start() : found.end()] = _WORD
    table[[code for code in np.flatnonzero(table).tolist() if whole[code].isupper()]] |= _UPPER
    return table
