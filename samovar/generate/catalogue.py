"""A short list of open-weight chat models, read from `catalogue.toml` beside this file.

It is data with its doubts written in: an empty checksum means that we could not verify one, not that none is needed
(see the head of the file). Downloads nothing.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from samovar.errors import ModelNotFoundError

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One GGUF file on the hub. Empty `sha256`, `revision` and zero `size_bytes` mean "taken from the hub when pulled"."""

    name: str
    title: str
    repo: str
    file: str
    revision: str
    licence: str
    size_bytes: int
    sha256: str
    checksum_source: str
    languages: tuple[str, ...]
    context_tokens: int
    chat_template: str
    note: str

    @property
    def local_name(self) -> str:
        """Name of the file once it is in the models folder."""
        return f"{self.name}.gguf"


@cache
def read_catalogue() -> tuple[CatalogueEntry, ...]:
    """All entries, in the order of the file (small models first)."""
    text = files("samovar.generate").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return parse_catalogue(text)


def parse_catalogue(text: str) -> tuple[CatalogueEntry, ...]:
    """Parse and check a catalogue; raises ValueError naming the entry and what is wrong with it."""
    entries = tuple(_entry(row) for row in tomllib.loads(text).get("model", []))
    names = [entry.name for entry in entries]
    if doubles := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"the catalogue lists {sorted(doubles)} twice")
    return entries


def find_entry(name: str) -> CatalogueEntry | None:
    """The entry of that name (case does not matter), or None."""
    return next((entry for entry in read_catalogue() if entry.name == name.lower()), None)


def get_entry(name: str) -> CatalogueEntry:
    """The entry of that name; raises `ModelNotFoundError` listing the names there are."""
    entry = find_entry(name)
    if entry is None:
        known = ", ".join(entry.name for entry in read_catalogue())
        raise ModelNotFoundError(f"expected a name from the catalogue ({known}), found {name!r}")
    return entry


def _entry(row: dict[str, Any]) -> CatalogueEntry:
    expected = {field.name for field in fields(CatalogueEntry)}
    if set(row) != expected:
        raise ValueError(f"catalogue entry {row.get('name')!r}: wrong or missing keys {sorted(set(row) ^ expected)}")
    entry = CatalogueEntry(**{**row, "languages": tuple(row["languages"])})
    checks = {
        "name": _NAME.fullmatch(entry.name),
        "repo": _REPO.fullmatch(entry.repo),
        "file": entry.file.endswith(".gguf"),
        "sha256": not entry.sha256 or _SHA256.fullmatch(entry.sha256),
        "revision": not entry.revision or _REVISION.fullmatch(entry.revision),
        "checksum_source": bool(entry.sha256) == bool(entry.checksum_source),
        "size_bytes": entry.size_bytes >= 0,
        "licence": entry.licence,
        "languages": entry.languages,
    }
    if wrong := [key for key, good in checks.items() if not good]:
        raise ValueError(f"catalogue entry {entry.name!r}: malformed {', '.join(wrong)}")
    return entry
