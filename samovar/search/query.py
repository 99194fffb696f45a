"""What the user typed, taken apart: words, phrases, wanted and unwanted terms. Any text is a valid query.

    >>> parse_query('Кто написал роман «Мёртвые души»?').phrases
    ('Мёртвые души',)
    >>> parse_query("+самовар -чай кое-кто C++ (что?").excluded
    ('чай',)

Quotation marks ask for the words in this order. In a query that is nothing but quotations (and signed terms) they *must* occur; inside
a natural question they are a strong preference: passages without them are taken when there are none with them, and the result says so.
``+term`` and ``-term`` count only at the start of a word after white space, so hyphens and "C++" stay what they are.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from samovar.language.token import Token, tokenize

_QUOTED = re.compile(r"«([^«»]+)»|„([^„“”]+)[“”]|“([^“”]+)”|(?<!\w)\"([^\"]+)\"(?!\w)")
_SIGNED = re.compile(r"(?<!\S)([+\-−])(?=\w)")
LONGEST_QUERY = 2_000  # characters; a longer text is cut at a word: nobody types more, and every word costs time
MOST_WORDS = 64


@dataclass(frozen=True, slots=True)
class Filters:
    """Only passages of documents whose field is one of the values; empty means any. Dates are ISO (year, month or day), both ends count;
    a document without a date passes no date filter. `hidden_sources` are collections that must not be seen at all."""

    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    published_from: str = ""
    published_to: str = ""
    document_ids: tuple[str, ...] = ()
    hidden_sources: tuple[str, ...] = ()

    def is_empty(self) -> bool:
        """Whether nothing is filtered."""
        return self == NO_FILTERS


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class Query:
    """A query: `words` are all tokens that score (phrases and required ones included), in order, with offsets into `text`.

    `strict` says that the phrases must occur (the query has no free words besides them).
    """

    text: str
    words: tuple[Token, ...]
    phrases: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    strict: bool = False


def parse_query(text: str) -> Query:
    """Take a query apart. Never fails: what is not an operator is a word."""
    text = _shorten(unicodedata.normalize("NFC", text.replace("\0", " ").lstrip("\ufeff")))
    quoted = [(m.start(), m.end(), next(g for g in m.groups() if g)) for m in _QUOTED.finditer(text)]
    required: list[str] = []
    excluded: list[str] = []
    signed: list[tuple[int, int]] = []
    gone: list[tuple[int, int]] = []
    for match in _SIGNED.finditer(text):
        if any(start < match.start() < end for start, end, _ in quoted):
            continue
        span = _term_after(text, match.end())
        if span is None:
            continue
        (required if match.group(1) == "+" else excluded).append(text[span[0] : span[1]])
        (signed if match.group(1) == "+" else gone).append(span)
    words = _outside(tokenize(text), gone)[:MOST_WORDS]
    free = _outside(words, [(start, end) for start, end, _ in quoted] + signed)
    phrases = tuple(phrase for start, end, phrase in quoted if len(tokenize(phrase)) > 0)
    return Query(text, tuple(words), phrases, tuple(required), tuple(excluded), bool(phrases) and not free)


def _outside(tokens: list[Token], spans: list[tuple[int, int]]) -> list[Token]:
    """The tokens that begin in none of the spans."""
    return [t for t in tokens if not any(s <= t.start < e for s, e in spans)] if spans else tokens


def _term_after(text: str, at: int) -> tuple[int, int] | None:
    """The span of the token that begins at `at` (its hyphens included)."""
    for token in tokenize(text[at : at + 200])[:1]:
        if token.start == 0:
            return at, at + token.end
    return None


def _shorten(text: str) -> str:
    if len(text) <= LONGEST_QUERY:
        return text
    return text[:LONGEST_QUERY].rsplit(None, 1)[0]
