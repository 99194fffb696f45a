"""The document reader: where a text comes from, its passages, and the stretch that was asked for, highlighted and scrolled to.

A long text is shown by windows of some thousand characters; offsets in addresses are characters of the stored text. `render_reader` is also
what the chat's side panel shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from samovar.corpus.document import UNKNOWN, Document
from samovar.errors import NotFoundError
from samovar.library.shelf import DocumentSize, PassageSpan, browsing
from samovar.messages import Words
from samovar.serve.access import authorise, owner_of_source
from samovar.serve.native.sight import sight_of
from samovar.serve.web.frame import frame
from samovar.serve.web.page import PageContext, page
from samovar.serve.web.parts.hits import source_name, title_of
from samovar.serve.web.parts.markup import document_link, join, link, outside_link, tag
from samovar.serve.web.parts.place import put
from samovar.serve.web.parts.reader import COMPACT_CHARS, WINDOW_CHARS, Window, choose_window, render_text, settle
from samovar.serve.web.parts.reading import offset_of, shown_language
from samovar.serve.web.parts.removal import remove_button
from samovar.serve.web.parts.tables import day_of

METADATA_ROWS = 24
LONGEST_METADATA = 300


@dataclass(frozen=True, slots=True)
class Opened:
    """A document as far as it is shown: its head and lengths, the window with its text, the passages in it."""

    size: DocumentSize
    window: Window
    text: str
    spans: Sequence[PassageSpan]


@page("/document/{document_id}", "read_document", strict=True)
async def document(context: PageContext, document_id: str, start: str = "", end: str = "", at: str = "") -> None:
    """Show a document, at ``text[start:end]`` when asked for, at the window that begins at `at` when paging."""
    opened = await open_document(context, document_id, offset_of(start), offset_of(end), at=offset_of(at))
    head = opened.size.head
    with frame(context, title_of(head)[:80], "library"):
        put(context, _heading(context, opened), _reader(opened, context.words), class_="document-page")


async def render_reader(
    context: PageContext, document_id: str, start: int | None = None, end: int | None = None, *, compact: bool = True
) -> Markup:
    """Return a document at a stretch as HTML for a panel.

    Raises:
        NotFoundError: there is no such document, or it is another user's.
    """
    opened = await open_document(context, document_id, start, end, size=COMPACT_CHARS if compact else WINDOW_CHARS)
    words, head = context.words, opened.size.head
    whole = tag("a", words.say("document.whole"), href=document_link(document_id, start, end))
    title = tag("h2", title_of(head), class_="panel-title")
    return tag(
        "div", title, _facts(head, words, short=True), tag("p", whole), _reader(opened, words), class_="reader compact"
    )


async def open_document(
    context: PageContext,
    document_id: str,
    start: int | None,
    end: int | None,
    *,
    at: int | None = None,
    size: int = WINDOW_CHARS,
) -> Opened:
    """Read what is to be shown. Raises `NotFoundError` for none, or another user's."""
    engine, principal = context.state.engine, context.principal

    def work() -> Opened:
        with browsing(engine.samovar.library, sight_of(principal)) as shelf:
            known = shelf.document(document_id)
            owner = owner_of_source(known.head.source)
            authorise(principal, "read_document", owner)
            window = choose_window(known.num_characters, start, end, at=at, size=size)
            text = shelf.text(document_id, window.begin, window.end)
            settled = settle(window, text, window.begin)
            text = text[settled.begin - window.begin : settled.end - window.begin]
            return Opened(known, settled, text, shelf.spans(document_id, settled.begin, settled.end))

    if len(document_id) > 64:
        raise NotFoundError("there is no such document.")
    return await engine.work(work)


# -- head -----------------------------------------------------------------------------------------------------------------
def _heading(context: PageContext, opened: Opened) -> Markup:
    words, head = context.words, opened.size.head
    ask = (
        tag("a", words.say("document.ask"), href=link("/", {"document": head.id}), class_="button primary")
        if context.may("ask")
        else None
    )
    size = join(
        words.say("count.characters", count=opened.size.num_characters), " · ", words.say("count.passages", count=opened.size.num_passages)
    )  # fmt: skip
    return tag(
        "header",
        tag("h1", title_of(head)),
        _facts(head, words),
        tag("p", size, class_="muted small"),
        _metadata(head, words),
        tag("p", ask, remove_button(context, head, done="go:/library"), class_="row"),
        class_="document-head",
    )


def _facts(head: Document, words: Words, *, short: bool = False) -> Markup:
    facts: list[tuple[str, str | Markup]] = [
        ("source", source_name(head.source, words)),
        ("publisher", head.publisher),
        ("published", head.published),
        ("origin", words.say("field.unknown") if head.origin == UNKNOWN else head.origin),
        ("licence", words.say("field.unknown") if head.licence == UNKNOWN else head.licence),
    ]
    if not short:
        facts += [
            ("language", shown_language(head.language, words)),
            ("added_at", day_of(head.added_at)),
            ("uri", outside_link(head.uri)),
        ]
    rows = [tag("div", tag("dt", words.say(f"field.{name}")), tag("dd", value)) for name, value in facts if value]
    return tag("dl", *rows, class_="facts-list")


def _metadata(head: Document, words: Words) -> Markup | None:
    if not head.metadata:
        return None
    rows = [
        tag("div", tag("dt", name[:60]), tag("dd", outside_link(value[:LONGEST_METADATA])))
        for name, value in sorted(head.metadata.items())[:METADATA_ROWS]
    ]
    return tag(
        "details",
        tag("summary", words.say("document.metadata")),
        tag("dl", *rows, class_="facts-list"),
        class_="metadata",
    )


# -- text -----------------------------------------------------------------------------------------------------------------
def _reader(opened: Opened, words: Words) -> Markup:
    window, head = opened.window, opened.size.head
    lang = head.language if head.language.replace("-", "").isalnum() and head.language.isascii() else None
    asked = None
    if window.start < window.stop:
        asked = tag("p", words.say("document.asked", start=window.start, end=window.stop), class_="muted small")
    text = render_text(opened.text, window, opened.spans, head.id, words, lang)
    return tag(
        "section",
        tag("h2", words.say("document.text"), class_="visually-hidden"),
        asked,
        _steps(window, head.id, words, "top"),
        text,
        _steps(window, head.id, words, "bottom"),
        class_="reader-body",
        data_document=head.id,
    )


def _steps(window: Window, document_id: str, words: Words, where: str) -> Markup | None:
    """Links to the windows before and after, with the place in the whole; nothing for a text that is shown whole."""
    if window.begin == 0 and window.end >= window.length:
        return None
    address = f"/document/{document_id}"

    def step(at: int, key: str, there_is: bool) -> Markup:
        if not there_is:
            return tag("span", words.say(key), class_="button off", aria_hidden="true")
        return tag("a", words.say(key), href=link(address, {"at": at}), class_="button")

    before = max(0, window.begin - WINDOW_CHARS)
    place = words.say("document.place", begin=window.begin + 1, end=window.end, length=window.length)
    jump = tag(
        "form",
        tag("label", words.say("document.jump"), for_=f"at-{where}", class_="visually-hidden"),
        tag("input", id=f"at-{where}", name="at", inputmode="numeric", size=9, placeholder=words.say("document.jump"), autocomplete="off", class_="field"),
        action=address, method="get",
    )  # fmt: skip
    return tag(
        "nav", step(before, "pager.before", window.begin > 0), tag("span", place), jump, step(window.end, "pager.after", window.end < window.length),
        class_="pager", aria_label=words.say(f"document.steps_{where}"),
    )  # fmt: skip
