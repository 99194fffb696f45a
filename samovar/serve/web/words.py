"""The words of the web app: ``packs/<language>/web.toml``, with numbers and plurals as `samovar.messages` writes them.

Which language and theme a visitor gets: their cookie, else what the browser asks for. Knows no page.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from starlette.requests import HTTPConnection

from samovar.messages import FALLBACK, PACKS, Words, available_languages, knows_language, match_language, words

LANGUAGE_COOKIE = "samovar_lang"
THEME_COOKIE = "samovar_theme"
Theme = Literal["auto", "light", "dark"]


@lru_cache(maxsize=8)
def web_words(lang: str) -> Words:
    """Return the web app's words of a language that `available_languages` names."""
    texts = {key: text for key, text in words(lang).texts.items() if key.startswith(("language.", "unit.", "count."))}
    _flatten(tomllib.loads((PACKS / lang / "web.toml").read_text(encoding="utf-8")), "", texts)
    return Words(lang, texts)


def _flatten(table: Mapping[str, Any], prefix: str, texts: dict[str, str | tuple[str, ...]]) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{name}.", texts)
        else:
            texts[prefix + name] = tuple(value) if isinstance(value, list) else value.rstrip("\n")


def table_of(lang: str, *tables: str) -> dict[str, str | tuple[str, ...]]:
    """Return the texts of whole tables, for the browser: ``{"chat.send": …}``."""
    prefixes = tuple(f"{table}." for table in tables)
    return {key: text for key, text in web_words(lang).texts.items() if key.startswith(prefixes)}


def language_of(connection: HTTPConnection) -> str:
    """Return the language for this visitor: cookie, ``Accept-Language`` (RFC 9110, by weight), fallback."""
    chosen = connection.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in available_languages():
        return chosen
    for tag in _accepted(connection.headers.get("accept-language", "")):
        if knows_language(tag):
            return match_language(tag)
    return FALLBACK


def _accepted(header: str) -> list[str]:
    """The tags of an ``Accept-Language`` header, best first; malformed weights count as nothing."""
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")[:20]):
        tag, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighed.append((-weight, place, tag))
    return [tag for _, _, tag in sorted(weighed)]


def theme_of(connection: HTTPConnection) -> Theme:
    """Return the theme this visitor chose."""
    chosen = connection.cookies.get(THEME_COOKIE, "")
    return "dark" if chosen == "dark" else "light" if chosen == "light" else "auto"
