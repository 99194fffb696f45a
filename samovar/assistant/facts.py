"""What a stretch of text claims, as far as words go: content words, names, numbers, dates, negation, who does what.

Everything that depends on a language comes from its profile. Knows nothing about passages or answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from samovar.assistant.figures import Figure, read_figures
from samovar.language import Profile

NAME_TAGS = frozenset({"name", "surname", "patronymic", "place", "organisation"})
_PERSON_TAGS = frozenset({"name", "surname", "patronymic"})
CASES = frozenset({"nom", "gen", "dat", "acc", "ins", "loc"})
BREAK = 4  # what a clause boundary counts for, in tokens
# what a tagger without name labels says of a name
_PLAIN_TAGS: tuple[frozenset[str], ...] = (frozenset(), frozenset({"noun"}))


@dataclass(frozen=True, slots=True)
class Word:
    """A content word at a place (its token's number). `first`: it opens the sentence, where a capital means nothing; `negated`: it is the
    first content word after a negation."""

    text: str
    fold: str
    terms: frozenset[str]
    synonyms: frozenset[str]
    tags: frozenset[str]
    place: int
    capital: bool
    first: bool
    negated: bool

    @property
    def is_verb(self) -> bool:
        return "verb" in self.tags

    @property
    def is_name(self) -> bool:
        """Whether this names something: a capital inside a sentence; at its head, by what the profile knows of the word."""
        if self.capital and not self.first:
            return True
        return self.capital and (bool(self.tags & NAME_TAGS) or self.tags in _PLAIN_TAGS)

    @property
    def is_person(self) -> bool:
        return self.capital and bool(self.tags & _PERSON_TAGS)


@dataclass(slots=True)
class Facts:
    """The words and figures of a stretch; `size` is its number of tokens, `initials` single capital letters with a dot, `breaks` the places
    of tokens that open a clause (a conjunction, or a comma before); `border` is where the second of two sentences begins, or 0."""

    words: list[Word]
    figures: list[Figure]
    initials: set[str] = field(default_factory=set)
    breaks: list[int] = field(default_factory=list)
    negated: bool = False
    size: int = 0
    border: int = 0

    @property
    def terms(self) -> set[str]:
        return {t for w in self.words for t in w.terms}

    def __add__(self, other: Facts) -> Facts:
        """These facts followed by others."""
        words = [replace(w, place=w.place + self.size) for w in other.words]
        figures = [f.moved(self.size) for f in other.figures]
        breaks = [*self.breaks, self.size, *(b + self.size for b in other.breaks)]
        return Facts(
            self.words + words, self.figures + figures, self.initials | other.initials, breaks, self.negated or other.negated,
            self.size + other.size, self.size,
        )  # fmt: skip

    def distance(self, a: int, b: int) -> int:
        """Tokens between two places, with a penalty for every clause boundary between them."""
        low, high = min(a, b), max(a, b)
        return high - low + BREAK * sum(low < place <= high for place in self.breaks)


def read_facts(text: str, profile: Profile) -> Facts:
    """Collect the facts of one sentence."""
    tokens = profile.tokens(text)
    figures, used = read_figures(text, tokens, profile)
    facts = Facts([], figures, size=len(tokens))
    denied = False
    for i, token in enumerate(tokens):
        fold = profile.fold(token.text)
        joins = fold in profile.follow_up_openings or "conj" in profile.tags(token.text)
        if i and (joins or "," in text[tokens[i - 1].end : token.start]):
            facts.breaks.append(i)
        if fold in profile.negations:
            facts.negated = True
            denied = not _restricts(tokens[i + 1].text if i + 1 < len(tokens) else "", profile)
            continue
        capital = token.text[:1].isupper()
        if len(token.text) == 1 and capital and text[token.end : token.end + 1] == ".":
            facts.initials.add(fold)
            continue
        if i in used or not fold or fold in profile.stop_words or len(fold) == 1:
            continue
        synonyms = frozenset(_synonyms(token.text, profile))
        tags = profile.tags(token.text)
        facts.words.append(
            Word(token.text, fold, frozenset(profile.terms(token.text)), synonyms, tags, i, capital, i == 0, denied)
        )
        denied = False
    return facts


def _restricts(word: str, profile: Profile) -> bool:
    """Whether a negation before this word denies nothing ("not only", «не только»)."""
    return bool(word) and profile.is_stop_word(word) and bool(profile.tags(word) & {"part", "adv"})


def _synonyms(word: str, profile: Profile) -> Iterator[str]:
    for lemma in profile.lemmas(word):
        for other in profile.synonyms.get(lemma, ()):
            yield from profile.terms(other)


def agent_of(facts: Facts) -> str | None:
    """The person who acts, where the cases tell: the one in the instrumental of a passive, else the only one in the nominative."""
    persons = [w for w in facts.words if w.is_person]
    if len({w.fold for w in persons}) < 2:
        return None
    makers = [w for w in persons if "ins" in w.tags] or [w for w in persons if "nom" in w.tags]
    return min(min(makers, key=lambda w: w.place).terms) if makers else None
