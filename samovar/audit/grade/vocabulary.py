"""The words a grader needs in one language: negation, contrast, "I don't know", refusals, eras, units. Data from ``packs/<tag>/grading.toml``.

A language without that file gets an empty vocabulary: its replies are judged by their words and numbers alone. Knows nothing about grading.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from samovar.errors import UsageError

FILE = "grading.toml"
Pattern = re.Pattern[str] | None


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """One language's words, or several languages' together. Sets hold folded words; patterns search folded text, None finds nothing."""

    negation: frozenset[str] = frozenset()
    negation_endings: tuple[str, ...] = ()
    not_only: frozenset[str] = frozenset()
    negating: tuple[tuple[str, ...], ...] = ()
    breakers: frozenset[str] = frozenset()
    contrast: frozenset[str] = frozenset()
    concession: frozenset[str] = frozenset()
    either: frozenset[str] = frozenset()
    both: frozenset[str] = frozenset()
    alias: frozenset[str] = frozenset()
    titles: frozenset[str] = frozenset()
    answer_label: Pattern = None
    dismiss_before: Pattern = None
    dismiss_after: Pattern = None
    corrections: Pattern = None
    doubts: Pattern = None
    hedges: Pattern = None
    dont_know: Pattern = None
    refusal_strong: Pattern = None
    refusal_moral: Pattern = None
    refusal_soft: Pattern = None
    refusal_helpful: Pattern = None
    years: frozenset[str] = frozenset()
    before_era: Pattern = None
    this_era: Pattern = None
    centuries: frozenset[str] = frozenset()
    decade_endings: frozenset[str] = frozenset()
    ordinals: Mapping[str, int] = field(default_factory=dict)
    scales: Mapping[str, int] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    shares: Mapping[str, int] = field(default_factory=dict)
    joiners: frozenset[str] = frozenset()
    units: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    kin: frozenset[str] = frozenset()
    family_first: frozenset[str] = frozenset()
    given_after: Pattern = None
    place_adjectives: tuple[str, ...] = ()


@cache
def vocabulary_for(tags: tuple[str, ...]) -> Vocabulary:
    """Return the vocabulary of these languages together, read once.

    Raises:
        UsageError: a file is there and damaged.
    """
    tables = [found for tag in dict.fromkeys(tags) if (found := _read(tag))]
    if not tables:
        return Vocabulary()

    def words(*path: str) -> list[Any]:
        return [x for t in tables for x in _at(t, path, [])]

    def joined(*path: str) -> dict[str, Any]:
        return {k: v for t in reversed(tables) for k, v in _at(t, path, {}).items()}

    return Vocabulary(
        frozenset(words("negation")), tuple(words("negation_endings")), frozenset(words("not_only")),
        tuple(tuple(p.replace(",", "").split()) for p in words("negating")), frozenset(words("breakers")), frozenset(words("contrast")),
        frozenset(words("concession")), frozenset(words("or")), frozenset(words("and")), frozenset(words("alias")), frozenset(words("titles")),
        _label(words("answer_labels")), _any(words("dismiss_before")), _any(words("dismiss_after")), _any(words("corrections")),
        _any(words("doubts")), _any(rf"\b{h}" for h in words("hedges")), _any(words("dont_know")), _any(words("refusal", "strong")),
        _any(words("refusal", "moral")), _any(words("refusal", "soft")), _any(words("refusal", "helpful")),
        frozenset(words("dates", "year")),
        _any(words("dates", "before_era")), _any(words("dates", "this_era")), frozenset(words("dates", "century")),
        frozenset(words("dates", "decade_endings")), joined("numbers", "ordinals"), joined("numbers", "scales"),
        frozenset(words("numbers", "whole")), joined("numbers", "shares"), frozenset(words("numbers", "joiners")),
        {word: (str(kind), float(size)) for word, (kind, size) in joined("units").items()},
        frozenset(words("names", "kin")), frozenset(words("names", "family_first")), _any(words("names", "given_after")),
        tuple(words("names", "place_adjectives")),
    )  # fmt: skip


@cache
def known_vocabularies() -> tuple[str, ...]:
    """Return the languages that have a vocabulary, sorted."""
    folder = resources.files("samovar").joinpath("packs")
    return tuple(sorted(f.name for f in folder.iterdir() if f.is_dir() and f.joinpath(FILE).is_file()))


def _read(tag: str) -> Mapping[str, Any]:
    file = resources.files("samovar").joinpath("packs", tag, FILE)
    if not tag.isalnum() or not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(
            f"expected the words of the grader in packs/{tag}/{FILE}, found: {error}. Reinstall."
        ) from error


def _at(table: Mapping[str, Any], path: Sequence[str], default: Any) -> Any:
    for name in path:
        table = table.get(name, default)
    return table


def _any(patterns: Iterable[str]) -> Pattern:
    joined = "|".join(f"(?:{p})" for p in patterns)
    return re.compile(joined) if joined else None


def _label(labels: Iterable[str]) -> Pattern:
    joined = "|".join(re.escape(x) for x in sorted(labels, key=len, reverse=True))
    return re.compile(rf"(?:^|[.!\n])\W*(?:{joined})\s*[:\-]+\s*(?=\S)") if joined else None
