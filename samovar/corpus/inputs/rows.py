"""From a row of a table to a record: which column holds the text, and what the others say about it.

The columns are chosen from the first rows of the file, never of the split, so that every split chooses alike. Knows no
file format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from samovar.corpus.build.item import Record, Split
from samovar.corpus.columns import guess_text_column, map_columns

PROBE_ROWS = 50
_DECLARED = ("title", "language", "published", "publisher", "origin", "licence", "author")
_CHOSEN = {"text": "text_column", "title": "title_column", "uri": "uri_column", "language": "language_column"}


class Number(str):
    """A number of a row as it is written: nothing is computed with it, and it is no text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """{field: column}; `found` are the names there were, for the message when no text column is among them."""

    mapping: Mapping[str, str]
    found: tuple[str, ...]

    @property
    def fault(self) -> tuple[str, str] | None:
        """Why no row can be read; None when they can."""
        return None if "text" in self.mapping else ("no_text_column", ", ".join(self.found)[:200])


def choose_columns(split: Split, names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Columns:
    """Choose by the recipe, then by known names, then (the text only) by the look of the first rows."""
    found = tuple(dict.fromkeys(names))
    mapping = map_columns(found)
    for field, option in _CHOSEN.items():
        if wanted := split.options.get(option, ""):
            mapping = {key: column for key, column in mapping.items() if column != wanted and key != field}
            if wanted in found:
                mapping[field] = wanted
    if "text" not in mapping and not split.options.get("text_column"):
        guessed = guess_text_column(list(rows))
        if guessed is not None:
            mapping = {key: column for key, column in mapping.items() if column != guessed} | {"text": guessed}
    return Columns(mapping, found)


def make_record(ordinal: int, row: Mapping[str, Any], columns: Columns, at: str, limit: int) -> Record:
    """Make the record of a row; an address of the web in the row becomes its `uri`."""
    if columns.fault is not None:
        return Record(ordinal, at, "text", fault=columns.fault)
    mapping = columns.mapping
    address = _text(row.get(mapping["uri"])).strip() if "uri" in mapping else ""
    declared = {field: value for field in _DECLARED if field in mapping and (value := _text(row.get(mapping[field])))}
    uri = at
    if address.startswith(("http://", "https://")):
        uri = address
        declared["at"] = at
    text = row.get(mapping["text"])
    if not isinstance(text, str) or isinstance(text, Number) or not text.strip():
        return Record(ordinal, uri, "text", declared=declared, fault=("empty", _name_type(text)))
    if len(text) > limit:
        return Record(ordinal, uri, "text", declared=declared, fault=("too_large", str(len(text))))
    return Record(ordinal, uri, "text", text, declared)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


def _name_type(value: Any) -> str:
    if isinstance(value, Number):
        return "expected text, found a number"
    return "no text" if value is None or isinstance(value, str) else f"expected text, found {type(value).__name__}"
