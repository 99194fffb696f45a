"""From text to index terms: which profile reads which word, and the *slots* of a passage.

Every token of the text is one slot: its terms, the likeliest first, parted by spaces (terms have none). The slots of a sentence are one
line. So the k-th slot is the k-th token of the text, and no word is analysed again when a query is answered.

A word of the document's own script goes to the profile of its language; a word of another script to the profile that says
``reads_script`` for it; the rest (numbers, unknown scripts) is folded only. Knows nothing about scores or files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata

from samovar.language import Profile, available_profiles, neutral_profile, profile_for
from samovar.language.token import NUMBER, TOKEN, TOKEN_TEXT, Token

CODE_REVISION = 1  # raised whenever this file gives other slots for the same text
TERM_LETTERS = 48  # longer "words" (base64, URLs run together) are cut: nobody types them
_CACHE_WORDS = 300_000
_CACHE_QUERY_WORDS = 10_000
_PACKAGES = ("pymorphy3", "pymorphy3-dicts-ru", "PyStemmer", "tantivy")

EMPTY_SLOT = "_"  # of a token without a term

Line = Sequence[str]
"""The slots of one sentence, or of one title."""


def analyser_version() -> str:
    """Return 16 hex digits that change whenever the same text might give other terms: code, profiles and word libraries."""
    parts = [f"code {CODE_REVISION}"]
    parts += [f"profile {tag} {profile_for(tag).revision}" for tag in available_profiles()]
    parts += [f"{name} {_version_of(name)}" for name in _PACKAGES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


@lru_cache(maxsize=1)
def script_readers() -> tuple[Profile, ...]:
    """Return the profiles that read words of their script in documents of other scripts, by tag."""
    profiles = [profile_for(tag) for tag in available_profiles()]
    return tuple(p for p in profiles if p.reads_script)


def clean_term(term: str) -> str:
    """Return a term as it may stand in a slot: no white space, not endless."""
    if not term.isalnum():
        term = "".join(term.split())
    return term[:TERM_LETTERS]


def number_term(text: str) -> str:
    """Return a number without grouping spaces and with a decimal point: ``1 799`` → ``1799``, ``6,5`` → ``6.5``."""
    return "".join(text.split()).replace(",", ".")[:TERM_LETTERS]


@dataclass(frozen=True, slots=True)
class Analysed:
    """The slots of one passage as a line per sentence (none is empty), how many there are, and its words as written."""

    lines: tuple[Line, ...]
    length: int
    words: tuple[str, ...]


@dataclass(slots=True)
class PassageAnalyser:
    """Turns passages into slots; keeps what it found for each word of a language, so use one for many passages."""

    _slots: dict[str, dict[str, str]] = field(default_factory=dict)

    def analyse(self, text: str, language: str) -> Analysed:
        """Return the slots of a passage of a document in `language` (BCP 47)."""
        profile = profile_for(language)
        lines: list[Line] = []
        words: list[str] = []
        for start, end in profile.sentences(text):  # they cover every token, and none reaches over an end
            found = TOKEN_TEXT.findall(text, start, end)
            if found:
                lines.append(self._line(found, profile))
                words += found
        return Analysed(tuple(lines), len(words), tuple(words))

    def _line(self, words: Sequence[str], profile: Profile) -> Line:
        known = self._slots.setdefault(profile.tag, {})
        if len(known) > _CACHE_WORDS:
            known.clear()
        for word in words:
            if word not in known:
                known[word] = make_slot(word, profile)
        return list(map(known.__getitem__, words))

    def analyse_titles(self, titles: Iterable[str], language: str) -> tuple[Line, ...]:
        """Return the slots of a title and its aliases, one line each, equal ones once."""
        profile = profile_for(language)
        lines = (self._line(TOKEN_TEXT.findall(" ".join(title.split())), profile) for title in titles)
        return tuple({" ".join(line): line for line in lines if line}.values())

    def forget(self) -> None:
        """Let go of what was kept."""
        self._slots.clear()


def make_slot(word: str, profile: Profile) -> str:
    """Return the slot of one token read in a document of `profile`."""
    terms = (number_term(word),) if NUMBER.fullmatch(word) else document_terms(word, profile)
    return " ".join(terms) or EMPTY_SLOT


def document_terms(word: str, profile: Profile) -> tuple[str, ...]:
    """Return the index terms of a word in a document: by its own profile, else by the reader of its script."""
    reader = profile_of_word(word, profile)
    return tuple(dict.fromkeys(t for t in map(clean_term, reader.terms(word)) if t))


def profile_of_word(word: str, profile: Profile) -> Profile:
    """Return the profile that reads `word` in a document of `profile`."""
    if profile.accepts(profile.fold(word)):
        return profile
    for reader in script_readers():
        if reader is not profile and reader.accepts(reader.fold(word)):
            return reader
    return profile if profile.alphabet else neutral_profile()


# -- queries ------------------------------------------------------------------------------------------------------------
class QueryAnalyser:
    """Terms of query words, for a library in these languages. A query has no language: every profile that accepts a word reads it."""

    def __init__(self, languages: Sequence[str]) -> None:
        own = [p for p in map(profile_for, languages) if p.alphabet]
        # those of the library's languages, then those that read foreign scripts
        self.profiles: tuple[Profile, ...] = tuple(dict.fromkeys([*own, *script_readers()]))
        self._readers: dict[str, tuple[Profile, ...]] = {}

    def readers(self, word: str) -> tuple[Profile, ...]:
        """Return the profiles that accept a word, those of the library's languages first; the neutral one when none does."""
        found = self._readers.get(word)
        if found is None:
            if len(self._readers) > _CACHE_QUERY_WORDS:
                self._readers.clear()
            found = tuple(p for p in self.profiles if p.accepts(p.fold(word)))
            found = self._readers[word] = found or self.profiles[:1] or (neutral_profile(),)
        return found

    def main_profile(self, words: Sequence[str]) -> Profile:
        """Return the profile that accepts most of these words; of equals, the first."""
        counts = [sum(1 for w in words if p in self.readers(w)) for p in self.profiles]
        return self.profiles[counts.index(max(counts))] if counts else neutral_profile()

    def terms(self, token: Token) -> tuple[str, ...]:
        """Return all index terms a query word may stand under, the likeliest first."""
        if token.kind == "number":
            return (number_term(token.text),)
        found = (clean_term(t) for p in self.readers(token.text) for t in p.terms(token.text))
        return tuple(dict.fromkeys(t for t in found if t))

    def fold(self, word: str) -> str:
        """Return the form under which a word stands in the vocabulary."""
        return self.readers(word)[0].fold(word)

    def is_stop_word(self, word: str) -> bool:
        """Whether the word carries no content: in all its readings, or in one when it mixes look-alike letters of two scripts."""
        readings = [p.is_stop_word(word) for p in self.readers(word)]
        return all(readings) or (any(readings) and is_mixed(word))


def is_mixed(word: str) -> bool:
    """Whether a word has letters of several alphabets that look alike: no profile accepts it as it is written, but some do when folded."""
    lower = word.lower()
    return not any(p.accepts(lower) for p in script_readers()) and any(
        p.fix_lookalikes(lower) != lower for p in script_readers()
    )


def slot_spans(text: str) -> list[tuple[int, int]]:
    """Return the character spans of a passage's tokens: the k-th belongs to the k-th slot."""
    return list(map(re.Match.span, TOKEN.finditer(text)))
