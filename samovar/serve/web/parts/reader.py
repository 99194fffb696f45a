"""A window of a document's text with its passages marked and numbered and one stretch highlighted.

The text shown is exactly ``text[begin:end]``: marks are put between characters, nothing is rendered as anything but text, so offsets stay
true. Knows nothing about where the text comes from.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from samovar.library.shelf import PassageSpan
from samovar.messages import Words
from samovar.serve.web.parts.markup import document_link, join, tag

WINDOW_CHARS = 12_000  # about six printed pages; drawn in 20 ms, whatever the length of the document
BEFORE_CHARS = 1_500  # shown before the stretch that was asked for
COMPACT_CHARS = 4_000
LONGEST_HIGHLIGHT = 100_000


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown: ``text[begin:end]`` of `length` characters, with `start`..`stop` highlighted (equal: nothing)."""

    begin: int
    end: int
    length: int
    start: int = 0
    stop: int = 0


def choose_window(
    length: int, start: int | None, end: int | None, *, at: int | None = None, size: int = WINDOW_CHARS
) -> Window:
    """Return the window for what was asked for, however wrong the offsets are.

    >>> choose_window(50_000, 20_000, 20_100)
    Window(begin=18500, end=30500, length=50000, start=20000, stop=20100)
    >>> choose_window(100, 90, 5_000)
    Window(begin=0, end=100, length=100, start=90, stop=100)
    """
    start = min(max(start or 0, 0), length)
    stop = min(max(end if end is not None else start, start), length, start + LONGEST_HIGHLIGHT)
    begin = max(0, start - BEFORE_CHARS) if at is None else min(max(at, 0), length)
    if length <= size:
        begin = 0
    last = min(length, begin + size)
    if begin <= start < last < stop and at is None:
        last = min(length, stop)
    return Window(begin if last - begin >= size else max(0, min(begin, length - size)), last, length, start, stop)


def settle(window: Window, text: str, offset: int) -> Window:
    """Return the window with its ends moved inwards to the ends of words, so that none is cut. `text` begins at `offset` and holds it."""
    begin, end = window.begin, window.end
    if begin > 0:
        space = _space_after(text, begin - offset, 80)
        begin = offset + space if space is not None and offset + space <= max(window.start, window.begin) else begin
    if end < window.length:
        space = _space_before(text, end - offset, 80)
        end = offset + space if space is not None and offset + space >= min(window.stop, window.end) else end
    return Window(begin, end, window.length, window.start, window.stop)


def _space_after(text: str, at: int, reach: int) -> int | None:
    return next((i + 1 for i in range(at, min(at + reach, len(text))) if text[i].isspace()), None)


def _space_before(text: str, at: int, reach: int) -> int | None:
    return next((i for i in range(min(at, len(text)) - 1, max(at - reach, 0), -1) if text[i].isspace()), None)


def render_text(
    text: str, window: Window, spans: Sequence[PassageSpan], document_id: str, words: Words, lang: str | None
) -> Markup:
    """Return the window's text. Passage numbers stand beside the text as links (class ``pn``) and are no part of it."""
    cuts = {window.begin, window.end, *_inside(window, window.start, window.stop)}
    opened: dict[int, PassageSpan] = {}
    for span in spans:
        cuts |= set(_inside(window, span.start, span.end))
        if window.begin <= span.start < window.end:
            opened[span.start] = span
    ordered = sorted(cuts)
    out: list[Markup] = []
    for begin, end in itertools.pairwise(ordered):
        if begin in opened:
            out.append(_number(opened[begin], document_id, words))
        piece = text[begin - window.begin : end - window.begin]
        shared = sum(1 for span in spans if span.start <= begin < span.end) > 1
        lit = window.start <= begin < window.stop
        first = lit and begin == max(window.start, window.begin)
        if lit:
            out.append(
                tag("mark", piece, id="quote" if first else None, class_="quote", tabindex="-1" if first else None)
            )
        else:
            out.append(tag("span", piece, class_="shared") if shared else join(piece))
    return tag("div", *out, class_="reader-text", data_begin=window.begin, data_end=window.end, lang=lang)


def _inside(window: Window, *offsets: int) -> list[int]:
    return [offset for offset in offsets if window.begin < offset < window.end]


def _number(span: PassageSpan, document_id: str, words: Words) -> Markup:
    return tag(
        "a",
        tag("span", str(span.number), aria_hidden="true"),
        href=document_link(document_id, span.start, span.end),
        id=f"p{span.number}",
        class_="pn",
        aria_label=words.say("document.passage_number", number=span.number),
        data_start=span.start,
        data_end=span.end,
    )
