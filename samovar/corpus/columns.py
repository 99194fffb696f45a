"""Which column of a table holds the text, and which ones its provenance. The names are data, in `data/columns.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from samovar.corpus.draft import Draft
from samovar.corpus.licences import clean_licence

MIN_TEXT_LETTERS = 40  # mean letters a cell; an unnamed column below this holds names or numbers, not texts


@cache
def _names() -> dict[str, list[str]]:
    return tomllib.loads(files("samovar.corpus").joinpath("data/columns.toml").read_text("utf-8"))


def map_columns(columns: Sequence[str]) -> dict[str, str]:
    """Return {field: column} for every column whose name is known; no column serves twice."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(column.strip(" _\ufeff").lower(), column)
    mapping: dict[str, str] = {}
    for field, names in _names().items():
        found = next(
            (by_name[name] for name in names if name in by_name and by_name[name] not in mapping.values()), None
        )
        if found is not None:
            mapping[field] = found
    return mapping


def guess_text_column(rows: Sequence[Mapping[str, object]]) -> str | None:
    """Return the column with the most letters a cell, when it looks like prose."""
    letters: dict[str, int] = {}
    for row in rows:
        for column, value in row.items():
            if isinstance(value, str):
                letters[column] = letters.get(column, 0) + sum(map(str.isalpha, value[:5000]))
    best = max(letters, key=lambda column: letters[column], default=None)
    return best if best is not None and letters[best] >= MIN_TEXT_LETTERS * len(rows) else None


def draft_row(row: Mapping[str, object], mapping: Mapping[str, str], uri: str, fallback_title: str) -> Draft:
    """Make a draft of one row; an address in the row is kept in the metadata, because `uri` says where in the file
    it is."""

    def get(field: str) -> str:
        value = row.get(mapping[field]) if field in mapping else None
        return "" if value is None else value if isinstance(value, str) else str(value)

    metadata = {"author": get("author"), "url": get("uri")}
    return Draft(
        uri,
        get("text"),
        title=get("title"),
        fallback_title=fallback_title,
        language=get("language"),
        published=get("published"),
        publisher=get("publisher"),
        origin=get("origin"),
        licence=clean_licence(get("licence")),
        metadata={key: value for key, value in metadata.items() if value},
    )
