"""A grounded answer for programs that know other services: annotations where the markers stand, and everything else under the vendor key ``samovar``.

Offsets are characters (Unicode code points) of the content, or of the stored document.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from samovar.assistant.answer import Answer
from samovar.assistant.as_json import citation_as_json
from samovar.search.as_json import hit_as_json
from samovar.search.hit import Hit
from samovar.serve.links import document_url


def marked(answer: Answer) -> list[tuple[int, int, int]]:
    """Return (start, end, number) of each marker in the answer's text: markers stand at the end of their sentence, in order."""
    out = []
    for sentence in answer.sentences:
        markers = [f"[{number}]" for number in sentence.citations]
        position = sentence.end - sum(len(marker) + 1 for marker in markers)
        for number, marker in zip(sentence.citations, markers, strict=True):
            position += 1  # the space before it
            out.append((position, position + len(marker), number))
            position += len(marker)
    return out


def url_citations(answer: Answer, base: str) -> list[dict[str, Any]]:
    """Return ``{"start_index","end_index","url","title"}`` for each marker."""
    cited = {citation.number: citation for citation in answer.citations}
    out = []
    for start, end, number in marked(answer):
        citation = cited[number]
        url = document_url(base, citation.document_id, citation.start, citation.end)
        out.append({"start_index": start, "end_index": end, "url": url, "title": citation.title or citation.uri})
    return out


def chat_annotations(answer: Answer, base: str) -> list[dict[str, Any]]:
    """Return the annotations of a chat completion's message."""
    return [{"type": "url_citation", "url_citation": citation} for citation in url_citations(answer, base)]


def response_annotations(answer: Answer, base: str) -> list[dict[str, Any]]:
    """Return the annotations of a Responses text."""
    return [{"type": "url_citation", **citation} for citation in url_citations(answer, base)]


def vendor_key(answer: Answer, base: str, notes: Sequence[str], k: int | None) -> dict[str, Any]:
    """Return what the dialect has no place for. `k` bounds the passages listed; `notes` are added to the answer's own."""
    short = answer.short
    return {
        "status": answer.status,
        "model": answer.model,
        "query": answer.query,
        "confidence": answer.confidence,
        "citations": [
            citation_as_json(c) | {"url": document_url(base, c.document_id, c.start, c.end)} for c in answer.citations
        ],
        "short": {"document_id": short[0], "start": short[1], "end": short[2]} if short else None,
        "sentences": [
            {"start": s.start, "end": s.end, "supported": s.supported, "citations": list(s.citations)}
            for s in answer.sentences
        ],
        "unsupported": [answer.text[s.start : s.end] for s in answer.sentences if not s.supported],
        "hits": [_hit(hit) for hit in answer.hits[:k]],
        "notes": [*answer.notes, *notes],
        "timings": {name: round(seconds, 4) for name, seconds in answer.timings.items()},
    }


def found_heads(hits: Sequence[Hit], base: str, k: int | None) -> list[dict[str, Any]]:
    """Return the heads of what was found, for the first chunk of a stream."""
    return [
        {
            "rank": hit.rank,
            "score": hit.score,
            "document_id": hit.passage.document_id,
            "start": hit.passage.start,
            "end": hit.passage.end,
            "title": hit.document.title,
            "uri": hit.document.uri,
            "source": hit.document.source,
            "publisher": hit.document.publisher,
            "published": hit.document.published,
            "url": document_url(base, hit.passage.document_id, hit.passage.start, hit.passage.end),
        }
        for hit in hits[:k]
    ]


def _hit(hit: Hit) -> dict[str, Any]:
    """A hit without its explanation, which belongs to a search."""
    return {name: value for name, value in hit_as_json(hit).items() if name != "explain"}


def in_sentences(answer: Answer) -> list[str]:
    """Cut the answer's text after each sentence; the parts join to it exactly."""
    parts, position = [], 0
    for sentence in answer.sentences:
        parts.append(answer.text[position : sentence.end])
        position = sentence.end
    return [part for part in [*parts, answer.text[position:]] if part]
