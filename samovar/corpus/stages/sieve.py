"""Which texts may hold personal data at all: one look at the characters of many, so that most texts meet no pattern.

Finds the stretches of digits, exactly, and says where strings that a kind asks for may stand and which texts have look-alikes: too often, never
too seldom. Knows no kind and no mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from samovar.corpus.stages.scan import Codes, Ints, bounds_of, code_points

Stretch = tuple[int, int, int]

_TABLE = 1 << 16
_DIGIT, _SIGN, _ODD, _BETWEEN = (1 << bit for bit in range(4))
"""What a character is: a digit; a sign of a string that is looked for; a look-alike of something; what may part digits."""


@dataclass(slots=True)
class Look:
    """What a text has: `numbers` (start, end, how many digits), perhaps one of the strings `needed`, by their groups; the look-alikes (`odd`)."""

    numbers: list[Stretch] = field(default_factory=list)
    needed: set[str] = field(default_factory=set)
    odd: str = ""


class Sieve:
    """`needs`: strings to look for, by groups. `least`: digits of a stretch, `gap`: the most characters, out of `between`, that part two of them.
    `look_alikes`: pairs of a character and what it stands for; all is said of texts in which they were replaced."""

    def __init__(
        self,
        needs: Mapping[str, Sequence[str]],
        least: int,
        gap: int,
        between: str,
        look_alikes: Iterable[tuple[str, str]],
    ) -> None:
        self._least, self._gap = least, gap
        self._windows = [_Window(group, need) for group, some in needs.items() for need in some]
        table = np.zeros(_TABLE, np.uint8)
        table[[_slot(window.sign) for window in self._windows]] |= _SIGN
        table[ord("0") : ord("9") + 1] |= _DIGIT
        table[list(map(ord, between))] |= _BETWEEN
        self._all = table.copy()
        for sign, meant in look_alikes:
            self._all[ord(sign)] |= _ODD | table[ord(meant)]
        self._few = (self._all & (_DIGIT | _SIGN | _ODD)) != 0
        self._groups = frozenset(needs)

    def look(self, texts: list[str]) -> dict[int, Look]:
        """Return what the texts have, by their numbers; those that are not in it have nothing."""
        codes = code_points("\n".join(texts))
        low = np.minimum(codes, _TABLE - 1) if len(codes) and int(codes.max()) >= _TABLE else codes
        places = np.flatnonzero(self._few.take(low))
        marks = self._all[low[places]]
        bounds = bounds_of(texts)
        looks: dict[int, Look] = {}
        stretches = self._find_stretches(low, places[(marks & _DIGIT) != 0])
        owners = np.searchsorted(bounds, stretches[:, 0], "right") - 1
        stretches[:, :2] -= bounds[owners][:, None]
        for text, (start, end, digits) in zip(owners.tolist(), stretches.tolist(), strict=True):
            looks.setdefault(text, Look()).numbers.append((start, end, digits))
        for group, found in self._find_needed(low, places[(marks & _SIGN) != 0]):
            for text in np.unique(np.searchsorted(bounds, found, "right") - 1).tolist():
                looks.setdefault(text, Look()).needed.add(group)
        odd = places[(marks & _ODD) != 0]
        owners = np.searchsorted(bounds, odd, "right") - 1
        for pair in np.unique((owners << 16) + low[odd]).tolist():
            if pair >> 16 in looks:
                looks[pair >> 16].odd += chr(pair & 0xFFFF)
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

    def _find_needed(self, codes: Codes, signs: Ints) -> Iterator[tuple[str, Ints]]:
        """Yield groups and places around which one of their strings stands; a look-alike may be anything."""
        if not len(signs):
            return
        around = [codes[np.clip(signs + offset, 0, len(codes) - 1)] for offset in (-2, -1, 0, 1, 2)]
        odd = np.logical_or.reduce([(self._all[some] & _ODD) != 0 for some in around])
        if odd.any():
            yield from ((group, signs[odd]) for group in self._groups)
        for window in self._windows:
            fits = np.logical_and.reduce([around[2 + offset] == code for offset, code in window.codes])
            if fits.any():
                yield window.group, signs[fits]


class _Window:
    """Up to three neighbours in a string, among them a sign, which is rarer than a letter."""

    def __init__(self, group: str, need: str) -> None:
        place = next((place for place, sign in enumerate(need) if not sign.isalnum() and not sign.isspace()), 0)
        first = max(0, min(place, len(need) - 3))
        self.group, self.sign = group, need[place]
        self.codes = [(at - place, _slot(need[at])) for at in range(first, min(first + 3, len(need)))]


def _slot(sign: str) -> int:
    return min(ord(sign), _TABLE - 1)
