"""The two records that leave the corpus room: a document with its provenance, and a row of the ledger.

Knows nothing about search or models. Text is NFC; all offsets in Samovar are Python character offsets into `Document.text`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

Decision = Literal["kept", "changed", "dropped"]

UNKNOWN = "unknown"


def utc_now() -> str:
    """Return the current time as ISO 8601 UTC with seconds, e.g. ``2026-11-23T04:30:00Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hash_document(source: str, uri: str, title: str, text: str | bytes) -> str:
    """Return the document id: 32 hex digits of SHA-256 over source, uri, title and text (NUL-separated UTF-8; the text may be that already).

    The place is part of the content: the same text at two addresses is two documents, so that provenance is never merged.
    """
    found = hashlib.sha256("\0".join((source, uri, title, "")).encode("utf-8", "surrogatepass"))
    found.update(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return found.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its provenance. `published` is ISO (``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``) or empty; `language` BCP 47;
    `origin` a country code (ISO 3166 alpha-2) or ``unknown``; `licence` an SPDX id or ``unknown``."""

    id: str
    source: str
    uri: str
    title: str
    text: str
    language: str
    published: str = ""
    publisher: str = ""
    origin: str = UNKNOWN
    licence: str = UNKNOWN
    added_at: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def make_document(
    *,
    source: str,
    uri: str,
    title: str,
    text: str,
    language: str,
    published: str = "",
    publisher: str = "",
    origin: str = UNKNOWN,
    licence: str = UNKNOWN,
    added_at: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Document:
    """Build a `Document` with NFC text and title, its content hash and the time of adding."""
    text = unicodedata.normalize("NFC", text)
    title = unicodedata.normalize("NFC", title)
    return Document(
        id=hash_document(source, uri, title, text),
        source=source,
        uri=uri,
        title=title,
        text=text,
        language=language,
        published=published,
        publisher=publisher,
        origin=origin,
        licence=licence,
        added_at=added_at or utc_now(),
        metadata=dict(metadata or {}),
    )


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What happened to one input at one stage, and why. `value` is the measured quantity behind the reason, as text.

    `source` is the named collection the input was added to; empty where the stage does not know it (extraction).
    """

    uri: str
    stage: str
    decision: Decision
    reason: str
    value: str = ""
    at: str = ""
    source: str = ""
