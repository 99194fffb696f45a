"""How the texts of documents become passages when they are stored, and what a stored document must fulfil.

Knows nothing about SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from samovar.corpus.document import Document, hash_document
from samovar.errors import LibraryError
from samovar.library.passages import SPLIT_VERSION, Segmenter, Span, split_passages


@dataclass(frozen=True, slots=True)
class Splitting:
    """How texts become passages: lengths in words, and where the profile of a language comes from."""

    words: int = 120
    overlap: int = 25
    profiles: Callable[[str], Segmenter] | None = None

    @property
    def label(self) -> str:
        """What is stored with a document so that another splitting is noticed."""
        return f"{self.words}/{self.overlap}/{SPLIT_VERSION}"

    def split(self, document: Document) -> list[Span]:
        """Return the passage spans of a document."""
        profile = (self.profiles or _language_profile)(document.language)
        return split_passages(document.text, profile, words=self.words, overlap=self.overlap)


def _language_profile(tag: str) -> Segmenter:
    from samovar.language import profile_for

    return profile_for(tag)


def check_id(document: Document) -> None:
    """Refuse a document whose id is not the hash of its content: ids are what citations rest on."""
    if document.id != hash_document(document.source, document.uri, document.title, document.text):
        raise LibraryError(
            f"expected the id of {document.uri!r} to be the hash of its source, uri, title and text, found "
            f"{document.id!r}. "
            "Build documents with samovar.corpus.document.make_document."
        )


def check_spans(document: Document, spans: Sequence[Span]) -> None:
    """Refuse passage spans that do not lie in order within their document."""
    check_id(document)
    edges = [(-1, 0), *spans]
    rising = all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(edges))
    if not rising or any(start >= end or end > len(document.text) for start, end in spans):
        raise LibraryError(
            f"expected passages in order within {document.uri!r}, found {list(spans)[:5]!r}. Restore from another copy."
        )
