"""HTML that is safe by construction: every text is escaped unless it is already `Markup`. Knows no page.

>>> tag("a", "1 < 2", href="/x?a=1&b=2", class_="link")
Markup('<a href="/x?a=1&amp;b=2" class="link">1 &lt; 2</a>')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode, urlsplit

from markupsafe import Markup, escape

Child = str | Markup | None | Iterable["Child"]
Attribute = str | int | float | bool | None

VOID = frozenset({"input", "br", "hr"})
DRAWN = frozenset({"rect"})
"""Elements of SVG without content: there HTML's parser wants the closing slash."""


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element. ``class_`` and ``for_`` lose the underscore, others become hyphens; True is a bare attribute, None and False none."""
    opening = f"<{name}" + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"{opening}>")
    if name in DRAWN:
        return Markup(f"{opening}/>")
    opening += ">"
    return Markup(opening) + join(*children) + Markup(f"</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_escape(str(value))}"'


def _escape(text: str) -> Markup:
    """Escape, and keep what an HTML parser would change: carriage returns; NUL has no form in HTML."""
    escaped = escape(text)
    if "\r" in escaped or "\0" in escaped:  # on a plain string: Markup.replace would escape the entity
        return Markup(str(escaped).replace("\r", "&#13;").replace("\0", "\ufffd"))
    return escaped


def join(*children: Child) -> Markup:
    """Return children one after another, escaped; None is left out, lists are flattened."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(_escape(child))
        else:
            parts.append(join(*child))
    return Markup("".join(parts))


def link(path: str, values: Mapping[str, str | int | Iterable[str] | None] | None = None) -> str:
    """Return an address within this server; empty values are left out, several values of a name repeat it."""
    pairs: list[tuple[str, str]] = []
    for name, value in (values or {}).items():
        if value is None or value == "":
            continue
        several = [str(value)] if isinstance(value, (str, int)) else [str(v) for v in value]
        pairs += [(name, one) for one in several]
    return quote(path, safe="/#") + (f"?{urlencode(pairs)}" if pairs else "")


def document_link(document_id: str, start: int | None = None, end: int | None = None) -> str:
    """Return the address of the reader, at a stretch of the text when there is one."""
    return link(f"/document/{document_id}", {"start": start, "end": end})


def outside_link(address: str, text: str | None = None) -> Markup:
    """Return a link to another site if the address is plain http(s), else the address as text."""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    safe = parts.scheme in ("http", "https") and bool(parts.hostname) and "\\" not in address
    if not safe:
        return join(text or address)
    return tag(
        "a", text or address, href=address, rel="noopener noreferrer nofollow", target="_blank", class_="outside"
    )
