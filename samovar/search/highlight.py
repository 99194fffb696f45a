"""Where the query's words stand in a hit, and which stretch of it is worth showing. Offsets are characters of the document's text.

The k-th slot of a passage is its k-th token, so nothing is analysed again. Knows nothing about scores beyond the words' weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samovar.library.passage import Passage
from samovar.search.analysis import slot_spans
from samovar.search.codes import BREAK, has_pairs, num_slots, slot_numbers

SNIPPET_LETTERS = 240

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class QueryMarker:
    """A `samovar.search.hit.Marker`: the slots of the passage and the codes of the query with the weights of their words."""

    body: str
    codes: Sequence[tuple[str, float]]

    def __call__(self, passage: Passage) -> tuple[tuple[Span, ...], Span]:
        spans = slot_spans(passage.text)
        found = find_highlights(spans, self.body, [one for one in self.codes if one[0] in self.body])
        begin, end = find_snippet(passage.text, spans, found, self.body)
        at = passage.start
        return tuple([(at + start, at + stop) for start, stop, _ in found]), (at + begin, at + end)


def find_highlights(
    spans: Sequence[Span], body: str, codes: Sequence[tuple[str, float]]
) -> list[tuple[int, int, float]]:
    """Return (start, end, weight) of each matched word, in order. `spans` are the tokens' places in the passage's text."""
    found: dict[int, float] = {}
    pairs = has_pairs(body)
    for code, weight in codes:
        for number in slot_numbers(body, code, pairs=pairs):
            if number < len(spans):
                found[number] = max(weight, found.get(number, 0.0))
    return [(*spans[number], weight) for number, weight in sorted(found.items())]


def sentence_spans(text: str, spans: Sequence[Span], body: str) -> list[Span]:
    """Return the spans of the sentences as the slots part them: from the first token of each to where the next begins."""
    starts = [0]
    tokens = 0
    pairs = has_pairs(body)
    for sentence in body.split(BREAK)[:-1]:
        tokens += num_slots(sentence, pairs=pairs)
        if tokens < len(spans):
            starts.append(_opening(text, spans[tokens][0]))
    ends = [*starts[1:], len(text)]
    return [(start, start + len(text[start:end].rstrip())) for start, end in zip(starts, ends, strict=True)]


def _opening(text: str, at: int) -> int:
    """Where the token at `at` begins with the quotation marks and brackets before it."""
    while at > 0 and not text[at - 1].isspace():
        at -= 1
    return at


def find_snippet(text: str, spans: Sequence[Span], highlights: Sequence[tuple[int, int, float]], body: str) -> Span:
    """Return the stretch of about `SNIPPET_LETTERS` characters with the weightiest words, relative to the passage's text.

    It begins at a sentence where one begins near enough, else at a word, and ends likewise.
    """
    if len(text) <= SNIPPET_LETTERS:
        return 0, len(text)
    sentences = sentence_spans(text, spans, body)
    start = _best_start(highlights)
    last = max(
        (end for begin, end, _ in highlights if start <= begin and end <= start + SNIPPET_LETTERS), default=start
    )
    room = max(0, SNIPPET_LETTERS - (last - start))
    openings = [begin for begin, _ in sentences if start - room <= begin <= start]
    begin = openings[0] if openings else _word_start(text, max(0, start - room // 2))
    end = min(len(text), begin + SNIPPET_LETTERS)
    closings = [close for _, close in sentences if max(last, begin + SNIPPET_LETTERS // 2) <= close <= end]
    end = closings[-1] if closings else _word_end(text, end, max(last, begin + 1))
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    return begin, end


def _best_start(highlights: Sequence[tuple[int, int, float]]) -> int:
    """The highlight from which a window holds the largest weight; a word that comes again counts a tenth."""
    best, best_value = 0, -1.0
    for index, (start, _, _) in enumerate(highlights):
        seen: set[float] = set()
        value = 0.0
        for _, end, weight in highlights[index:]:
            if end > start + SNIPPET_LETTERS:
                break
            value += weight * (0.1 if weight in seen else 1.0)
            seen.add(weight)
        if value > best_value:
            best, best_value = start, value
    return best


def _word_start(text: str, at: int) -> int:
    while 0 < at < len(text) and not text[at - 1].isspace():
        at -= 1
    return at


def _word_end(text: str, at: int, least: int) -> int:
    """The last gap between words at or before `at`, not before `least`; `at` itself where there is none."""
    if at >= len(text):
        return len(text)
    gap = at
    while gap > least and not text[gap].isspace():
        gap -= 1
    return gap if gap > least else at
