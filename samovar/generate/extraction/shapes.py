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
    return any(_is_new_of_kind(kind, question, words, i) for i in range(len(words)))


def _is_new_of_kind(kind: str, question: AskedQuestion, words: list[Word], i: int) -> bool:
    """Whether word i is of the asked kind and not a word of the question in another form."""
    word, profile = words[i], question.profile
    if word.fold in question.folds or (not word.stop and not word.terms.isdisjoint(question.all_terms)):
        return False
    if kind == "number":
        return is_number(word, profile) and not is_date_part(words, i, profile)
    if kind == "time":
        return is_year(word) or is_time(word, profile)
    tags = profile.tags(word.text)
    return not (not word.capital or (i == 0 and (word.stop or not tags & _NAMES)))


_PERSONAL = frozenset({"name", "surname", "patronymic"})
_NAMES = frozenset({"name", "surname", "patronymic", "place", "organisation"})


def is_date_part(words: list[Word], i: int, profile: Profile) -> bool:
    """Whether a number is the year or the day of a date: a year-like number, or one before a month or a word of time."""
    following = words[i + 1] if i + 1 < len(words) else None
    if following is not None and any(lemma in profile.months for lemma in profile.lemmas(following.text)):
        return True
    if not is_year(words[i]) or len(words[i].text) != 4:
        return False
    return following is None or following.kind != "word" or following.stop or is_time(following, profile)


def has_full_name(question: AskedQuestion, reading: Reading, sentence: Sentence) -> bool:
    """Whether two or more capitalised words in a row, new to the question, include a personal name or surname."""
    words, profile = reading.words, question.profile
    for i in range(sentence.first, sentence.last - 1):
        a, b = words[i], words[i + 1]
        together = a.capital and b.capital and reading.text[a.end : b.start].strip() in ("", ".")
        new = a.terms.isdisjoint(question.all_terms) and b.terms.isdisjoint(question.all_terms)
        if together and new and (profile.tags(a.text) | profile.tags(b.text)) & _PERSONAL:
            return True
    return False
