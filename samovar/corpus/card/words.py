"""The words of a card, ``packs/<language>/card.toml``, and numbers written the way of the language. Knows nothing about what is shown."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

FALLBACK = "en"


class CardWords:
    """The words of one language."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def say(self, key: str, /, **values: object) -> str:
        """Return a text with its fields filled in; whole numbers are written the way of the language."""
        return self._texts[key].format(**{n: self.number(v) if type(v) is int else v for n, v in values.items()})

    def name(self, group: str, key: str) -> str:
        """Return the name of a stage, culture, domain …, or the key itself when there is none for it."""
        return self._texts.get(f"{group}.{key}", key)

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number, its digits grouped."""
        plain = f"{value:,.{digits}f}"
        if abs(value) < 10_000 and not digits:
            plain = plain.replace(",", "")
        marks = {",": self._texts["number.group"], ".": self._texts["number.decimal"], "-": "−"}
        return "".join(marks.get(c, c) for c in plain)

    def percent(self, part: float, whole: float) -> str:
        """Write a share of a whole as a percentage; "–" of nothing."""
        return self._texts["number.percent"].format(value=self.number(100 * part / whole, 1)) if whole else "–"

    def size(self, num_bytes: float) -> str:
        """Write an amount of bytes (powers of 1000)."""
        units = self._texts["number.units"].split()
        power = 0
        while num_bytes >= 1000 and power < len(units) - 1:
            num_bytes, power = num_bytes / 1000, power + 1
        return f"{self.number(num_bytes, 1 if power and num_bytes < 100 else 0)} {units[power]}"


def card_languages() -> tuple[str, ...]:
    """Return the languages that cards can be written in."""
    packs = files("samovar").joinpath("packs")
    return tuple(sorted(pack.name for pack in packs.iterdir() if pack.joinpath("card.toml").is_file()))


@lru_cache(maxsize=8)
def card_words(language: str) -> CardWords:
    """Return the words of a language (BCP 47), of English when there are none."""
    primary = language.replace("_", "-").partition("-")[0].lower()
    chosen = primary if primary in card_languages() else FALLBACK
    texts: dict[str, str] = {}
    _flatten(tomllib.loads(files("samovar").joinpath("packs", chosen, "card.toml").read_text("utf-8")), "", texts)
    return CardWords(chosen, texts)


def _flatten(table: Mapping[str, Any], prefix: str, texts: dict[str, str]) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{name}.", texts)
        else:
            texts[prefix + name] = str(value)
