"""Other candidates for the same answer in a reply, by the type asked for: names for a person or place, titles for a work.

What a candidate is, is read from the writing alone (capitals, quotes, the profile's tags), never from a list of the world's names. Words of
the question are no candidates. Knows nothing about right answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from samovar.audit.grade.reading import Reading

_QUOTED = re.compile(r'"([^"\n]{2,80})"')


@dataclass(frozen=True, slots=True)
class Rival:
    """A candidate: tokens `first` … `last`."""

    first: int
    last: int


def find_rivals(reading: Reading, kind: str, asked: frozenset[str], taken: set[int]) -> list[Rival]:
    """Return candidates of the type in order, none touching the tokens `taken`."""
    found = _titles(reading) if kind == "work" else _names(reading) if kind in ("person", "place") else []
    found = [r for r in found if not _is_of_other_kind(reading, r, kind)]
    return [r for r in found if not taken & set(range(r.first, r.last + 1)) and not _is_asked(reading, r, asked)]


def _is_of_other_kind(reading: Reading, rival: Rival, kind: str) -> bool:
    """Whether the tagger knows its first word as a place where a person is asked for, or the other way round."""
    word = reading.low[rival.first]
    tags = frozenset().union(*(p.tags(word) for p in reading.reader.profiles if p.accepts(word)))
    person, place = bool(tags & {"name", "surname", "patronymic"}), "place" in tags
    return (kind == "person" and place and not person) or (kind == "place" and person and not place)


def _is_asked(reading: Reading, rival: Rival, asked: frozenset[str]) -> bool:
    """Whether the question has most of its words."""
    content = [i for i in range(rival.first, rival.last + 1) if i in set(reading.content)] or [rival.first]
    said = sum(not reading.keys[i].isdisjoint(asked) for i in content)
    return said * 2 >= len(content)


def _titles(reading: Reading) -> list[Rival]:
    found = []
    for match in _QUOTED.finditer(reading.text):
        inside = [i for i, start in enumerate(reading.starts) if match.start() <= start < match.end()]
        if inside:
            found.append(Rival(inside[0], inside[-1]))
    return found


def _names(reading: Reading) -> list[Rival]:
    found: list[Rival] = []
    i = 0
    while i < len(reading):
        if not _starts_name(reading, i):
            i += 1
            continue
        last = i
        while (
            last + 1 < len(reading)
            and reading.is_capital(last + 1)
            and reading.gap(last + 1).strip(" ") in ("", ".", "-")
        ):
            if reading.gap(last + 1).startswith(".") and len(reading.tokens[last]) > 2:
                break
            last += 1
        found.append(Rival(i, last))
        i = last + 1
    return found


def _starts_name(reading: Reading, i: int) -> bool:
    token = reading.tokens[i]
    if not token[:1].isupper() or reading.low[i] in reading.reader.stop_words or not token[0].isalpha():
        return False
    opens = i == 0 or reading.sentence_of[i] != reading.sentence_of[i - 1]
    return not opens or _looks_like_name(reading, i)


def _looks_like_name(reading: Reading, i: int) -> bool:
    """At a sentence's start, where every word has a capital: tagged as a name, or another capital follows, or it is all there is."""
    word = reading.low[i]
    for profile in reading.reader.profiles:
        if profile.lexicon and profile.accepts(word):
            return not profile.lexicon(word) or bool({"name", "surname", "place"} & profile.tags(word))
    follows = i + 1 < len(reading) and reading.is_capital(i + 1) and reading.gap(i + 1) in (" ", ". ", ".")
    return follows or len(reading) <= 2
