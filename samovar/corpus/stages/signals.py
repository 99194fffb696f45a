"""Numbers that describe a text without knowing its language; the quality stage's rules are thresholds on them.

Computed for many texts at once from one scan. Shares are between 0 and 1. Sources of the ideas: Gopher (Rae et al. 2021, appendix A), C4
(Raffel et al. 2020), RefinedWeb (Penedo et al. 2023), FineWeb (Penedo et al. 2024); what assumed English (stop words, Latin letters, ASCII
punctuation) is replaced by Unicode categories.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from samovar.corpus.stages.lines import LinesOptions, hash_lines_in
from samovar.corpus.stages.scan import BASE, DIGIT, LETTER, PUNCTUATION, SYMBOL, UPPER, Ints, Scan, mix, script_of

Floats = npt.NDArray[np.float64]

SIGNALS = {
    "chars": "characters that are no space",
    "words": "words",
    "mean_word_length": "letters and digits per word",
    "share_letters": "letters among the characters that are no space",
    "share_digits": "digits among them",
    "share_symbols": "symbols among them: neither letter, digit nor punctuation",
    "share_upper": "capitals among the letters of scripts that have them",
    "share_main_script": "letters in the script that has most of them",
    "share_words_with_letters": "words with a letter",
    "lines": "lines that are not blank",
    "mean_line_words": "words per line",
    "share_short_lines": "lines of at most 30 characters",
    "share_ended_lines": "lines that end with punctuation",
    "share_bullet_lines": "lines that begin with a bullet",
    "share_ellipsis_lines": "lines that end with an ellipsis",
    "share_duplicate_lines": "lines that stood before in the text",
    "share_duplicate_line_chars": "characters in such lines",
    "share_top_2gram": "letters and digits in the most frequent pair of words",
    "share_top_4gram": "letters and digits in the most frequent run of four words, when it occurs twice",
    "share_duplicate_5grams": "runs of five words that stood before in the text",
    "share_duplicate_10grams": "runs of ten words that stood before in the text",
    "longest_run": "the same character in a row, spaces and line breaks left out",
    "braces": "curly braces",
}
"""Every signal and what it means; the data card prints this."""

_SHORT_LINE = 30
_TOP = (2, 4)
_SIZES = (2, 4, 5, 10)
_SLOTS = 1 << 18  # for some 25,000 runs of words at a time: one in ten shares a slot by chance
_BULLETS = "•‣▪▫●○■□◦·∙*-–—►▶➢✓✔"
_DOTS, _ELLIPSIS = ord("."), 0x2026


def measure(scan: Scan) -> dict[str, Floats]:
    """Return every signal of `SIGNALS` for each text of a scan."""
    found: dict[str, Floats] = {}
    for part in (_measure_characters, _measure_words, _measure_lines, _measure_repetition):
        found.update(part(scan))
    return found


_ALL_LINES = LinesOptions(min_chars=1, max_chars=1_000_000_000)


def _share(part: Floats, whole: Floats) -> Floats:
    result: Floats = part / np.maximum(whole, 1)
    return result


def _per_text(scan: Scan, owner: Ints, weights: Floats | Ints | npt.NDArray[np.bool_] | None = None) -> Floats:
    """Return the sum of the weights (or the number) of the things that each text owns."""
    return np.bincount(owner, weights, minlength=len(scan)).astype(np.float64)


def _sums(values: Floats | Ints | npt.NDArray[np.bool_], bounds: Ints) -> Floats:
    """Return the sums of whole numbers between bounds."""
    before = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=before[1:])
    return np.diff(before[bounds]).astype(np.float64)


def _measure_characters(scan: Scan) -> dict[str, Floats]:
    letters, digits, symbols, punctuation, upper = _count_kinds(scan, (LETTER, DIGIT, SYMBOL, PUNCTUATION, UPPER))
    visible = letters + digits + symbols + punctuation
    return {
        "chars": visible,
        "share_letters": _share(letters, visible),
        "share_digits": _share(digits, visible),
        "share_symbols": _share(symbols, visible),
        "share_upper": _share(upper, letters),
        "longest_run": _find_longest_runs(scan),
        "braces": _count_characters(scan, "{}"),
    }


def _count_kinds(scan: Scan, bits: tuple[int, ...]) -> Floats:
    """Return [bits, n]: how many characters of each kind there are in each text."""
    result = np.zeros((len(bits), len(scan)))
    bounds = scan.texts.tolist()
    for row, bit in enumerate(bits):
        of_kind = (scan.kinds & np.uint8(bit)) != 0
        result[row] = [np.count_nonzero(of_kind[start:end]) for start, end in pairwise(bounds)]
    return result


def _count_characters(scan: Scan, characters: str) -> Floats:
    places = np.concatenate([np.flatnonzero(scan.codes == ord(character)) for character in characters])
    return _per_text(scan, scan.text_of(places))


def _find_longest_runs(scan: Scan) -> Floats:
    """Return the length of the longest run of one letter, digit or sign in each text."""
    pairs = np.flatnonzero(scan.codes[1:] == scan.codes[:-1])
    pairs = pairs[(scan.kinds[pairs] & np.uint8(LETTER | DIGIT | SYMBOL | PUNCTUATION)) != 0]
    edges = np.flatnonzero(np.diff(pairs) != 1)
    first, last = np.append(0, edges + 1), np.append(edges, len(pairs) - 1)
    starts, lengths = (pairs[first], last - first + 2) if len(pairs) else (pairs, pairs)
    result: Floats = np.minimum(1, np.diff(scan.texts) - 1).astype(np.float64)
    np.maximum.at(result, scan.text_of(starts), lengths)
    return result


def _measure_words(scan: Scan) -> dict[str, Floats]:
    owner, count = scan.text_of_words(), scan.num_words().astype(np.float64)
    has_letter = _find_words_with_letters(scan)
    script = script_of(scan.folded[scan.starts])
    weights = np.where(has_letter, scan.lengths, 0)
    num_scripts = int(script.max(initial=0)) + 1
    by_script = np.bincount(owner * num_scripts + script, weights, minlength=len(scan) * num_scripts)
    by_script = by_script.reshape(len(scan), num_scripts)
    return {
        "words": count,
        "mean_word_length": _share(_sums(scan.lengths, scan.first_words), count),
        "share_words_with_letters": _share(_sums(has_letter, scan.first_words), count),
        "share_main_script": _share(by_script.max(axis=1, initial=0), by_script.sum(axis=1)),
    }


def _find_words_with_letters(scan: Scan) -> npt.NDArray[np.bool_]:
    """Return which words have a letter: those that do not begin with one are looked through."""
    has_letter: npt.NDArray[np.bool_] = (scan.kinds[scan.starts] & LETTER) != 0
    others = np.flatnonzero(~has_letter)
    if len(others):
        lengths = scan.lengths[others]
        first = np.cumsum(lengths) - lengths
        places = np.repeat(scan.starts[others] - first, lengths) + np.arange(int(lengths.sum()))
        has_letter[others] = (np.bitwise_or.reduceat(scan.kinds[places], first) & LETTER) != 0
    return has_letter


def _measure_lines(scan: Scan) -> dict[str, Floats]:
    starts = scan.line_starts()
    ends = np.append(starts[1:], len(scan.codes) + 1) - 1
    full = ends > starts
    starts, ends = starts[full], ends[full]
    owner, lengths, bounds = scan.text_of(starts), ends - starts, np.searchsorted(starts, scan.texts)
    first, last, before = scan.codes[starts], scan.codes[ends - 1], scan.codes[np.maximum(ends - 3, 0)]
    ended = (scan.kinds[ends - 1] & PUNCTUATION) != 0
    ellipsis = (last == _ELLIPSIS) | ((last == _DOTS) & (before == _DOTS) & (lengths >= 3))
    hashes = np.concatenate(hash_lines_in(scan, _ALL_LINES))[full] if len(scan) else np.zeros(0, np.uint64)
    again = _find_repeated(hashes ^ mix(owner.astype(np.uint64))) & (hashes != 0)
    count, chars = np.diff(bounds).astype(np.float64), _sums(lengths, bounds)
    return {
        "lines": count,
        "mean_line_words": _share(scan.num_words().astype(np.float64), count),
        "share_short_lines": _share(_sums(lengths <= _SHORT_LINE, bounds), count),
        "share_ended_lines": _share(_sums(ended, bounds), count),
        "share_bullet_lines": _share(_sums(_is_bullet(first), bounds), count),
        "share_ellipsis_lines": _share(_sums(ellipsis, bounds), count),
        "share_duplicate_lines": _share(_sums(again, bounds), count),
        "share_duplicate_line_chars": _share(_sums(again * lengths, bounds), chars),
    }


@cache
def _bullets() -> npt.NDArray[np.bool_]:
    table = np.zeros(1 << 16, bool)
    table[[ord(sign) for sign in _BULLETS]] = True
    return table


def _is_bullet(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Return which characters are bullets."""
    return _bullets()[np.minimum(codes, (1 << 16) - 1)]


def _find_repeated(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return which values stood before."""
    again = np.zeros(len(values), bool)
    shared = _find_shared(values)
    if len(shared):
        again[shared] = True
        again[shared[np.unique(values[shared], return_index=True)[1]]] = False
    return again


def _measure_repetition(scan: Scan) -> dict[str, Floats]:
    """Count runs of 2, 4, 5 and 10 words that occur again. A longer run can only where the shorter one at its beginning does: each length
    looks at what the one before has left, and nearly nothing is left after two words."""
    words = scan.num_words().astype(np.float64)
    owner = scan.text_of_words()
    behind = scan.first_words[1:][owner] - np.arange(len(owner))  # words from here to the end of the text
    marks = owner.astype(np.uint64) << np.uint64(48)
    found = {}
    places: Ints = np.flatnonzero(behind >= min(_SIZES))
    for size in _SIZES:
        places = places[np.flatnonzero(behind[places] >= size)]
        most, repeated, places = _count(_hash_run(scan.words, places, size), marks[places], places, len(scan))
        if size in _TOP:
            found[f"share_top_{size}gram"] = np.minimum(1.0, _share(np.where(most > 1, most, 0) * size, words))
        else:
            found[f"share_duplicate_{size}grams"] = _share(repeated, np.maximum(words - size + 1, 1))
    return found


def _hash_run(words: npt.NDArray[np.uint64], places: Ints, size: int) -> npt.NDArray[np.uint64]:
    """Return a hash of the run of `size` words at each place."""
    hashes = words.take(places)
    for further in range(1, size):
        hashes *= BASE
        hashes += words.take(places + further)
    return hashes


def _find_shared(hashes: npt.NDArray[np.uint64]) -> Ints:
    """Return the numbers of the values that may occur more than once: those with a namesake in their lower bits, and a few others."""
    slots = (hashes & np.uint64(_SLOTS - 1)).view(np.int64)
    last = np.empty(_SLOTS, np.int32)  # only what is written is read
    numbers = np.arange(len(slots), dtype=np.int32)
    last[slots] = numbers
    shared = np.zeros(_SLOTS, bool)
    shared[slots[np.flatnonzero(last.take(slots) != numbers)]] = True
    return np.flatnonzero(shared.take(slots))


def _count(
    hashes: npt.NDArray[np.uint64], marks: npt.NDArray[np.uint64], places: Ints, num_texts: int
) -> tuple[Floats, Floats, Ints]:
    """Return how often the most frequent n-gram of each text occurs (0 or 1: none twice), how many n-grams stood before in it, and the places
    of those that occur more than once.

    `marks` have the number of the text in the upper 16 bits, which keeps texts apart under one sort; 48 bits of hash suffice within a text.
    Only those are sorted that share their place in a table with another one: nearly all occur once.
    """
    shared = _find_shared(hashes ^ (marks >> np.uint64(48)))
    most, repeated = np.zeros(num_texts), np.zeros(num_texts)
    if not len(shared):
        return most, repeated, places[:0]
    keys = marks[shared] | (hashes[shared] >> np.uint64(16))
    order = np.argsort(keys)
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    counts = np.diff(np.append(starts, len(keys)))
    texts = (keys[starts] >> np.uint64(48)).astype(np.int64)
    bounds = np.flatnonzero(np.concatenate(([True], texts[1:] != texts[:-1])))
    most[texts[bounds]] = np.maximum.reduceat(counts, bounds)
    repeated = np.bincount(texts, counts - 1, minlength=num_texts).astype(np.float64)
    return most, repeated, places[shared][order[np.repeat(counts > 1, counts)]]
