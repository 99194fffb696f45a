"""The assistant's prompts and set phrases: one Markdown file per name and language, English where a language has none."""

from __future__ import annotations

import tomllib
from functools import cache, lru_cache
from importlib import resources


@cache
def prompt(name: str, language: str) -> str:
    """Return the text of ``<name>.<language>.md``, else of ``<name>.en.md``, without surrounding white space."""
    folder = resources.files(__name__)
    for tag in (language.split("-")[0].lower(), "en"):
        file = folder.joinpath(f"{name}.{tag}.md")
        if tag.isalpha() and file.is_file():
            return file.read_text("utf-8").strip()
    raise FileNotFoundError(f"no prompt {name!r} in {folder}")


@lru_cache(maxsize=1)
def _phrases() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = tomllib.loads(
        resources.files(__name__).joinpath("phrases.toml").read_text("utf-8")
    )
    return loaded


def phrase(name: str, language: str, **values: object) -> str:
    """Return a note in the language, else in English, with its fields filled in."""
    table = _phrases().get(language.split("-")[0].lower()) or _phrases()["en"]
    return table[name].format(**values)
