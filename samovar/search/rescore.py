"""Stage two: the score itself, as a sum of named components over the codes of a passage.

    text:WORD      BM25 of the word (any of its readings), k1 = 0.8, b = 0.5
    sentence       the sentence that holds most of the query: the sum of the weights (idf) of the words in it
    title          words of the query in the document's title or one of its aliases
    phrase:TEXT    words in quotation marks, found in this order
    4-grams:WORD   pieces of a word that the passage does not have: «маршрутизация» finds «маршрутизируется»
    typo:A→B       discount on a word that was found under a corrected spelling

Sources: BM25, Robertson & Zaragoza (2009); pieces instead of better stemming, McNamee & Mayfield (2004). The constants were chosen on the
development half of XQuAD (Russian and English together) from smooth plateaus; docs/LAB.md has the tables. Knows no files, no texts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from samovar.search.codes import BREAK, num_slots, slot_numbers
from samovar.search.hit import Component
from samovar.search.rows import Row

K1 = 0.8
B = 0.5
SENTENCE_WEIGHT = 0.8
GRAM_WEIGHT = 0.3
TITLE_WEIGHT = 0.5
PHRASE_WEIGHT = 1.0
TYPO_TRUST = 0.8  # a corrected word counts this much of an exact one


def inverse_frequency(df: int, num_passages: int) -> float:
    """Return the BM25 weight of a term in `df` of `num_passages` passages, always positive."""
    df = min(df, num_passages)
    return math.log(1 + (num_passages - df + 0.5) / (df + 0.5))


@dataclass(frozen=True, slots=True)
class ScoredWord:
    """A query word ready to be counted: the codes of its `terms` with their weights, those of its pieces with theirs. `correction` is
    the spelling under which it is looked for, when that is not the one typed."""

    name: str
    terms: tuple[tuple[str, float], ...]
    grams: tuple[tuple[str, float], ...] = ()
    correction: str = ""
    trust: float = 1.0

    @property
    def weight(self) -> float:
        """The largest weight of its terms."""
        return max((weight for _, weight in self.terms), default=0.0)


@dataclass(frozen=True, slots=True)
class ScoredPhrase:
    """A phrase: for each of its words the codes of the terms that may stand there; `weight` is the sum of the words' weights."""

    text: str
    words: tuple[tuple[str, ...], ...]
    weight: float


class _Base(NamedTuple):
    """The cheap part of a score: `text` is the value of each word that is there, by its index, the rest are single numbers; the indices
    of the words that are `missing`."""

    total: float
    text: dict[int, float]
    sentence: float
    title: float
    phrases: list[float]
    missing: list[int]


class Scorer:
    """Scores the rows of one query. `average_length` is in slots."""

    def __init__(self, words: Sequence[ScoredWord], phrases: Sequence[ScoredPhrase], average_length: float) -> None:
        self.words = tuple(words)
        self.phrases = tuple(phrases)
        self._norm = K1 * (1 - B)
        self._norm_per_slot = K1 * B / max(average_length, 1.0)
        self._indices = range(len(self.words))
        # (word index, code, largest value), the terms of one word next to one another
        self._codes = [
            (index, code, weight * (K1 + 1) * word.trust)
            for index, word in enumerate(words)
            for code, weight in word.terms
        ]
        self._weights = [word.weight * word.trust * SENTENCE_WEIGHT for word in words]
        self._grams = [[(gram, weight * GRAM_WEIGHT * word.trust) for gram, weight in word.grams] for word in words]
        self._gram_limits = [sum(weight for _, weight in grams) for grams in self._grams]

    # -- parts ------------------------------------------------------------------------------------------------------------
    def _measure(self, row: Row) -> _Base:
        body = row.body
        norm = self._norm + self._norm_per_slot * row.length
        text: dict[int, float] = {}
        found: list[tuple[int, str]] = []
        for index, code, top in self._codes:
            if code in body:
                frequency = body.count(code)
                value = top * frequency / (frequency + norm)
                if index in text:
                    text[index] = max(value, text[index])
                else:
                    text[index] = value
                    found.append((index, code))
        missing = [index for index in self._indices if index not in text]
        sentence = self._best_sentence(body, found) if found else 0.0
        title = 0.0
        if row.head:
            title, named = self._title(row.head)
            missing = [index for index in missing if index not in named]
        phrases = (
            [p.weight * PHRASE_WEIGHT if self.has_phrase(row, p) else 0.0 for p in self.phrases] if self.phrases else []
        )
        total = sum(text.values()) + sentence + title + sum(phrases)
        return _Base(total, text, sentence, title, phrases, missing)

    def _best_sentence(self, body: str, found: Sequence[tuple[int, str]]) -> float:
        weights = self._weights
        if len(found) == 1:
            return weights[found[0][0]]
        most = 0.0
        for index, _ in found:
            most += weights[index]
        best = 0.0
        for sentence in body.split(BREAK):
            value = 0.0
            for index, code in found:
                if code in sentence:
                    value += weights[index]
            if value > best:
                best = value
                if value == most:  # all of them, added in the same order
                    break
        return best

    def _title(self, head: str) -> tuple[float, set[int]]:
        """The best title line: the weights of the words in it, times the root of the share of the line that they make up; and all
        words that stand in any line."""
        best = 0.0
        named: set[int] = set()
        for line in head.split(BREAK):
            inside = {index for index, code, _ in self._codes if code in line}
            if inside:
                named |= inside
                share = min(1.0, len(inside) / num_slots(line))
                best = max(best, math.sqrt(share) * sum(self.words[i].weight * self.words[i].trust for i in inside))
        return TITLE_WEIGHT * best, named

    def _pieces(self, pieces: str, missing: Iterable[int]) -> list[tuple[int, float]]:
        out = []
        for index in missing:
            value = 0.0
            for gram, weight in self._grams[index]:
                if gram in pieces:
                    value += weight
            if value:
                out.append((index, value))
        return out

    # -- whole ------------------------------------------------------------------------------------------------------------
    def has_phrase(self, row: Row, phrase: ScoredPhrase) -> bool:
        """Whether the words of a phrase stand one after another in the passage or in a title line."""
        return phrase_in(row.body, phrase.words) or any(phrase_in(line, phrase.words) for line in row.head.split(BREAK))

    def best(self, rows: Sequence[Row], count: int) -> list[Scored]:
        """Return the `count` rows with the highest scores, the best first (equal scores: by id).

        Pieces of words cost most to look for, so rows are taken in the order of the rest of their score, and pieces are looked for only
        where they can still lift a row among the best.
        """
        measured = [(self._measure(row), row) for row in rows]
        measured.sort(key=_by_total)
        limits = self._gram_limits
        kept: list[tuple[float, int, _Base, list[tuple[int, float]], Row]] = []  # a heap, the worst first
        for base, row in measured:
            total, missing = base.total, base.missing
            full = len(kept) == count
            if full and total + sum([limits[i] for i in missing]) < kept[0][0]:
                continue
            pieces = self._pieces(row.pieces, missing) if missing else []
            entry = (total + sum([value for _, value in pieces]) if pieces else total, -row.id, base, pieces, row)
            if not full:
                heapq.heappush(kept, entry)
            elif entry[:2] > kept[0][:2]:
                heapq.heapreplace(kept, entry)
        kept.sort(key=lambda entry: (-entry[0], -entry[1]))
        return [Scored(row, self._score(base, pieces), base, pieces, self) for _, _, base, pieces, row in kept]

    def explain(self, row: Row) -> tuple[Component, ...]:
        """Return the named components of a row's score; the score is their exact sum (`math.fsum`)."""
        base = self._measure(row)
        return self.components(base, self._pieces(row.pieces, base.missing))

    def _score(self, base: _Base, pieces: Sequence[tuple[int, float]]) -> float:
        """The exact sum of the components, without making them: `math.fsum` rounds once, so order and zeros do not count."""
        values = [base.sentence, base.title, *base.phrases, *[value for _, value in pieces]]
        for index, value in base.text.items():
            trust = self.words[index].trust
            if trust == 1.0:
                values.append(value)
            else:
                values += _split(value, trust)
        return math.fsum(values)

    def components(self, base: _Base, pieces: Iterable[tuple[int, float]]) -> tuple[Component, ...]:
        """Name the parts of a score."""
        out: list[Component] = []
        for index, value in base.text.items():
            out += _word_components(value, self.words[index])
        out += [Component("sentence", base.sentence), Component("title", base.title)]
        out += [
            Component(f"phrase:{phrase.text}", value) for phrase, value in zip(self.phrases, base.phrases, strict=False)
        ]
        out += [Component(f"4-grams:{self.words[index].name}", value) for index, value in pieces]
        return tuple([component for component in out if component.value])

    @property
    def codes(self) -> list[tuple[str, float]]:
        """The codes of the query with the weights of their words (for highlights)."""
        return [(code, top) for _, code, top in self._codes]


class Scored(NamedTuple):
    """A row with its score; the rest is what the names of its components are made from, when they are asked for."""

    row: Row
    score: float
    base: _Base
    pieces: Sequence[tuple[int, float]]
    scorer: Scorer

    def components(self) -> tuple[Component, ...]:
        """Return the named components; their exact sum is the score."""
        return self.scorer.components(self.base, self.pieces)


def _by_total(pair: tuple[_Base, Row]) -> tuple[float, int]:
    return -pair[0].total, pair[1].id


def _split(value: float, trust: float) -> tuple[float, float]:
    """The value of a corrected word as that of an exact one and the discount."""
    full = value / trust
    return full, value - full


def _word_components(value: float, word: ScoredWord) -> list[Component]:
    name = f"text:{word.name}"
    if word.trust == 1.0:
        return [Component(name, value)]
    full, discount = _split(value, word.trust)
    return [Component(name, full), Component(f"typo:{word.name}→{word.correction}", discount)]


def phrase_in(codes: str, words: Sequence[Sequence[str]]) -> bool:
    """Whether the words (each given by the codes of its possible terms) stand in consecutive slots."""
    starts: set[int] | None = None
    for offset, word in enumerate(words):
        here = {number - offset for code in word for number in slot_numbers(codes, code)}
        starts = here if starts is None else starts & here
        if not starts:
            return False
    return bool(starts)
