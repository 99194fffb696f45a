"""Which texts may hold personal data at all: one look at the characters of many, so that most texts meet no pattern.

Finds the stretches of digits, exactly, and says where strings that a kind asks for may stand and which texts have look-alikes: too often, never
too seldom. Knows no kind and no mask.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]
Stretch = tuple[int, int, int]

_TABLE = 1 << 16
_DIGIT, _SIGN, _FIRST, _ODD, _BETWEEN = (1 << bit for bit in range(5))
"""What a character is: a digit; a sign that is enough; the first of three that are; a look-alike of something; what may part digits."""


@dataclass(slots=True)
class Look:
    """What a text has: `numbers` (start, end, how many digits), perhaps a string that is `needed`; look-alikes (`odd`)."""

    numbers: list[Stretch] = field(default_factory=list)
    needed: bool = False
    odd: bool = False


class Sieve:
    """`needs`: strings of which one must occur. `least`: digits of a stretch, `gap`: the most characters, out of `between`, that part two of them.
    `look_alikes`: pairs of a character and what it stands for; all is said of texts in which they were replaced."""

    def __init__(
        self, needs: Iterable[str], least: int, gap: int, between: str, look_alikes: Iterable[tuple[str, str]]
    ) -> None:
        self._least, self._gap = least, gap
        table = np.zeros(_TABLE, np.uint8)
        beginnings = [_choose_beginning(need) for need in needs]
        for beginning in beginnings:
            table[min(ord(beginning[0]), _TABLE - 1)] |= _SIGN if len(beginning) < 3 else _FIRST
        self._threes = np.unique(np.array([_three(*map(ord, b)) for b in beginnings if len(b) == 3], np.int64))
        table[ord("0") : ord("9") + 1] |= _DIGIT
        table[list(map(ord, between))] |= _BETWEEN
        self._all = table.copy()
        for sign, meant in look_alikes:
            kind = int(table[ord(meant)])
            self._all[ord(sign)] |= _ODD | kind & (_DIGIT | _BETWEEN) | (_SIGN if kind & (_SIGN | _FIRST) else 0)
        self._few = self._all & (_DIGIT | _SIGN | _FIRST | _ODD)

    def look(self, texts: list[str]) -> dict[int, Look]:
        """Return what the texts have, by their numbers; those that are not in it have nothing."""
        data = "\n".join(texts).encode("utf-32-le" if sys.byteorder == "little" else "utf-32-be", "surrogatepass")
        codes = np.frombuffer(data, np.uint32)
        low = np.minimum(codes, _TABLE - 1) if len(codes) and int(codes.max()) >= _TABLE else codes
        places = np.flatnonzero(self._few.take(low))
        marks = self._few[low[places]]
        bounds = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) + 1 for text in texts], out=bounds[1:])
        looks: dict[int, Look] = {}
        for start, end, digits in self._find_stretches(low, places[(marks & _DIGIT) != 0]).tolist():
            text = int(np.searchsorted(bounds, start, "right")) - 1
            first = int(bounds[text])
            looks.setdefault(text, Look()).numbers.append((start - first, end - first, digits))
        needed = np.concatenate((places[(marks & _SIGN) != 0], self._find_threes(low, places[(marks & _FIRST) != 0])))
        for text in np.unique(np.searchsorted(bounds, needed, "right") - 1).tolist():
            looks.setdefault(text, Look()).needed = True
        for text in np.unique(np.searchsorted(bounds, places[(marks & _ODD) != 0], "right") - 1).tolist():
            if text in looks:
                looks[text].odd = True
        return looks

    def _find_stretches(self, codes: Codes, digits: Ints) -> Ints:
        """Return start, end and number of digits of the stretches."""
        if len(digits) < self._least:
            return np.zeros((0, 3), np.int64)
        gaps = np.diff(digits)
        linked = gaps == 1
        for gap in range(2, self._gap + 2):
            some = np.flatnonzero(gaps == gap)
            inside = [(self._all[codes[digits[some] + place]] & _BETWEEN) != 0 for place in range(1, gap)]
            linked[some] = np.logical_and.reduce(inside)
        edges = np.flatnonzero(~linked)
        starts, ends = np.append(0, edges + 1), np.append(edges, len(digits) - 1)
        long = np.flatnonzero(ends - starts + 1 >= self._least)
        starts, ends = starts[long], ends[long]
        return np.stack((digits[starts], digits[ends] + 1, ends - starts + 1), axis=1)

    def _find_threes(self, codes: Codes, first: Ints) -> Ints:
        """Return those places at which one of the strings begins; a look-alike may be any of what follows."""
        first = first[first + 2 < len(codes)]
        second, third = codes[first + 1], codes[first + 2]
        found = np.isin(_three(codes[first], second, third), self._threes)
        places: Ints = first[found | (((self._all[second] | self._all[third]) & _ODD) != 0)]
        return places


def _three(*codes: Codes | int) -> Ints:
    first, second, third = (np.asarray(code, np.int64) for code in codes)
    whole: Ints = (first << 32) + (second << 16) + third
    return whole


def _choose_beginning(need: str) -> str:
    """Return three characters of a string, the first one a sign, which is rarer than a letter; fewer where it ends."""
    place = next((place for place, sign in enumerate(need) if not sign.isalnum() and not sign.isspace()), 0)
    return need[place : place + 3]
