"""Small pieces of HTML: every text passes `escape` here, so that an answer of a target can never become markup.

Knows nothing about reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape as _escape
from html.parser import HTMLParser


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Text = str | Html


def escape(text: Text) -> str:
    """Return markup as it is, any other text escaped, without characters that HTML forbids."""
    if isinstance(text, Html):
        return text
    kept = "".join(c for c in text if c in "\n\t" or (ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F))
    return _escape(kept.encode("utf-8", "replace").decode(), quote=True)


def tag(name: str, *inner: Text, **attributes: str) -> Html:
    """Return an element; ``class_`` stands for ``class``, empty attributes are left out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escape(value, quote=True)}"'
        for key, value in attributes.items()
        if value
    )
    return Html(f"<{name}{shown}>{''.join(map(escape, inner))}</{name}>")


def join(parts: Iterable[Text]) -> Html:
    """Return pieces one after another."""
    return Html("".join(map(escape, parts)))


def table(
    heads: Sequence[Text], rows: Iterable[Sequence[Text]], *, numbers: Sequence[int] = (), caption: str = ""
) -> Html:
    """Return a table; columns in `numbers` align to the right. The first cell of a row is its heading."""

    def cell(name: str, index: int, text: Text) -> Html:
        scope = "row" if name == "th" else ""
        return tag(name, text, class_="n" if index in numbers else "", scope=scope)

    head = join(tag("th", h, class_="n" if i in numbers else "", scope="col") for i, h in enumerate(heads))
    body = join(tag("tr", join(cell("th" if i == 0 else "td", i, text) for i, text in enumerate(row))) for row in rows)
    top = tag("caption", caption) if caption else Html("")
    inner = join((top, tag("thead", tag("tr", head)), tag("tbody", body)))
    return tag(
        "div", tag("table", inner), class_="scroll", tabindex="0", role="region", aria_label=caption or str(heads[0])
    )


def is_balanced(page: str) -> bool:
    """Whether every element of a page is closed in its order (for tests and for `write_page`'s own check)."""
    reader = _Balance()
    reader.feed(page)
    reader.close()
    return reader.sound and not reader.open


class _Balance(HTMLParser):
    VOID = frozenset({"meta", "br", "input", "link", "rect", "line", "circle", "hr", "img"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.sound = True

    def handle_starttag(self, name: str, attrs: object) -> None:
        if name not in self.VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        if name in self.VOID:
            return
        self.sound = self.sound and bool(self.open) and self.open.pop() == name
