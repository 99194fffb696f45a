"""Adjectives of places in a reply: "Parisian" for Paris. They name the place only by the way, so they decide nothing, but they are no other answer either.

The endings are data of each language (``names.place_adjectives``); names that change more than their last letters are not
recognised (the Dutch of Holland). Knows nothing about the rules.
"""

from __future__ import annotations

from samovar.audit.grade.gold import Part, Prepared
from samovar.audit.grade.reading import Reading

MIN_SHARED = 3  # letters at the start that name and adjective share
NAME_ENDING, STEM_ENDING = 3, 1  # letters at their ends in which they may differ


def find_adjective(reading: Reading, prepared: Prepared, asked: frozenset[str]) -> int | None:
    """Return the first token that is an adjective of a right place, None if there is none. `asked`: keys of the question's words, which name no answer."""
    endings = reading.reader.words.place_adjectives
    names = {name for a in prepared.accepts if (name := _longest(a.parts, asked))}
    stems = {
        (i, key.lstrip("=~").removesuffix(e))
        for i in reading.content
        if reading.keys[i].isdisjoint(asked)
        for key in reading.keys[i]
        for e in endings
        if key.endswith(e)
    }
    return min((i for i, stem in stems if any(_is_alike(stem, name) for name in names)), default=None)


def _longest(parts: tuple[Part, ...], asked: frozenset[str]) -> str:
    return max((p.plain for p in parts if p.named and p.keys.isdisjoint(asked)), key=len, default="")


def _is_alike(stem: str, name: str) -> bool:
    shared = next((i for i, (a, b) in enumerate(zip(stem, name, strict=False)) if a != b), min(len(stem), len(name)))
    return shared >= max(MIN_SHARED, len(name) - NAME_ENDING, len(stem) - STEM_ENDING)
