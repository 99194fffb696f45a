"""What the program says to people, in their language: texts from the packs' files of words (`FILES`), numbers and plurals.

    >>> words("en").say("count.documents", count=2)
    '2 documents'

Keys are the dotted names of the TOML tables. A list is a set of plural forms, chosen by the value ``count``; how many
forms there are and how numbers are written stands in the pack's ``[language]`` table. Knows no command and no language.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

PACKS = Path(__file__).parent / "packs"
FALLBACK = "en"
FILES = ("words.toml", "train.toml")
"""The files of a pack that hold words of commands; a language has the first, and the others with the same keys as English."""

PLURALS: Mapping[str, Callable[[int], int]] = {
    "one-other": lambda n: 0 if n == 1 else 1,
    "one-few-many": lambda n: (
        0 if n % 10 == 1 and n % 100 != 11 else 1 if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else 2
    ),
    "none": lambda n: 0,
}
"""Plural rules by name: number to index of the form. Source: CLDR, "Language Plural Rules", for whole numbers."""


class Words:
    """The words of one language."""

    def __init__(self, lang: str, texts: Mapping[str, str | tuple[str, ...]]) -> None:
        self.lang = lang
        self.texts = texts
        self._plural = PLURALS[str(texts["language.plural"])]

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        return key in self.texts

    def say(self, key: str, /, **values: object) -> str:
        """Return the text with its fields filled in; whole numbers are written the way of the language.

        Raises:
            KeyError: no such key, or a field without a value: a mistake in the program.
        """
        text = self.texts[key]
        if not isinstance(text, str):
            count = values["count"]
            text = text[self._plural(count if isinstance(count, int) else 2)]
        return text.format(**{name: self._write(value) for name, value in values.items()})

    def _write(self, value: object) -> object:
        return self.number(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number: digits grouped, decimal mark of the language."""
        plain = f"{value:,.{digits}f}"
        if value < 10_000 and digits == 0:
            plain = plain.replace(",", "")
        marks = {",": self.texts["language.thousands"], ".": self.texts["language.decimal"]}
        return "".join(str(marks.get(c, c)) for c in plain)

    def short(self, value: float, digits: int = 2) -> str:
        """Write a number that may be very small or very large by its first digits: 0.00064, 8.5e-07; decimal mark of the language."""
        return f"{value:.{digits}g}".replace(".", str(self.texts["language.decimal"]))

    def size(self, num_bytes: float) -> str:
        """Write an amount of bytes with a fitting unit (powers of 1024)."""
        units = self.texts["unit.bytes"]
        power = 0
        while num_bytes >= 1024 and power < len(units) - 1:
            num_bytes, power = num_bytes / 1024, power + 1
        return f"{self.number(num_bytes, 1 if power and num_bytes < 100 else 0)} {units[power]}"

    def duration(self, seconds: float) -> str:
        """Write a duration: tenths below ten seconds, then minutes and hours as 1:02:03."""
        if seconds < 10:
            return f"{self.number(seconds, 1)} {self.texts['unit.seconds']}"
        minutes, rest = divmod(round(seconds), 60)
        if minutes == 0:
            return f"{rest} {self.texts['unit.seconds']}"
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@lru_cache(maxsize=8)
def words(lang: str) -> Words:
    """Return the words of a language that `available_languages` names."""
    texts: dict[str, str | tuple[str, ...]] = {}
    for name in FILES:
        _flatten(tomllib.loads((PACKS / lang / name).read_text(encoding="utf-8")), "", texts)
    return Words(lang, texts)


def _flatten(table: Mapping[str, Any], prefix: str, texts: dict[str, str | tuple[str, ...]]) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{name}.", texts)
        else:
            texts[prefix + name] = tuple(value) if isinstance(value, list) else value.rstrip("\n")


def available_languages() -> tuple[str, ...]:
    """Return the languages that have words, as the names of their packs."""
    return tuple(sorted(file.parent.name for file in PACKS.glob(f"*/{FILES[0]}")))


def match_language(tag: str) -> str:
    """Return the language to use for a tag or locale name (``ru``, ``ru-RU``, ``ru_RU.UTF-8``), else the fallback."""
    return _primary(tag) if knows_language(tag) else FALLBACK


def knows_language(tag: str) -> bool:
    """Whether there are words for a tag or locale name."""
    return _primary(tag) in available_languages()


def _primary(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].partition(".")[0].strip().lower()


def locale_language(environment: Mapping[str, str]) -> str:
    """Return the language of the locale: LC_ALL, LC_MESSAGES, LANG; LANGUAGE goes first unless the locale is C.

    Source: gettext manual, "The LANGUAGE variable".
    """
    locale = next((v for n in ("LC_ALL", "LC_MESSAGES", "LANG") if (v := environment.get(n))), "")
    if locale.partition(".")[0] in ("", "C", "POSIX"):
        return FALLBACK
    preferred = environment.get("LANGUAGE", "").partition(":")[0]
    return match_language(preferred or locale)


_current: ContextVar[str] = ContextVar("samovar_language", default=FALLBACK)


def use_language(lang: str) -> Words:
    """Make a language the one that `say` speaks in this context, and return its words."""
    _current.set(lang)
    return words(lang)


def current_words() -> Words:
    """Return the words that `say` uses."""
    return words(_current.get())


def say(key: str, /, **values: object) -> str:
    """Return the text of `key` in the current language; see `Words.say`."""
    return current_words().say(key, **values)
