"""Articles of a starter library as the checks see them, and the pack's own rules (`packs/<name>/check.toml`).

Nothing here knows a language: words, verbs and regions come from the pack, lemmas from the profile of its language.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from samovar.language.profile import Profile
from samovar.language.registry import profile_for
from samovar.library.starter import parse_article

_YEARS = re.compile(r"(?<!\d)(\d{3,4})(?:–(\d{3,4}))?(?!\d)")


@dataclass(frozen=True, slots=True)
class StarterArticle:
    """One article: its path inside the library (``music/homus.md``), front matter, prose, and the bytes as they lie on disk."""

    path: str
    matter: Mapping[str, Any]
    text: str
    raw: bytes

    @property
    def title(self) -> str:
        """The title, or the path where there is none."""
        return str(self.matter.get("title", self.path))

    @property
    def names(self) -> tuple[str, ...]:
        """Title and aliases."""
        aliases = self.matter.get("aliases", [])
        return (self.title, *(str(alias) for alias in aliases)) if isinstance(aliases, list) else (self.title,)

    def section(self, name: str) -> Mapping[str, str]:
        """Return ``[dates]`` or ``[facts]``, empty where there is none."""
        found = self.matter.get(name, {})
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Pack:
    """A culture pack under check: its folder, ``pack.toml``, ``check.toml``, language profile, and the articles that could be read."""

    folder: Path
    manifest: Mapping[str, Any]
    rules: Mapping[str, Any]
    profile: Profile
    articles: tuple[StarterArticle, ...]
    unreadable: tuple[tuple[str, str], ...]


def load_pack(folder: Path) -> Pack:
    """Read a pack; articles that do not parse are listed in `unreadable` with the reason."""
    manifest = tomllib.loads((folder / "pack.toml").read_text("utf-8"))
    rules = tomllib.loads((folder / "check.toml").read_text("utf-8"))
    articles, unreadable = [], []
    for file in sorted((folder / "library").glob("*/*.md")):
        path = file.relative_to(folder / "library").as_posix()
        raw = file.read_bytes()
        try:
            parsed = parse_article(path, raw)
        except ValueError as error:
            unreadable.append((path, str(error)))
            continue
        articles.append(StarterArticle(path, parsed.matter, parsed.text, raw))
    return Pack(folder, manifest, rules, profile_for(str(manifest["language"])), tuple(articles), tuple(unreadable))


@lru_cache(maxsize=4096)
def word_pattern(word: str) -> re.Pattern[str]:
    """Return the pattern of a rule's word; ``*`` stands for any letters."""
    return re.compile(re.escape(word).replace(r"\*", r"\w*"))


def matches_any(word: str, rules: Iterable[str]) -> bool:
    """Whether a word is one of the rule words (whole, lower case)."""
    word = word.lower()
    return any(word_pattern(rule).fullmatch(word) for rule in rules)


def same_word(profile: Profile, one: str, other: str) -> bool:
    """Whether two words can be forms of one: a shared index term, or all but a short ending in common (names unknown to the dictionary)."""
    if set(profile.terms(one)) & set(profile.terms(other)):
        return True
    a, b = sorted((profile.fold(one), profile.fold(other)), key=len)
    common = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    return common >= 4 and common >= len(a) - 1 and len(b) - common <= 3


def title_key(profile: Profile, title: str) -> tuple[str, ...]:
    """Return the first index term of each word: equal for two grammatical forms of one title, as a rule."""
    return tuple(terms[0] for token in profile.tokens(title) if (terms := profile.terms(token.text)))


def years_of(text: str) -> tuple[int, int] | None:
    """Return the earliest and latest year named in a text (``1831–1832``), or None."""
    years = [int(group) for match in _YEARS.finditer(text) for group in match.groups() if group]
    return (min(years), max(years)) if years else None
