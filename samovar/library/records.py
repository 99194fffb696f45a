"""What goes into and comes out of the store besides documents and passages: inputs, changes, counts.

Knows nothing about SQL and nothing about how texts are taken out of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from samovar.corpus.document import Document, LedgerRow
from samovar.library.passage import Passage

ChangeKind = Literal["added", "removed"]
Outcome = Literal["kept", "dropped"]

STARTER_SOURCE = "starter"
"""The name of the collection that comes with a culture pack."""


@dataclass(frozen=True, slots=True)
class Change:
    """A step that brings a derived index up to date.

    `passages` come or go; `documents` holds the head (text = "") of each of their documents by id. A removed passage
    has only its `id` and `document_id` (offsets 0, text ""), its head only `id`, `source` and `uri`.

    After applying the change an index may stamp itself with `version`: everything up to it has been delivered. One big
    version is delivered in several changes; all but the last carry the version before it, so an index that stops in
    between gets some passages again and must replace by passage id. An index that still stands at 0 must be emptied
    before it starts again: ``changes(0)`` names no removals.
    """

    version: int
    kind: ChangeKind
    passages: tuple[Passage, ...]
    documents: Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class Input:
    """A file or URL as it was when its documents were taken out: the evidence for "unchanged, nothing to do".

    `mtime_ns` is 0 where it proves nothing (URLs; a file written within the clock's granularity of being read).
    `recipe` names all that decides the result besides the bytes: extractor version, overrides, passage lengths. A
    different recipe means "do it again".
    """

    source: str
    uri: str
    size: int
    mtime_ns: int
    sha256: str
    outcome: Outcome
    recipe: str = ""
    num_documents: int = 0
    at: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out of one input, or the next part of it.

    `complete` says that the whole input has now been read: documents of earlier runs that did not come again are then
    removed. `note` False leaves the input unrecorded (the next `add` tries again).
    """

    input: Input
    documents: tuple[Document, ...]
    ledger: tuple[LedgerRow, ...] = ()
    complete: bool = True
    note: bool = True


@dataclass(frozen=True, slots=True)
class Stored:
    """A document with all that the store keeps for it: what an export writes and an import reads."""

    document: Document
    spans: tuple[tuple[int, int], ...]
    first_passage: int
    input: str
    split: str


@dataclass(frozen=True, slots=True)
class PutResult:
    """What one transaction did, in numbers of documents; `passages` counts the new ones. `version` is the library's
    after it.
    """

    version: int
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """Counts for `samovar library info`. Every `by_` maps a value to its number of documents, the largest first."""

    version: int
    num_documents: int
    num_passages: int
    num_characters: int
    size_bytes: int
    by_source: Mapping[str, int] = field(default_factory=dict)
    by_language: Mapping[str, int] = field(default_factory=dict)
    by_licence: Mapping[str, int] = field(default_factory=dict)
    by_origin: Mapping[str, int] = field(default_factory=dict)
    by_publisher: Mapping[str, int] = field(default_factory=dict)
    first_added: str = ""
    last_added: str = ""
    earliest_published: str = ""
    latest_published: str = ""
    num_inputs: int = 0
    ledger: Mapping[str, int] = field(default_factory=dict)
    starter: Mapping[str, str] = field(default_factory=dict)
