"""A text read once: words with offsets, terms and sentences, ready for feature extraction."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from samovar.language import Profile
from samovar.language.profile import Question


@dataclass(slots=True)
class Word:
    """One token of a text. `terms` are its index terms; `capital` says that it begins with an upper-case letter."""

    text: str
    start: int
    end: int
    kind: str
    fold: str
    terms: frozenset[str]
    stop: bool
    capital: bool


@dataclass(slots=True)
class Sentence:
    """A sentence: its span in the text, and its words [first, last)."""

    start: int
    end: int
    first: int
    last: int


@dataclass(slots=True)
class Reading:
    """A text with its words and sentences."""

    text: str
    profile: Profile
    words: list[Word]
    sentences: list[Sentence]

    def terms_of(self, sentence: Sentence) -> set[str]:
        """All index terms of a sentence."""
        out: set[str] = set()
        for word in self.words[sentence.first : sentence.last]:
            out |= word.terms
        return out


@dataclass(slots=True)
class QuestionTerm:
    """A content word of the question with its weight (rarity among the sentences at hand)."""

    fold: str
    terms: frozenset[str]
    capital: bool
    number: bool
    verb: bool
    weight: float = 1.0
    synonyms: frozenset[str] = frozenset()


@dataclass(slots=True)
class AskedQuestion:
    """A question read for answering: what it asks for, and its content words."""

    text: str
    profile: Profile
    asked: Question
    content: list[QuestionTerm]
    all_terms: frozenset[str]
    folds: frozenset[str]
    asked_terms: frozenset[str] = field(default_factory=frozenset)


def read_words(text: str, profile: Profile) -> list[Word]:
    """Tokenise and analyse."""
    out = []
    for token in profile.tokens(text):
        fold = profile.fold(token.text)
        out.append(
            Word(
                token.text, token.start, token.end, token.kind, fold, frozenset(profile.terms(token.text)),
                fold in profile.stop_words, token.text[:1].isupper(),
            )
        )  # fmt: skip
    return out


def read_text(text: str, profile: Profile) -> Reading:
    """Read a passage."""
    words = read_words(text, profile)
    sentences = []
    i = 0
    for start, end in profile.sentences(text):
        first = i
        while i < len(words) and words[i].start < end:
            i += 1
        sentences.append(Sentence(start, end, first, i))
    return Reading(text, profile, words, sentences)


def read_question(text: str, profile: Profile) -> AskedQuestion:
    """Read a question. Its question word and stop words are not content."""
    asked = profile.read_question(text)
    words = read_words(text, profile)
    opening = range(asked.index, asked.index + asked.size)
    content = []
    for i, word in enumerate(words):
        if word.stop or i in opening or not word.terms:
            continue
        for part in word.text.split("-"):
            if terms := frozenset(profile.terms(part)):
                content.append(_question_term(part, terms, word, i, profile))
    return AskedQuestion(
        text,
        profile,
        asked,
        content,
        frozenset(t for w in words for t in w.terms),
        frozenset(w.fold for w in words),
        frozenset(profile.terms(asked.noun)) if asked.noun else frozenset(),
    )


def _question_term(part: str, terms: frozenset[str], word: Word, place: int, profile: Profile) -> QuestionTerm:
    """A content word of the question; each part of a hyphenated one counts by itself."""
    others = (other for lemma in profile.lemmas(part) for other in profile.synonyms.get(lemma, ()))
    synonyms = frozenset(t for other in others for t in profile.terms(other)) - terms
    capital = word.capital and place > 0
    return QuestionTerm(
        profile.fold(part), terms, capital, word.kind != "word", "verb" in profile.tags(part), synonyms=synonyms
    )


def weigh_terms(question: AskedQuestion, readings: list[Reading]) -> None:
    """Set each content word's weight to its inverse sentence frequency over the passages at hand: log(1 + N / (n + 0.5))."""
    sentence_terms = [r.terms_of(s) for r in readings for s in r.sentences]
    total = len(sentence_terms)
    for term in question.content:
        found = sum(1 for terms in sentence_terms if not term.terms.isdisjoint(terms))
        term.weight = math.log(1 + total / (found + 0.5))
