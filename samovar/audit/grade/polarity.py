"""What is said of a mention: asserted, negated ("not X but Y"), or given as somebody else's mistake. Scope by words and punctuation, per language.

Source of the idea of a scope that ends at a conjunction or punctuation: Chapman et al. (2001), NegEx, J. Biomed. Inform. 34:301–310.
Knows nothing about right answers.
"""

from __future__ import annotations

from typing import Literal

from samovar.audit.grade.reading import Reading
from samovar.audit.grade.vocabulary import Vocabulary

Polarity = Literal["asserted", "negated", "denied", "dismissed"]
"""``denied``: a negation follows ("X did not …"), which may be about something else."""

REACH = 6  # tokens between a negation and what it negates
CONTENT = 2  # of which so many may be content words: "was not written by X"
LOOK = 90  # characters of the sentence on either side that can mark a mistake
_STOPS = frozenset(",;:().!?\n")


def polarity_of(reading: Reading, first: int, last: int) -> Polarity:
    """Return what is said of tokens `first` … `last`."""
    if _is_negated(reading, first):
        return "negated"
    if _is_dismissed(reading, first, last):
        return "dismissed"
    return "denied" if _is_denied(reading, last) else "asserted"


def is_negation(word: str, words: Vocabulary) -> bool:
    """Whether a folded word negates."""
    return word in words.negation or (bool(words.negation_endings) and word.endswith(words.negation_endings))


def _is_negated(reading: Reading, first: int) -> bool:
    words, low = reading.reader.words, reading.low
    stop, content = reading.reader.stop_words, 0
    for i in range(first - 1, max(first - 1 - REACH, -1), -1):
        if _breaks(reading.gap(i + 1)) or (i + 1 < first and '"' in reading.gap(i + 1)):
            return False
        if any(low[i - len(p) + 1 : i + 1] == list(p) for p in words.negating if len(p) <= i + 1):
            return True
        if is_negation(low[i], words):
            return i + 1 >= first or low[i + 1] not in words.not_only
        if low[i] in words.breakers:
            return False
        content += low[i] not in stop
        if content > CONTENT:
            return False
    return False


def _breaks(gap: str) -> bool:
    return not _STOPS.isdisjoint(gap) or " - " in gap or gap.startswith("- ")


def _is_denied(reading: Reading, last: int) -> bool:
    """A negation right after: "X did not"."""
    words = reading.reader.words
    for i in range(last + 1, min(last + 3, len(reading))):
        if _breaks(reading.gap(i)) or reading.low[i] in words.breakers or reading.low[i] in words.contrast:
            return False
        if is_negation(reading.low[i], words):
            return not (i + 1 < len(reading) and reading.low[i + 1] in words.not_only)
    return False


def _is_dismissed(reading: Reading, first: int, last: int) -> bool:
    words = reading.reader.words
    if words.dismiss_before:
        before = reading.folded[max(0, reading.starts[first] - LOOK) : reading.starts[first]]
        before = before.rstrip(' "').rpartition("\n")[2]
        if words.dismiss_before.search(before):
            return True
    if words.dismiss_after:
        return bool(words.dismiss_after.search(reading.folded[reading.ends[last] : reading.ends[last] + LOOK]))
    return False
