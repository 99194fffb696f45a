"""The data of a language that the stages need: ``packs/<language>/corpus.toml`` over the neutral ``corpus/data/stages.toml``.

Knows no language: a language without a file gets the neutral data. Nothing here decides anything.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from samovar.errors import UsageError

Table = Mapping[str, Any]


@cache
def load_neutral() -> Table:
    """Return the tables that hold for every language."""
    return tomllib.loads(files("samovar.corpus").joinpath("data/stages.toml").read_text("utf-8"))


@cache
def load_language(language: str) -> Table:
    """Return the tables of one language (BCP 47; its primary subtag counts), empty when its pack has none.

    Raises:
        UsageError: the pack's file is not TOML.
    """
    primary = language.split("-", maxsplit=1)[0].lower()
    if not (primary.isascii() and primary.isalpha()):
        return {}
    file = files("samovar").joinpath("packs", primary, "corpus.toml")
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"packs/{primary}/corpus.toml: expected TOML, found {error}: correct the file") from error


def list_languages() -> list[str]:
    """Return the languages that have a file of their own, sorted."""
    packs = files("samovar").joinpath("packs")
    return sorted(pack.name for pack in packs.iterdir() if pack.joinpath("corpus.toml").is_file())
