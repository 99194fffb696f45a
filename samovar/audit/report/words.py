"""The words of a report: ``packs/<language>/audit.toml``, with numbers written the way of the language.

Knows nothing about what is reported.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from samovar.audit.stats.estimate import Estimate
from samovar.messages import PACKS, Words, words

FILE = "audit.toml"
NOTHING = "–"


class ReportWords:
    """The words of one language. Names of cultures and domains that have none are shown as the pack gives them."""

    def __init__(self, language: str, texts: Mapping[str, str], numbers: Words) -> None:
        self.language = language
        self.texts = texts
        self._numbers = numbers

    def say(self, key: str, /, **values: object) -> str:
        """Return a text with its fields filled in."""
        return self.texts[key].format(**{n: self.number(v) if type(v) is int else v for n, v in values.items()})

    def name(self, group: str, key: str, default: str = "") -> str:
        """Return the name of a culture, domain, axis … or the default (else the key itself)."""
        return self.texts.get(f"{group}.{key.replace(',', '').replace(' ', '_')}", default or key)

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number; a true minus sign."""
        if not math.isfinite(value):
            return NOTHING
        text = self._numbers.number(value, digits)
        if text.strip("-0.,") == "":
            text = text.lstrip("-")
        return text.replace("-", "−")

    def points(self, value: float, digits: int = 1, *, sign: bool = True) -> str:
        """Write a share as points of 100, with its sign."""
        text = self.number(100 * value, digits)
        return f"+{text}" if sign and value > 0 and text.strip("0.,") else text

    def interval(self, estimate: Estimate, digits: int = 1) -> str:
        """Write ``X ± Y`` in points; without an interval the value alone."""
        half = (estimate.high - estimate.low) / 2
        value = self.points(estimate.value, digits)
        return f"{value} ± {self.number(100 * half, digits)}" if math.isfinite(half) else value

    def p(self, value: float) -> str:
        """Write a p-value."""
        return (
            NOTHING if math.isnan(value) else f"< {self.number(0.001, 3)}" if value < 0.001 else self.number(value, 3)
        )


def report_languages() -> tuple[str, ...]:
    """Return the languages that reports can be written in."""
    return tuple(sorted(path.parent.name for path in PACKS.glob(f"*/{FILE}")))


@lru_cache(maxsize=8)
def report_words(language: str) -> ReportWords:
    """Return the words of one of `report_languages`."""
    texts: dict[str, str] = {}
    _flatten(tomllib.loads((PACKS / language / FILE).read_text("utf-8")), "", texts)
    return ReportWords(language, texts, words(language))


def _flatten(table: Mapping[str, Any], prefix: str, texts: dict[str, str]) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{name}.", texts)
        else:
            texts[prefix + name] = value
