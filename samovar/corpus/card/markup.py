"""Small pieces of HTML: every text passes `escape` here, so that no text of a corpus can become markup. Knows nothing about cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape as _escape


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return markup as it is, any other text escaped and without characters that HTML forbids."""
    if isinstance(text, Html):
        return text
    kept = "".join(c for c in text if c in "\n\t" or (ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F))
    return Html(_escape(kept.encode("utf-8", "replace").decode(), quote=True))


def tag(name: str, *inner: str, **attributes: str) -> Html:
    """Return an element; ``class_`` stands for ``class``, empty attributes are left out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escape(v, quote=True)}"' for key, v in attributes.items() if v
    )
    return Html(f"<{name}{shown}>{''.join(map(escape, inner))}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Return pieces one after another."""
    return Html("".join(map(escape, parts)))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, text: Sequence[int] = (0,), label: str = "") -> Html:
    """Return a table; columns not in `text` are numbers, aligned to the right. The first cell of a row is its heading."""

    def cells(name: str, row: Sequence[str], scope: str) -> Html:
        return join(
            tag(
                name if i else "th", cell, class_="" if i in text else "n", scope=scope if name == "th" or not i else ""
            )
            for i, cell in enumerate(row)
        )

    head = tag("thead", tag("tr", cells("th", heads, "col")))
    body = tag("tbody", *(tag("tr", cells("td", row, "row")) for row in rows))
    return tag(
        "div", tag("table", head, body), class_="scroll", tabindex="0", role="region", aria_label=label or heads[0]
    )


def bar(share: float) -> Html:
    """Return a bar for a share between 0 and 1."""
    width = f"{100 * min(1.0, max(0.0, share)):.1f}"
    return Html(
        f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="back" width="100" height="8"/><rect class="part" width="{width}" height="8"/></svg>'
    )
