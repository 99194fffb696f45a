"""What a stretch of words looks like: number, time, person, place … by characters, profile words and the profile's tags."""

from __future__ import annotations

import re

from samovar.generate.extraction.reading import AskedQuestion, Reading, Sentence, Word
from samovar.language import Profile

_YEAR = re.compile(r"(?:1\d|20)\d\d(?!\d)|[5-9]\d\d(?!\d)")
_ROMAN = re.compile(r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")


def is_number(word: Word, profile: Profile) -> bool:
    """Digits, or a number word of the profile."""
    if word.text[:1].isdigit():
        return True
    return any(lemma in profile.number_words for lemma in profile.lemmas(word.text)) if profile.number_words else False


def is_year(word: Word) -> bool:
    """Three or four digits that can be a year (500–2099)."""
    return bool(_YEAR.match(word.text))


def is_roman(word: Word) -> bool:
    """A Roman number of capital Latin letters."""
    return bool(_ROMAN.fullmatch(word.text))


def is_time(word: Word, profile: Profile) -> bool:
    """A year, a month or a word of time (век, Monday …)."""
    if is_year(word):
        return True
    if word.text[:1].isdigit():
        return False
    lemmas = profile.lemmas(word.text)
    return any(lemma in profile.months or lemma in profile.time_words for lemma in lemmas)


def shape_of(word: Word, profile: Profile) -> str:
    """One coarse label for a word, used in span features."""
    if word.text[:1].isdigit():
        return "year" if is_year(word) else "digits"
    if is_roman(word) and len(word.text) > 1:
        return "roman"
    if is_number(word, profile):
        return "numberword"
    if is_time(word, profile):
        return "time"
    tags = profile.tags(word.text)
    if word.capital:
        return "Noun" if "noun" in tags else "Adj" if "adj" in tags and "surname" not in tags else "Capital"
    for label in ("prep", "conj", "pron", "part", "verb", "adj", "noun", "adv"):
        if label in tags:
            return label
    return "stop" if word.stop else "word"


def has_kind(kind: str, question: AskedQuestion, reading: Reading, sentence: Sentence) -> bool:
    """Whether the sentence holds something of the asked kind that the question does not already say."""
    profile = question.profile
    words = reading.words[sentence.first : sentence.last]
    if kind == "reason":
        lowered = reading.text[sentence.start : sentence.end].lower()
        return any(marker in lowered for marker in profile.reason_markers)
    for i, word in enumerate(words):
        if word.fold in question.folds:
            continue
        if kind == "number" and is_number(word, profile):
            return True
        if kind == "time" and (is_year(word) or is_time(word, profile)):
            return True
        if kind in ("person", "place") and word.capital and (i > 0 or not word.stop):
            if i > 0 or "name" in profile.tags(word.text) or "surname" in profile.tags(word.text):
                return True
    return False
