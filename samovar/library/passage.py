"""A passage: a stretch of a document's text with its exact offsets. Knows nothing about ranking."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """``document.text[start:end] == text``, always. `id` is the store's row number (never reused within one
    library).
    """

    id: int
    document_id: str
    start: int
    end: int
    text: str
