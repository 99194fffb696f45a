"""Cut a text into passages: whole sentences, about so many words, neighbours sharing a few sentences.

    >>> from samovar.language import profile_for
    >>> text = "One two three. Four five six. Seven eight nine."
    >>> [text[a:b] for a, b in split_passages(text, profile_for("en"), words=6, overlap=3)]
    ['One two three. Four five six.', 'Four five six. Seven eight nine.']

The rules, in order:
 1. A passage is a run of whole sentences; one of more than twice `words` is first cut at token boundaries into pieces
 of about `words`.
 2. Of the ends that give 60–150 % of `words`, the cheapest is taken: its distance from `words`, less a bonus where a
    paragraph ends, plus a malus right after a heading (a heading belongs to what follows).
 3. A rest of up to 130 % of `words` is not divided.
 4. The next passage begins so many sentences earlier that the shared words come nearest to `overlap` (possibly none).

Knows nothing about storage or ranking. Texts are read through a window, so a line of 20 MB needs no more memory than
its spans.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol

SPLIT_VERSION = 1
"""Raised whenever the same text would be cut differently; stored with each document."""

Span = tuple[int, int]

WINDOW_CHARS = 100_000  # sentences are asked for in stretches of this length
CHARS_PER_WORD = (
    12  # at least so many words are counted: scripts without spaces have few "words" (Russian: 7 with its space)
)
SHORTEST, LONGEST, UNDIVIDED = 0.6, 1.5, 1.3  # of the target
PARAGRAPH_BONUS = 0.35
HEADING_MALUS = 0.5
HEADING_WORDS = 12

_VISIBLE = re.compile(r"\S")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")


class TokenLike(Protocol):
    """A word with its offsets (see `samovar.language.Token`)."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


class Segmenter(Protocol):
    """What splitting needs from a language profile."""

    def sentences(self, text: str) -> list[Span]:
        """Return sentence spans."""

    def tokens(self, text: str) -> Sequence[TokenLike]:
        """Return words and numbers with offsets."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence or a piece of one. `opens` tells that a paragraph begins with it, `heading` that it stands alone and
    unfinished.
    """

    start: int
    end: int
    words: int
    opens: bool
    heading: bool = False


def split_passages(text: str, profile: Segmenter, *, words: int, overlap: int) -> list[Span]:
    """Return passage spans: in order, starts and ends strictly rising, no white space at their edges, every visible
    character covered.

    Args:
        words: target length in words (at least 1).
        overlap: words shared by neighbours (0 for none; less than `words`).
    """
    if words < 1 or not 0 <= overlap < words:
        raise ValueError(f"expected words >= 1 and 0 <= overlap < words, found words={words}, overlap={overlap}")
    return _pack(_mark_headings(text, list(_units(text, profile, words))), words, overlap)


# -- units ------------------------------------------------------------------------------------------------------------
def _units(text: str, profile: Segmenter, words: int) -> Iterator[Unit]:
    """Yield the sentences with their word counts, long ones cut; nothing visible is left out whatever the profile
    returns.
    """
    previous_end = 0
    for start, end in _sentences(text, profile):
        opens = previous_end == 0 or _PARAGRAPH.search(text, previous_end, start) is not None
        total = _count_words(text, start, end)
        if total <= 2 * words:
            yield Unit(start, end, total, opens)
        else:
            yield from _cut(text, start, end, profile, words, opens)
        previous_end = end


def _count_words(text: str, start: int, end: int) -> int:
    """Count what white space separates: half the time of splitting went into tokenising for this count alone."""
    return max(len(text[start:end].split()), (end - start) // CHARS_PER_WORD, 1)


def _sentences(text: str, profile: Segmenter) -> Iterator[Span]:
    """Yield sentence spans window by window, without a gap over the visible characters."""
    at, length = _skip_space(text, 0, len(text)), len(text)
    while at < length:
        end = _window_end(text, at)
        spans = _tile(text, at, end, profile.sentences(text[at:end]))
        paragraph_ends = end == length or _PARAGRAPH.match(text, end) is not None
        if not paragraph_ends and len(spans) > 1:
            spans.pop()  # its end may lie beyond the window
        yield from spans
        at = _skip_space(text, spans[-1][1], length)


def _window_end(text: str, at: int) -> int:
    """Return where to stop reading: at the end, at the last paragraph break of the window, or at its last white
    space.
    """
    limit = at + WINDOW_CHARS
    if limit >= len(text):
        return len(text)
    for mark in ("\n\n", "\n", " "):
        found = text.rfind(mark, at + WINDOW_CHARS // 2, limit)
        if found > at:
            return found
    return _whole_character(text, limit)


def _tile(text: str, start: int, end: int, sentences: Sequence[Span]) -> list[Span]:
    """Return `sentences` (relative to `start`) as trimmed spans of the whole text that leave no visible character
    between them.
    """
    cuts = sorted({start, *(start + a for a, _ in sentences if 0 < a < end - start), end})
    spans = (_trim(text, left, right) for left, right in pairwise(cuts))
    return [(left, right) for left, right in spans if left < right]


def _trim(text: str, start: int, end: int) -> Span:
    start = _skip_space(text, start, end)
    return start, start + len(text[start:end].rstrip())


def _skip_space(text: str, at: int, end: int) -> int:
    found = _VISIBLE.search(text, at, end)
    return found.start() if found else end


def _cut(text: str, start: int, end: int, profile: Segmenter, words: int, opens: bool) -> Iterator[Unit]:
    """Yield a sentence longer than two passages as pieces of about `words`, cut where a token begins."""
    tokens = [start + token.start for token in profile.tokens(text[start:end])]
    borders = [start, *_token_cuts(start, end, tokens, words), end]
    for left, right in pairwise(borders):
        for first, last in _hard_cuts(text, left, right, 2 * words * CHARS_PER_WORD):
            first, last = _trim(text, first, last)
            if first < last:
                yield Unit(first, last, _count_words(text, first, last), opens)
                opens = False


def _token_cuts(start: int, end: int, tokens: Sequence[int], words: int) -> Iterator[int]:
    """Yield token starts that divide a sentence into nearly equal pieces of at most about `words` words."""
    weights = [max(1, (b - a) // CHARS_PER_WORD) for a, b in zip(tokens, [*tokens[1:], end], strict=False)]
    total = sum(weights)
    share = total / max(1, -(-total // words))
    goal = share
    for following, reached in zip(tokens[1:], accumulate(weights), strict=False):
        if reached >= goal - 1e-9 and following > start:
            yield following
            goal = reached + share


def _hard_cuts(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    """Yield a stretch in pieces of at most about `limit` characters (a "word" of a megabyte has no token boundary)."""
    while end - start > limit:
        cut = _whole_character(text, start + limit)
        if cut >= end:
            break
        yield start, cut
        start = cut
    yield start, end


def _whole_character(text: str, at: int) -> int:
    """Return the first offset from `at` on that does not separate a combining mark or a joined pair from its base
    (within 64).
    """
    for offset in range(at, min(at + 64, len(text))):
        char, before = text[offset], text[offset - 1]
        if not (unicodedata.category(char).startswith("M") or char == "\u200d" or before == "\u200d"):
            return offset
    return at


def _mark_headings(text: str, units: list[Unit]) -> list[Unit]:
    """Mark short one-unit paragraphs without a closing punctuation mark: in any script a heading ends with a letter or
    digit.
    """
    out = []
    for index, unit in enumerate(units):
        alone = unit.opens and (index + 1 == len(units) or units[index + 1].opens)
        if alone and unit.words <= HEADING_WORDS and text[unit.end - 1].isalnum():
            unit = Unit(unit.start, unit.end, unit.words, unit.opens, heading=True)
        out.append(unit)
    return out


# -- packing ----------------------------------------------------------------------------------------------------------
def _pack(units: Sequence[Unit], words: int, overlap: int) -> list[Span]:
    """Return spans over consecutive units. Both ends move on by at least one unit each time."""
    sums = [0, *accumulate(unit.words for unit in units)]
    passages: list[Span] = []
    first = covered = 0
    while covered < len(units):
        last = _best_end(units, sums, first, covered, words)
        passages.append((units[first].start, units[last - 1].end))
        first, covered = _next_start(sums, first, last, overlap), last
    return passages


def _best_end(units: Sequence[Unit], sums: Sequence[int], first: int, covered: int, words: int) -> int:
    """Return the index after the last unit of the passage that begins at `first` and must reach beyond `covered`."""
    if sums[-1] - sums[first] <= UNDIVIDED * words:
        return len(units)
    best, best_cost = covered + 1, float("inf")
    for end in range(covered + 1, len(units) + 1):
        size = sums[end] - sums[first]
        if size > LONGEST * words and best_cost < float("inf"):
            break
        cost = abs(size - words) / words
        if size < SHORTEST * words:
            cost += 1.0
        if end == len(units) or units[end].opens:
            cost -= PARAGRAPH_BONUS
        if units[end - 1].heading:
            cost += HEADING_MALUS + PARAGRAPH_BONUS
        if cost < best_cost:
            best, best_cost = end, cost
    return best


def _next_start(sums: Sequence[int], first: int, last: int, overlap: int) -> int:
    """Return the unit at which the next passage begins: the shared words come nearest to `overlap`; ties share less."""
    best = last
    for start in range(last - 1, first, -1):
        shared = sums[last] - sums[start]
        if abs(shared - overlap) >= abs(sums[last] - sums[best] - overlap):
            break
        best = start
    return best
