"""The record that leaves extraction: one text with what its file says about it, before it becomes a `Document`.

Knows nothing about file formats. Crosses the process boundary as plain JSON, never as pickle: the process that read
a hostile file must not be able to make its parent run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from samovar.corpus.document import UNKNOWN, LedgerRow, utc_now

STAGE = "extract"
"""The `stage` of every ledger row written by this room."""

EXTRACTOR_VERSION = 1
"""Raised whenever the same file would give another text, so that files read by an older version are read again."""

FIELDS = ("uri", "title", "text", "language", "published", "publisher", "origin", "licence")


@dataclass(frozen=True, slots=True)
class Extracted:
    """One text taken out of one input.

    `uri` is the file path or URL, followed by ``!/inner/name`` for an archive member, ``#row=N`` (from 1) for a
    table row and ``#path`` for a ZIM entry. `text` is NFC and cleaned (see `samovar.corpus.clean`); `language` is
    BCP 47 or ``und``. `changed` holds (reason, value) pairs for the ledger, e.g. ``("encoding", "cp1251")``.
    """

    uri: str
    title: str
    text: str
    language: str
    published: str = ""
    publisher: str = ""
    origin: str = UNKNOWN
    licence: str = UNKNOWN
    metadata: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[tuple[str, str], ...] = ()

    def rows(self) -> list[LedgerRow]:
        """Return the ``changed`` ledger rows of this text."""
        now = utc_now()
        return [LedgerRow(self.uri, STAGE, "changed", reason, value, now) for reason, value in self.changed]


def drop(uri: str, reason: str, value: object = "") -> LedgerRow:
    """Return the ledger row that says why an input was refused."""
    return LedgerRow(uri, STAGE, "dropped", reason, str(value)[:500], utc_now())


def note(uri: str, reason: str, value: object = "") -> LedgerRow:
    """Return the ledger row that says what was changed about an input as a whole."""
    return LedgerRow(uri, STAGE, "changed", reason, str(value)[:500], utc_now())


def to_json(item: Extracted | LedgerRow) -> dict[str, Any]:
    """Return a JSON-ready dict; `from_json` gives the item back."""
    if isinstance(item, LedgerRow):
        return {"row": [item.uri, item.stage, item.decision, item.reason, item.value, item.at]}
    return {
        "fields": [getattr(item, name) for name in FIELDS],
        "metadata": dict(item.metadata),
        "changed": [list(pair) for pair in item.changed],
    }


def from_json(payload: Mapping[str, Any]) -> Extracted | LedgerRow:
    """Rebuild an item; everything is forced to text, because the sender is not trusted."""
    if "row" in payload:
        uri, stage, decision, reason, value, at = (str(part) for part in payload["row"])
        if decision not in ("kept", "changed", "dropped"):
            raise ValueError(f"expected a ledger decision, found {decision!r}")
        return LedgerRow(uri, stage, decision, reason, value, at)  # type: ignore[arg-type]
    values = {name: str(value) for name, value in zip(FIELDS, payload["fields"], strict=True)}
    return Extracted(
        **values,
        metadata={str(key): str(value) for key, value in payload["metadata"].items()},
        changed=tuple((str(reason), str(value)) for reason, value in payload["changed"]),
    )
