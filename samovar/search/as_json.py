"""Search results in the JSON shape of DESIGN.md. Offsets are characters of the document's text; floats are written so that they read back
equal, so components still add up to the score."""

from __future__ import annotations

from typing import Any

from samovar.corpus.document import Document
from samovar.search.hit import Hit
from samovar.search.searcher import SearchResult


def result_as_json(result: SearchResult) -> dict[str, Any]:
    """Return a search result as plain dicts and lists: ``{"query", "hits", "corrections", "total_candidates", "notes", "seconds"}``."""
    return {
        "query": result.query,
        "hits": [hit_as_json(hit) for hit in result.hits],
        "corrections": [{"typed": typed, "searched": searched} for typed, searched in result.corrections],
        "total_candidates": result.total_candidates,
        "notes": list(result.notes),
        "seconds": result.seconds,
    }


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """Return one hit; ``snippet`` has its offsets and its text."""
    passage = hit.passage
    begin, end = hit.snippet
    return {
        "rank": hit.rank,
        "score": hit.score,
        "passage": {
            "document_id": passage.document_id,
            "start": passage.start,
            "end": passage.end,
            "text": passage.text,
        },
        "document": document_as_json(hit.document),
        "explain": [{"name": component.name, "value": component.value} for component in hit.explain],
        "snippet": {"start": begin, "end": end, "text": passage.text[begin - passage.start : end - passage.start]},
        "highlights": [{"start": start, "end": stop} for start, stop in hit.highlights],
    }


def document_as_json(document: Document) -> dict[str, Any]:
    """Return a document's head."""
    names = ("id", "title", "uri", "source", "language", "published", "publisher", "origin", "licence")
    return {name: getattr(document, name) for name in names}
