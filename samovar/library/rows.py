"""From rows of the tables to documents and passages. Knows nothing about queries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from samovar.corpus.document import Document
from samovar.library.passage import Passage

HEAD = (
    "d.id, d.source, d.uri, d.title, d.language, d.published, d.publisher, d.origin, d.licence, d.added_at, d.metadata"
)
HEAD_COLUMNS = 11
Row = tuple[Any, ...]


def make_head(row: Sequence[Any], text: str = "") -> Document:
    """Build a document from the columns of `HEAD`."""
    document_id, source, uri, title, language, published, publisher, origin, licence, added_at, metadata = row[
        :HEAD_COLUMNS
    ]
    return Document(
        document_id,
        source,
        uri,
        title,
        text,
        language,
        published,
        publisher,
        origin,
        licence,
        added_at,
        _load_metadata(metadata),
    )


def _load_metadata(stored: str) -> dict[str, str]:
    return {} if stored == "{}" else json.loads(stored)


def make_passage(row: Sequence[Any]) -> Passage:
    """Build a passage from (id, document id, start, end, stored text); the stored text may go on with white space."""
    number, document_id, start, end, text = row
    return Passage(number, document_id, start, end, text[: end - start])


def join_rows(parts: Sequence[tuple[int, str]]) -> str:
    """Put stored passage texts together from (start, text) in order, leaving out what neighbours share."""
    pieces = [text[: following[0] - start] for (start, text), following in pairwise(parts)]
    return "".join([*pieces, *(text for _, text in parts[-1:])])
