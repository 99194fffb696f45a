"""The JSON shapes of DESIGN.md for answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from samovar.assistant.answer import Answer, CheckedSentence, Citation
from samovar.search.as_json import hit_as_json


def citation_as_json(citation: Citation) -> dict[str, Any]:
    """Return one citation."""
    return {name: getattr(citation, name) for name in Citation.__dataclass_fields__}


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """Return ``{"text","status","citations","hits","model","timings",…}``."""
    short = answer.short
    return {
        "text": answer.text,
        "status": answer.status,
        "citations": [citation_as_json(c) for c in answer.citations],
        "hits": [hit_as_json(h) for h in answer.hits],
        "model": answer.model,
        "timings": {name: round(seconds, 4) for name, seconds in answer.timings.items()},
        "sentences": [
            {"start": s.start, "end": s.end, "supported": s.supported, "citations": list(s.citations)}
            for s in answer.sentences
        ],
        "short": {"document_id": short[0], "start": short[1], "end": short[2]} if short else None,
        "confidence": answer.confidence,
        "query": answer.query,
        "notes": list(answer.notes),
        "stop_reason": answer.stop_reason,
    }


def answer_from_json(text: str, record: Mapping[str, Any]) -> Answer:
    """Return an answer from its JSON shape; its hits are not kept."""
    names = Citation.__dataclass_fields__
    short = record.get("short")
    sentences: Sequence[dict[str, Any]] = record.get("sentences", [])
    return Answer(
        text=text,
        status=record["status"],
        citations=tuple(Citation(**{name: c[name] for name in names}) for c in record.get("citations", [])),
        hits=(),
        model=record.get("model", ""),
        sentences=tuple(
            CheckedSentence(s["start"], s["end"], s["supported"], tuple(s["citations"])) for s in sentences
        ),
        query=record.get("query", ""),
        short=(short["document_id"], short["start"], short["end"]) if short else None,
        confidence=record.get("confidence"),
        stop_reason=record.get("stop_reason", "stop"),
    )
