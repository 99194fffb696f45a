"""One look at many texts with numpy: what kind each character is, where words and lines are, and a 64-bit hash of each word.

Everything that counts or compares texts in a build (exact and near duplicates, repeated lines, quality, contamination) starts here, so
that all of them mean the same by "word": a run of letters and digits, without case, accents and stress marks; a character of a script
that is written without spaces is a word by itself. Knows no language. Measured: about 20 ns a character, where the same with `re` takes
150. Sources: Unicode general categories (UAX #44); polynomial hashing modulo 2^64, finished by the mixer of SplitMix64 (Steele 2014).
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]

LETTER, DIGIT, UPPER, SPACE, PUNCTUATION, SYMBOL, SINGLE, IGNORED = (1 << bit for bit in range(8))
"""Kinds of characters, bits of `Scan.kinds`. SINGLE: a letter of a script without spaces; IGNORED: a combining accent."""
WORD = LETTER | DIGIT

_TABLE_SIZE = 0x40000  # planes 0–3; everything above is looked up as the last entry
BASE = np.uint64(0x9E3779B97F4A7C15)
_BLOCK_BITS = 16
_BLOCK = 1 << _BLOCK_BITS
_BREAK = 10
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


CHUNK = 200_000  # characters looked at together: numpy's own cost for each call is spread over them, and they fit into the processor's cache
_MAX_TEXTS = 4_000
Thing = TypeVar("Thing")


def batches_of(things: list[Thing], size: Callable[[Thing], int], chunk: int = CHUNK) -> Iterator[list[Thing]]:
    """Yield runs of `things` of about `chunk` characters in all; `size` gives the characters of one."""
    sizes = list(map(size, things))
    if sum(sizes) <= chunk and len(things) <= _MAX_TEXTS:
        if things:
            yield things
        return
    first = total = 0
    for place, length in enumerate(sizes):
        if place > first and (total + length > chunk or place - first >= _MAX_TEXTS):
            yield things[first:place]
            first, total = place, 0
        total += length
    yield things[first:]


class SharedScan:
    """The last scan, for stages that look at the same texts one after the other: a text that is the very same object is not looked at again.

    Only what is true of each text alone may be read from it; which other texts are in it is chance.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._rows: dict[int, int] = {}
        self._scan: Scan | None = None

    def scans(self, texts: list[str]) -> Iterator[tuple[Scan, Ints]]:
        """Yield scans and, for each text of a scan, its place in `texts`, -1 for a text that is not asked for; every text is in one of them.

        The last scan is used when nearly all texts are in it and they are most of it; those that are not are scanned by themselves.
        """
        places = [self._rows.get(id(text), -1) for text in texts]
        known = [place for place in places if place >= 0]
        enough = len(known) > max(len(self._texts) // 2, len(texts) * 4 // 5)
        if self._scan is None or not enough or len(set(known)) < len(known):
            yield from self._begin(texts)
            return
        numbers = np.full(len(self._scan), -1, np.int64)
        numbers[known] = [number for number, place in enumerate(places) if place >= 0]
        yield self._scan, numbers
        rest = [number for number, place in enumerate(places) if place < 0]
        if rest:
            yield scan_texts([texts[number] for number in rest]), np.array(rest, np.int64)

    def _begin(self, texts: list[str]) -> Iterator[tuple[Scan, Ints]]:
        self._texts = texts  # held: as long as they live, no other object has their number
        self._scan = scan = scan_texts(texts)
        self._rows = {id(text): number for number, text in enumerate(texts)}
        yield scan, np.arange(len(texts))


@cache
def shared_scan() -> SharedScan:
    """Return the one of this process."""
    return SharedScan()


def mix(values: U64) -> U64:
    """Return well mixed 64-bit hashes of 64-bit numbers (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@cache
def _tables() -> tuple[npt.NDArray[np.uint8], Codes]:
    """Return the kind and the folded form of every character; folded is 0 for what is in no word."""
    kinds = np.zeros(_TABLE_SIZE, np.uint8)
    folded = np.zeros(_TABLE_SIZE, np.uint32)
    for code in range(0x10000):
        kinds[code], folded[code] = _classify(chr(code))
    kinds[0x10000:0x1F000] = LETTER
    kinds[0x1F000:0x20000] = SYMBOL
    kinds[0x20000:] = LETTER
    plain = kinds[0x10000:] == LETTER
    folded[0x10000:][plain] = np.arange(0x10000, _TABLE_SIZE, dtype=np.uint32)[plain]
    for first, last in _UNSPACED:
        part = kinds[first : last + 1]
        part[(part & LETTER) != 0] |= SINGLE
    return kinds, folded


def _classify(character: str) -> tuple[int, int]:
    category = unicodedata.category(character)
    code = ord(character)
    if 0x300 <= code < 0x370:
        return IGNORED, 0
    if category[0] in "LM":
        return LETTER | (UPPER if category in ("Lu", "Lt") else 0), _fold(character)
    if category[0] == "N":
        return DIGIT, _fold(character)
    if category[0] == "Z" or character in "\t\n\r\v\f":
        return SPACE, 0
    return (PUNCTUATION, 0) if category[0] == "P" else (SYMBOL, 0)


def _fold(character: str) -> int:
    """Without case, and without accents where the base is one character."""
    lower = character.lower()
    parts = unicodedata.normalize("NFD", lower[0])
    if len(parts) > 1 and all(0x300 <= ord(part) < 0x370 for part in parts[1:]):
        return ord(parts[0])
    return ord(lower[0])


@cache
def _powers() -> tuple[U64, U64]:
    """Return the powers of the base and of its inverse modulo 2^64, one for each place in a block."""
    inverse = pow(int(BASE), -1, 1 << 64)
    powers, inverses = np.full(_BLOCK, BASE), np.full(_BLOCK, inverse, np.uint64)
    powers[0] = inverses[0] = 1
    return np.multiply.accumulate(powers), np.multiply.accumulate(inverses)


@dataclass(frozen=True, slots=True)
class Scan:
    """Arrays over the texts, which lie behind one another with one line break between them.

    `codes`, `kinds`: one per character. `texts` [n + 1]: where each text starts, and the end. `starts`, `lengths`, `words`: one per
    word, the last its hash; `first_words` [n + 1]: the number of the first word of each text.
    """

    codes: Codes
    kinds: npt.NDArray[np.uint8]
    folded: Codes
    texts: Ints
    starts: Ints
    lengths: Ints
    words: U64
    first_words: Ints

    def __len__(self) -> int:
        return len(self.texts) - 1

    def num_words(self) -> Ints:
        """Return the number of words of each text."""
        return np.diff(self.first_words)

    def line_starts(self) -> Ints:
        """Return where every line of every text starts, in order; the end is not among them."""
        breaks = np.flatnonzero(self.codes == _BREAK)
        return np.concatenate((np.zeros(1, np.int64), breaks + 1))

    def text_of(self, places: Ints) -> Ints:
        """Return the number of the text that each character place lies in."""
        return np.searchsorted(self.texts, places, "right") - 1

    def text_of_words(self) -> Ints:
        """Return the number of the text that each word lies in."""
        return np.repeat(np.arange(len(self)), self.num_words())

    def ngrams(self, size: int) -> tuple[U64, Ints]:
        """Return the hash of every run of `size` words that lies within one text, and the number of its first word."""
        count = len(self.words) - size + 1
        if count <= 0:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        hashes = self.words[:count].copy()
        for place in range(1, size):
            hashes *= BASE
            hashes += self.words[place : place + count]
        owner = self.text_of_words()
        inside = np.flatnonzero(owner[:count] == owner[size - 1 :])
        return mix(hashes[inside]), inside


def hash_runs(scan: Scan, sizes: Sequence[int]) -> Iterator[tuple[int, U64]]:
    """Yield, for sizes in rising order, the unmixed hash of every run of so many words, by the number of its first word; each size goes on from
    the one before. Runs that reach into the next text are among them: see `within_texts`."""
    hashes, done = scan.words, 1
    for size in sizes:
        count = max(0, len(scan.words) - size + 1)
        hashes = hashes[:count].copy()
        for place in range(done, size):
            hashes *= BASE
            hashes += scan.words[place : place + count]
        done = size
        yield size, hashes


def within_texts(scan: Scan, first: Ints, size: int) -> Ints:
    """Return those of the words from which `size` words lie within one text."""
    ends = scan.first_words[np.searchsorted(scan.first_words, first, "right")]
    return first[first + size <= ends]


def code_points(text: str) -> Codes:
    """Return the code points of a text; lone surrogates are taken as they are."""
    encoding = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
    return np.frombuffer(text.encode(encoding, "surrogatepass"), np.uint32)


def bounds_of(texts: Sequence[str]) -> Ints:
    """Return [n + 1]: where each text starts when they lie behind one another with one character between them, and the end."""
    bounds = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) + 1 for text in texts], out=bounds[1:])
    return bounds


def scan_texts(texts: list[str]) -> Scan:
    """Look at the texts once. Lone surrogates are taken as they are; nothing raises. Accents are left out of all arrays."""
    codes = code_points("\n".join(texts))
    table, fold = _tables()
    looked_up = np.minimum(codes, _TABLE_SIZE - 1) if len(codes) and int(codes.max()) >= _TABLE_SIZE else codes
    kinds, folded = table.take(looked_up), fold.take(looked_up)
    bounds = bounds_of(texts)
    special = int(kinds.max(initial=0))
    if special >= IGNORED:
        codes, kinds, folded, bounds = _leave_out(kinds >= IGNORED, codes, kinds, folded, bounds)
    starts, ends = _find_words(folded, kinds if special >= SINGLE else None)
    words = _hash_runs(folded, starts, ends)
    return Scan(codes, kinds, folded, bounds, starts, ends - starts, words, np.searchsorted(starts, bounds))


def _leave_out(
    going: npt.NDArray[np.bool_], codes: Codes, kinds: npt.NDArray[np.uint8], folded: Codes, bounds: Ints
) -> tuple[Codes, npt.NDArray[np.uint8], Codes, Ints]:
    before = np.concatenate(([0], np.cumsum(going)))
    bounds = bounds - np.append(before, before[-1])[np.minimum(bounds, len(going))]
    return codes[~going], kinds[~going], folded[~going], bounds


def _find_words(folded: Codes, kinds: npt.NDArray[np.uint8] | None) -> tuple[Ints, Ints]:
    """Return where words start and end (behind the last character); `kinds` only when characters are words by themselves."""
    inside = np.zeros(len(folded) + 2, bool)
    np.not_equal(folded, 0, out=inside[1:-1])
    if kinds is None:
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        return edges[::2], edges[1::2]
    cuts = inside[1:] != inside[:-1]
    single = np.flatnonzero(kinds & SINGLE)
    cuts[single] = cuts[single + 1] = True
    return np.flatnonzero(cuts & inside[1:]), np.flatnonzero(cuts & inside[:-1])


def _hash_runs(folded: Codes, starts: Ints, ends: Ints) -> U64:
    """Return the hash of each run of characters: the sum of character × base^place, from sums over everything before.

    With place counted from the start of the scan, a difference of two sums, divided by base^start, is the run's own.
    """
    powers, inverses = _powers()
    sums = np.zeros(len(folded) + 1, np.uint64)
    values, factor, step = sums[1:], 1, pow(int(BASE), _BLOCK, 1 << 64)
    values[:] = folded
    block_factors = [1]
    for first in range(0, len(folded), _BLOCK):
        part = values[first : first + _BLOCK]
        part *= powers[: len(part)]
        if first:
            factor = factor * step % (1 << 64)
            part *= np.uint64(factor)
            block_factors.append(pow(factor, -1, 1 << 64))
    np.cumsum(values, out=values)
    hashes = (sums[ends] - sums[starts]) * inverses[starts & (_BLOCK - 1)]
    if len(block_factors) > 1:
        hashes *= np.array(block_factors, np.uint64)[starts >> _BLOCK_BITS]
    return mix(hashes)


@cache
def _scripts() -> npt.NDArray[np.uint8]:
    """Return a number for the script of every character: 1 and up for letters, 0 for anything else."""
    table, names = np.zeros(_TABLE_SIZE, np.uint8), {"": 0}
    for code in range(0x10000):
        character = chr(code)
        if character.isalpha():
            name = unicodedata.name(character, "").split(" ")[0].split("-")[0]
            table[code] = names.setdefault(name, min(len(names), 255))
    for alias in ("HIRAGANA", "KATAKANA"):
        table[table == names[alias]] = names["CJK"]
    table[0x20000:] = names["CJK"]
    return table


def script_of(codes: Codes) -> Ints:
    """Return the number of the script of each character, 0 for what is no letter; kana count as ideographs."""
    return _scripts().take(np.minimum(codes, _TABLE_SIZE - 1)).astype(np.int64)
