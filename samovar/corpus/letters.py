"""A letter-pair model: how much a string looks like text written in the alphabet of `data/letter_pairs.toml`.

Used to tell legacy encodings apart and to recognise mojibake. The alphabet is data; this file knows only the
classes that surround it: other letters, Latin, space, punctuation, symbols, rubbish. Source: a bigram (Markov)
scorer, natural logarithms.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise

SPACE, PUNCTUATION, OPENING, CLOSING, ASCII_LETTER, LATIN_LETTER, KIN, FOREIGN, SYMBOL, RUBBISH = "_123456789"
"""Classes beside the letters themselves. OPENING and CLOSING: typographic signs before and after words; KIN: a
letter of the same script outside the alphabet; FOREIGN: a letter of another script."""

# Typographic signs that clean text of these languages has; everything else non-ASCII that is no letter counts as a
# symbol.
_OPENING = frozenset("\u00ab\u201c\u201e\u2018\u2116\u00a7\u00a9")
_CLOSING = frozenset("\u00bb\u201d\u2019\u2026\u00b0\u2014\u2013")
_LIKE_SPACE = frozenset("\u00a0\u2009\u202f\ufeff")

# Log-probabilities for pairs outside the table: chosen once so that clean text scores -2 … -4 a pair and a wrong
# decoding -5 or less.
_CASE_FLIP = -4.0  # a capital after a small letter inside a word: what a wrong single-byte table makes of every word
_MIXED_SCRIPTS = -7.0
_WRONG_SIDE = 4.0  # a closing sign before a word, an opening one after it
_NEIGHBOURS = {
    frozenset(LATIN_LETTER + ASCII_LETTER): -2.5,
    frozenset(LATIN_LETTER): -6.0,
    frozenset(LATIN_LETTER + SPACE): -3.0,
    frozenset(LATIN_LETTER + PUNCTUATION): -3.5,
    frozenset(LATIN_LETTER + OPENING): -6.0,
    frozenset(LATIN_LETTER + CLOSING): -6.0,
    frozenset(OPENING): -3.5,
    frozenset(CLOSING): -3.5,
    frozenset(OPENING + CLOSING): -4.5,
    frozenset(OPENING + SPACE): -2.5,
    frozenset(CLOSING + SPACE): -2.0,
    frozenset(OPENING + PUNCTUATION): -2.5,
    frozenset(CLOSING + PUNCTUATION): -2.5,
    frozenset(OPENING + ASCII_LETTER): -3.0,
    frozenset(CLOSING + ASCII_LETTER): -3.0,
    frozenset(KIN): -3.5,
    frozenset(KIN + SPACE): -4.0,
    frozenset(KIN + PUNCTUATION): -5.0,
    frozenset(KIN + OPENING): -6.0,
    frozenset(KIN + CLOSING): -6.0,
    frozenset(FOREIGN): -3.0,
    frozenset(FOREIGN + SPACE): -3.0,
    frozenset(FOREIGN + PUNCTUATION): -3.0,
    frozenset(FOREIGN + OPENING): -3.0,
    frozenset(FOREIGN + CLOSING): -3.0,
}


class _Classes(dict[int, str]):
    """A `str.translate` table that fills itself: letters of the alphabet stay, every other character becomes its
    class."""

    def __init__(self, letters: str) -> None:
        super().__init__({ord(letter): letter for letter in letters + letters.upper()})
        self.script = unicodedata.name(letters[0]).split()[0]

    def __missing__(self, code: int) -> str:
        self[code] = found = self._classify(chr(code))
        return found

    def _classify(self, character: str) -> str:
        if character.isascii():
            if character.isalpha():
                return ASCII_LETTER
            if character.isspace():
                return SPACE
            return PUNCTUATION if character.isprintable() else RUBBISH
        if character in _OPENING:
            return OPENING
        if character in _CLOSING:
            return CLOSING
        if character in _LIKE_SPACE:
            return SPACE
        category = unicodedata.category(character)
        if category[0] in "LM":
            script = unicodedata.name(character, "").split(" ")[0]
            return KIN if script == self.script else LATIN_LETTER if script == "LATIN" else FOREIGN
        return RUBBISH if category in ("Cc", "Co", "Cn", "Cs") or character == "\ufffd" else SYMBOL


@dataclass(frozen=True, slots=True)
class LetterPairs:
    """The table and its alphabet. `codecs` are the single-byte encodings of this alphabet, `latin` that of all
    other text."""

    letters: str
    rows: tuple[tuple[float, ...], ...]
    codecs: tuple[str, ...]
    latin: str
    classes: _Classes = field(compare=False)
    pair_scores: dict[tuple[str, str], float] = field(default_factory=dict, compare=False)

    def score(self, text: str) -> float:
        """Return the mean log-probability of the pairs with at least one non-ASCII character; 0.0 when there are none.

        Clean text of the alphabet's main language scores about -2.5, other clean text -2 … -4.5, a wrong decoding
        below -5.
        """
        return self.score_classes(text.translate(self.classes))

    def count_kin(self, text: str) -> int:
        """Return how many letters are of the alphabet's script, but not of the alphabet."""
        return text.translate(self.classes).count(KIN)

    def score_classes(self, classes: str) -> float:
        """As `score`, for a string already translated to classes."""
        total, num_pairs = 0.0, 0
        for pair, count in Counter(pairwise(classes)).items():
            value = self.pair_scores.get(pair)
            if value is None:
                value = self.pair_scores[pair] = self._pair(*pair)
            if value < 0.0:
                total += value * count
                num_pairs += count
        return total / num_pairs if num_pairs else 0.0

    def _pair(self, first: str, second: str) -> float:
        outside = {SPACE, PUNCTUATION, OPENING, CLOSING}
        if first in SPACE + PUNCTUATION + ASCII_LETTER and second in SPACE + PUNCTUATION + ASCII_LETTER:
            return 0.0  # ASCII only: says nothing about the encoding
        if RUBBISH in (first, second):
            return -12.0
        if SYMBOL in (first, second):
            return -8.0
        known = [character in self.letters or character.lower() in self.letters for character in (first, second)]
        if not any(known):
            return _NEIGHBOURS.get(frozenset(first + second), _MIXED_SCRIPTS)
        if KIN in (first, second):
            return -5.0
        if all(known) or first in outside or second in outside:
            return self._lookup(first, second, outside)
        return _MIXED_SCRIPTS

    def _lookup(self, first: str, second: str, outside: set[str]) -> float:
        row = len(self.letters) if first in outside else self.letters.index(first.lower())
        column = len(self.letters) if second in outside else self.letters.index(second.lower())
        value = self.rows[row][column]
        if first.islower() and second.isupper():
            value += _CASE_FLIP
        if first == CLOSING or second == OPENING:
            value -= _WRONG_SIDE
        elif first == OPENING or second == CLOSING:
            value -= 1.0
        return value


@cache
def load_letter_pairs() -> LetterPairs:
    """Read the table shipped with the package."""
    data = tomllib.loads(files("samovar.corpus").joinpath("data/letter_pairs.toml").read_text("utf-8"))
    rows: Sequence[str] = data["rows"]
    return LetterPairs(
        letters=data["letters"],
        rows=tuple(tuple(-int(value) / 10 for value in row.split()) for row in rows),
        codecs=tuple(data["codecs"]),
        latin=data["latin"],
        classes=_Classes(data["letters"]),
    )
