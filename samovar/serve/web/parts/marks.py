"""A stretch of text with parts of it marked, at exact offsets. All offsets are characters of the document's text."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from samovar.serve.web.parts.markup import join, tag

Span = tuple[int, int]


def marked(text: str, offset: int, spans: Iterable[Span], class_: str | None = None) -> Markup:
    """Return `text`, which begins at `offset`, with the spans in ``<mark>``; each carries its offsets.

    >>> marked("Kazan lies", 100, [(106, 110)])
    Markup('Kazan <mark data-start="106" data-end="110">lies</mark>')
    """
    out: list[Markup] = []
    at = 0
    for start, end in sorted(spans):
        begin, stop = max(at, start - offset), min(len(text), end - offset)
        if begin >= stop:
            continue
        out.append(join(text[at:begin]))
        place = {"data_start": begin + offset, "data_end": stop + offset}
        out.append(tag("mark", text[begin:stop], **place, class_=class_))
        at = stop
    return join(*out, text[at:])
