"""What the native API sends: the JSON shapes of DESIGN.md as types. Offsets are characters of the stored text."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """Base of all shapes."""

    model_config = ConfigDict(from_attributes=True)


class ErrorDetail(Shape):
    """What went wrong, in words for people (`message`) and for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failure(Shape):
    """Body of every answer that is not a success."""

    error: ErrorDetail


# -- search ---------------------------------------------------------------------------------------------------------
class Span(Shape):
    """A stretch of a document's text."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Snippet(Span):
    """A stretch with its text."""

    text: str


class PassageShape(Snippet):
    """A passage of a document."""

    document_id: str


class Head(Shape):
    """A document without its text."""

    id: str
    title: str
    uri: str
    source: str
    language: str
    published: str
    publisher: str
    origin: str
    licence: str


class Component(Shape):
    """One addend of a score."""

    name: str
    value: float


class HitShape(Shape):
    """A ranked passage; the components add up to the score."""

    rank: int = Field(ge=1)
    score: float
    passage: PassageShape
    document: Head
    explain: list[Component]
    snippet: Snippet
    highlights: list[Span]


class Correction(Shape):
    """A word that was searched for in place of a typed one."""

    typed: str
    searched: str


class SearchShape(Shape):
    """What a search found."""

    query: str
    hits: list[HitShape]
    corrections: list[Correction]
    total_candidates: int = Field(ge=0)
    notes: list[str]
    seconds: float


# -- answers --------------------------------------------------------------------------------------------------------
class CitationShape(Shape):
    """A quotation that equals the stored text at its offsets."""

    number: int
    document_id: str
    start: int
    end: int
    quote: str
    title: str
    uri: str


class SentenceShape(Span):
    """A sentence of the answer's text and whether the cited passages support it."""

    supported: bool
    citations: list[int]


class ShortAnswer(Span):
    """The short answer inside a citation."""

    document_id: str


class AnswerShape(Shape):
    """An answer or an honest abstention."""

    text: str
    status: Literal["answered", "abstained"]
    citations: list[CitationShape]
    hits: list[HitShape]
    model: str
    timings: dict[str, float]
    sentences: list[SentenceShape]
    short: ShortAnswer | None
    confidence: float | None
    query: str
    notes: list[str]
    stop_reason: str


# -- library --------------------------------------------------------------------------------------------------------
class DocumentShape(Head):
    """A document's head with its sizes."""

    added_at: str
    metadata: dict[str, str]
    num_characters: int
    num_passages: int
    own: bool = Field(description="Whether it is in the caller's own collection")


class DocumentPage(Shape):
    """A page of documents, newest first. `next` goes into `before` for the next page; null at the end."""

    documents: list[DocumentShape]
    total: int | None = Field(description="Documents in all pages; null when titles are searched")
    next: int | None


class TextShape(Span):
    """A stretch of a document's text; `total` is the length of the whole."""

    document_id: str
    text: str
    total: int


class PassagePage(Shape):
    """Passages of a document in text order. `next` goes into `from` for the next page; null at the end."""

    document_id: str
    passages: list[Span]
    total: int
    next: int | None


class LedgerRowShape(Shape):
    """What happened to one input at one stage, and why."""

    number: int
    uri: str
    stage: str
    decision: Literal["kept", "changed", "dropped"]
    reason: str
    value: str
    at: str
    source: str


class LedgerPage(Shape):
    """A page of the ledger, newest first. `next` goes into `before` for the next page; null at the end."""

    rows: list[LedgerRowShape]
    next: int | None


class LibraryShape(Shape):
    """The make-up of the library as the caller may see it: numbers of documents, the largest first, 200 of each kind; the rest summed up in `more`."""

    version: int
    num_documents: int
    num_passages: int
    num_characters: int
    by_source: dict[str, int]
    by_language: dict[str, int]
    by_licence: dict[str, int]
    by_origin: dict[str, int]
    by_publisher: dict[str, int]
    by_year: dict[str, int]
    more: dict[str, int]
    first_added: str
    last_added: str
    earliest_published: str
    latest_published: str
    ledger: dict[str, int]


class UploadShape(Shape):
    """A file somebody uploaded to their own collection. `reason` is the ledger's, when it was refused."""

    id: str
    name: str
    mime: str
    size_bytes: int
    purpose: str
    created_at: str
    source: str
    document_ids: list[str]
    status: Literal["processing", "ready", "refused"]
    reason: str


class AddShape(Shape):
    """What an addition did. Files: new, changed, unchanged, dropped; `reasons` says why the last."""

    source: str
    files: int
    kept: int
    changed: int
    unchanged: int
    dropped: int
    documents: int
    replaced: int
    removed: int
    passages: int
    reasons: dict[str, int]


class AddedShape(Shape):
    """Answer to an addition: the uploads that went to the caller's own collection, or the report of what was added otherwise."""

    uploads: list[UploadShape]
    report: AddShape | None


class RemovedShape(Shape):
    """Answer to a removal."""

    id: str
    removed: bool


# -- conversations --------------------------------------------------------------------------------------------------
class ConversationShape(Shape):
    """The head of a conversation."""

    id: str
    title: str
    created_at: str
    updated_at: str
    model: str


class ConversationPage(Shape):
    """A page of conversations, newest first. `next` goes into `before` for the next page; null at the end."""

    conversations: list[ConversationShape]
    next: str | None


class MessageShape(Shape):
    """A message. An assistant's has its answer (without the text; what was found under `found`) in `answer`."""

    id: str
    position: int
    role: Literal["user", "assistant"]
    text: str
    created_at: str
    status: Literal["complete", "stopped", "failed"]
    model: str
    answer: dict[str, Any]


class MessageList(Shape):
    """All messages of a conversation in order, and whether an answer is being written."""

    conversation: ConversationShape
    messages: list[MessageShape]
    busy: bool


class ReplyShape(Shape):
    """A question that was asked and its answer (`answer` is null for a bare model)."""

    conversation: ConversationShape
    question: MessageShape
    message: MessageShape
    answer: AnswerShape | None


class StopShape(Shape):
    """Whether there was an answer to stop."""

    stopped: bool


class FeedbackShape(Shape):
    """What the caller thought of an answer."""

    message_id: str
    value: Literal[-1, 1]
    comment: str
    at: str


# -- server ---------------------------------------------------------------------------------------------------------
class ModelShape(Shape):
    """A model on offer. `grounded`: it answers from the library and cites."""

    id: str
    raw: str
    grounded: bool
    context_tokens: int


class ModelList(Shape):
    """Models on offer, the grounded one first."""

    models: list[ModelShape]


class HealthShape(Shape):
    """The process is alive."""

    status: Literal["ok"]
    version: str


class ReadyShape(Shape):
    """Whether it can answer, and which of its parts can."""

    status: Literal["ready", "not ready"]
    checks: dict[str, bool]
