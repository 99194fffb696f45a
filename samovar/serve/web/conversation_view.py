"""What the browser is told about messages: small records of plain data, with HTML only where it has been made safe.

Text that came from documents or people travels as text and is put into the page as text; only an answer's body is HTML, made by
`samovar.serve.web.markdown`. Knows nothing about sockets or the store.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from samovar.assistant.answer import CheckedSentence, Citation
from samovar.assistant.as_json import answer_from_json
from samovar.corpus.document import UNKNOWN
from samovar.messages import Words
from samovar.serve.store.records import ChatMessage, Conversation, Feedback
from samovar.serve.web.markdown import render
from samovar.serve.web.parts.hits import source_name

SNIPPET_CHARS = 320
View = dict[str, Any]


def conversation_view(conversation: Conversation) -> View:
    """Return what the list of conversations shows."""
    return {"id": conversation.id, "title": conversation.title, "updated_at": conversation.updated_at}


def message_view(message: ChatMessage, words: Words, feedback: Feedback | None = None) -> View:
    """Return a stored message."""
    view: View = {
        "id": message.id,
        "role": message.role,
        "position": message.position,
        "text": message.text,
        "at": message.created_at,
    }
    if message.role == "user":
        return view
    record = message.answer
    citations: Sequence[Citation] = ()
    sentences: Sequence[CheckedSentence] = ()
    if record.get("status"):
        answer = answer_from_json(message.text, record)
        citations, sentences = answer.citations, answer.sentences
    found: Sequence[Mapping[str, Any]] = record.get("found", [])
    # stopped before its first sentence: no verdict on the library
    cut = message.status == "stopped" and record.get("status") == "abstained"
    view |= {
        "html": "" if cut else answer_html(message.text, words, citations, sentences),
        "status": message.status,
        "state": "" if cut else record.get("status", ""),
        "grounded": bool(record),
        "model": message.model,
        "written_by": record.get("model", ""),
        "query": record.get("query", ""),
        "notes": list(record.get("notes", [])),
        "unsupported": sum(1 for s in sentences if not s.supported),
        "citations": [citation_view(c) for c in citations],
        "cards": [card_view(hit, words) for hit in found],
        "spread": spread_of(found, words),
        "stop_reason": record.get("stop_reason", ""),
        "feedback": {"value": feedback.value, "comment": feedback.comment} if feedback else None,
    }
    return view


def answer_html(
    text: str, words: Words, citations: Sequence[Citation] = (), sentences: Sequence[CheckedSentence] = ()
) -> str:
    """Return an answer's body as safe HTML."""
    titles = {c.number: c.title for c in citations}
    labels = {"cite": str(words.texts["chat.cite"]), "unsupported": words.say("chat.unsupported_hint")}
    return render(text, citations=titles, sentences=sentences, labels=labels)


def citation_view(citation: Citation) -> View:
    """Return one citation."""
    return {
        "number": citation.number,
        "document_id": citation.document_id,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote[:600],
        "title": citation.title,
    }


def card_view(hit: Mapping[str, Any], words: Words) -> View:
    """Return a source card from a hit's JSON shape: where it is from, and the stretch worth showing with its highlights."""
    document, passage, snippet = hit["document"], hit["passage"], hit["snippet"]
    start = int(snippet["start"])
    text = whole_words(
        str(snippet["text"])[:SNIPPET_CHARS], str(passage.get("text", "")), start - int(passage["start"])
    )
    before = start > passage["start"] and text[:1].islower()  # in the middle of a sentence
    after = start + len(text) < passage["end"]
    highlights = [(h["start"], h["end"]) for h in hit.get("highlights", [])]
    return {
        "document_id": document["id"],
        "title": document.get("title") or document.get("uri") or "",
        "publisher": document.get("publisher") or "",
        "published": document.get("published") or "",
        "source": source_name(str(document.get("source", "")), words),
        "start": start,
        "end": start + len(text) if text else passage["end"],
        "passage": [passage["start"], passage["end"]],
        "snippet": [
            *([("… ", False)] if before else []),
            *cut_at_highlights(text, start, highlights),
            *([(" …", False)] if after and text else []),
        ],
    }


def whole_words(text: str, passage: str, offset: int) -> str:
    """Return the stretch of a passage at an offset without the word that its end cuts through.

    >>> whole_words("один дв", "один два", 0), whole_words("один", "один два", 0)
    ('один', 'один')
    """
    following = passage[offset + len(text) : offset + len(text) + 1]
    if following.isalnum() and text and text[-1].isalnum() and " " in text:
        return text.rsplit(None, 1)[0]
    return text.rstrip()


def cut_at_highlights(text: str, offset: int, highlights: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    """Cut a text that begins at `offset` into pieces, each with whether it is highlighted.

    >>> cut_at_highlights("abcdef", 10, [(11, 13), (15, 99)])
    [('a', False), ('bc', True), ('de', False), ('f', True)]
    """
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in sorted(highlights):
        begin, stop = max(start - offset, at), min(end - offset, len(text))
        if begin >= stop:
            continue
        pieces += [(text[at:begin], False)] if begin > at else []
        pieces.append((text[begin:stop], True))
        at = stop
    return [*pieces, (text[at:], False)] if at < len(text) else pieces


def spread_of(found: Sequence[Mapping[str, Any]], words: Words) -> list[View]:
    """Return how what was found is spread: documents by publisher, date and origin, the most frequent first."""
    documents = {hit["document"]["id"]: hit["document"] for hit in found}.values()
    unknown = words.say("chat.unknown")
    if not documents:
        return []
    of: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
        "publisher": lambda d: d.get("publisher") or source_name(str(d.get("source", "")), words),
        "published": lambda d: str(d.get("published", ""))[:4] or unknown,
        "origin": lambda d: unknown if d.get("origin", UNKNOWN) in ("", UNKNOWN) else str(d["origin"]),
    }
    return [{"by": name, "counts": Counter(map(value, documents)).most_common(6)} for name, value in of.items()]


def page_data(data: Mapping[str, Any]) -> str:
    """Return data as JSON that can stand inside a ``<script type="application/json">``: nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
