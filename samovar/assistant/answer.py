"""What the assistant returns: the answer with its citations, and the events of a streamed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from samovar.search.hit import Hit

Status = Literal["answered", "abstained"]


@dataclass(frozen=True, slots=True)
class Citation:
    """A quotation: ``document.text[start:end] == quote``, always. `number` is what stands in brackets in the answer's text."""

    number: int
    document_id: str
    start: int
    end: int
    quote: str
    title: str
    uri: str


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence of the answer, ``answer.text[start:end]``, and whether the cited passages support it."""

    start: int
    end: int
    supported: bool
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer or an honest abstention.

    `short` is (document_id, start, end) of the short answer inside a citation, where the model finds one. `confidence` in 0..1 where the
    model gives one. `query` is what was searched for when a follow-up was rewritten. `timings` are seconds by stage. `notes` tell what a
    reader should know: passages left out of the prompt, corrections of the query, ignored instructions in documents.
    """

    text: str
    status: Status
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    model: str
    timings: Mapping[str, float] = field(default_factory=dict)
    sentences: tuple[CheckedSentence, ...] = ()
    query: str = ""
    notes: tuple[str, ...] = ()
    short: tuple[str, int, int] | None = None
    confidence: float | None = None
    stop_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Found:
    """First event: what the search found, before the model has said a word."""

    hits: tuple[Hit, ...]
    query: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the model's draft as it comes, unchecked: show it as plain text, with no links or HTML made of it. The final text, with
    citations, marks and foreign addresses taken out, is in `Done`."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """Last event."""

    answer: Answer


Event = Found | Delta | Done
