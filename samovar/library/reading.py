"""One input while it is being read by `add`: what came so far, what its refusals mean, how a text becomes a document.

Knows nothing about the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from samovar.corpus.document import UNKNOWN, Decision, Document, LedgerRow, make_document, utc_now
from samovar.corpus.extracted import Extracted
from samovar.library.fingerprint import Fingerprint
from samovar.library.plan import Job, address_name
from samovar.library.progress import Provenance

STAGE = "add"
"""The `stage` of rows about whole inputs."""

UNREAD = frozenset({"unreadable", "permission", "not_found", "not_a_file", "missing_extra"})
"""Reasons that say nothing about the content: such an input is not noted, the next `add` tries again."""
UNLUCKY = frozenset({"timeout", "memory", "crashed", "too_many_crashes"})
"""Reasons that may be the machine's: what was read earlier out of this input stays, even if only a part of it
failed.
"""
EMPTY = frozenset({"empty", "too_short"})
"""Reasons that do say that there is no text now; after any other refusal of the whole input its earlier documents
stay.
"""


@dataclass(slots=True)
class Reading:
    """One input while it is being read: what came since the last commit, and counts over all of it."""

    job: Job
    mark: Fingerprint
    documents: list[Document] = field(default_factory=list)
    rows: list[LedgerRow] = field(default_factory=list)
    num_documents: int = 0
    num_rows: int = 0
    own_uri: bool = False
    refusal: str = ""
    unlucky: bool = False

    @property
    def complete(self) -> bool:
        """Whether what came is all there is (then older documents of this input go)."""
        return not self.unlucky and (not self.refusal or self.refusal in EMPTY)


def make_taken_document(item: Extracted, job: Job, overrides: Provenance) -> Document:
    """Build the document of an extracted text: what the user says goes before what the file says."""
    return make_document(
        source=job.source,
        uri=_storable(item.uri),
        title=_title_of(item, job),
        text=_storable(item.text),
        language=overrides.language or item.language,
        published=overrides.published or item.published,
        publisher=overrides.publisher or _storable(item.publisher),
        origin=overrides.origin or item.origin or UNKNOWN,
        licence=overrides.licence or item.licence or UNKNOWN,
        metadata={_storable(key): _storable(value) for key, value in item.metadata.items()},
    )


def _title_of(item: Extracted, job: Job) -> str:
    """The text's own title; readers fall back to the name of the file, for which the job may know a better one."""
    stem = address_name(job.path.stem) if job.path else job.uri
    title = _storable(item.title) or stem
    return job.title + title.removeprefix(stem) if job.title and title.startswith(stem) else title


def sum_up(job: Job, decision: Decision, reason: str, value: str = "") -> LedgerRow:
    """Return a row of this stage about a whole input."""
    return LedgerRow(job.uri, STAGE, decision, reason, value, utc_now(), job.source)


def _storable(text: str) -> str:
    """Return `text` without lone surrogates (they cannot be written as UTF-8); almost always `text` itself."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
