"""How texts with marked stretches look on a terminal: quotes, snippets with highlights, a quote in its surroundings.

All offsets are into the document's text, as everywhere; slicing to what is shown happens here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from samovar.commands.terminal import BOLD, YELLOW, Terminal, clean, one_line

Span = tuple[int, int]

CONTEXT_CHARS = 500  # shown on each side of a quote by /open: about a screen with the quote in the middle


def mark_spans(text: str, offset: int, spans: Iterable[Span], terminal: Terminal) -> str:
    """Return clean text in which the spans (offsets as if `text` began at `offset`) stand out where colour is shown."""
    out, at = "", 0
    for start, end in sorted(spans):
        start, end = max(at, start - offset), min(len(text), end - offset)
        if start >= end:
            continue
        out += clean(text[at:start]) + terminal.style(clean(text[start:end]), BOLD, YELLOW)
        at = end
    return out + clean(text[at:])


def snippet_line(text: str, offset: int, snippet: Span, spans: Sequence[Span], terminal: Terminal) -> str:
    """Return a snippet on one line with its highlights, with … where the text goes on."""
    start, end = max(snippet[0], offset), min(snippet[1], offset + len(text))
    if start >= end:
        start, end = offset, offset + min(len(text), 240)
    marked = mark_spans(text[start - offset : end - offset], start, spans, terminal)
    return ("… " if start > offset else "") + " ".join(marked.split()) + (" …" if end < offset + len(text) else "")


def surroundings(text: str, start: int, end: int, chars: int = CONTEXT_CHARS) -> Span:
    """Return a stretch around a span, at most `chars` to each side, that begins and ends at a line or word boundary.

    >>> surroundings("one two three four five", 8, 13, chars=5)
    (4, 18)
    """
    low, high = max(0, start - chars), min(len(text), end + chars)
    if low > 0:
        newline = text.find("\n", low, start)
        space = text.find(" ", low, start)
        low = newline + 1 if newline >= 0 else space + 1 if space >= 0 else start
    if high < len(text):
        newline = text.rfind("\n", end, high)
        space = text.rfind(" ", end, high)
        high = newline if newline >= 0 else space if space >= 0 else end
    return low, high


def quote_in_context(text: str, start: int, end: int, terminal: Terminal, spans: Sequence[Span] = ()) -> str:
    """Return the surroundings of ``text[start:end]`` with the quote (or `spans` inside it) standing out."""
    low, high = surroundings(text, start, end)
    marked = mark_spans(text[low:high], low, spans or [(start, end)], terminal)
    return ("…\n" if low > 0 else "") + marked + ("\n…" if high < len(text) else "")


def indent_wrapped(text: str, terminal: Terminal, indent: str = "    ") -> str:
    """Return one line of text wrapped to the window and indented; not wrapped where there is no window."""
    line = one_line(text)
    if not terminal.out_is_terminal:
        return indent + line
    return textwrap.fill(
        line, terminal.columns - 1, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
