"""Pages nested so deep that reading them takes quadratic time: the tags below a depth that no honest page has are taken out, the text stays.

Three passes, all linear: counting brackets, which rules out nearly every page for a few microseconds; where that leaves a doubt, going through
the names of the tags; and only where that finds the page too deep, through the tags once more, to take them out. Measured with resiliparse 2:
10,000 nested ``<div>`` take 2.3 s to read, 40,000 take 23 s, 400 take 10 ms; 2,500 paragraphs with a formatting element left open in each take
6 s. Browsers stop at 512 (Chromium) too. Source: the HTML standard, tree construction ("reconstruct the active formatting elements").
"""

from __future__ import annotations

import re

MAX_DEPTH = 500
_MAX_FORMATTING = 20  # open formatting elements: each is opened again in every paragraph after it
_TRUSTED = 5_000  # tags: as many nested ones take half a second
_PIECE = 8_000  # bytes: small enough that what is opened in one and closed again hardly adds up to that depth

_OPEN, _SLASH = b"</"

_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)
_CLOSE_THEMSELVES = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "frame"),
        *("p", "li", "dd", "dt", "tr", "td", "th", "tbody", "thead", "tfoot", "colgroup", "caption", "option", "optgroup"),
        *("html", "head", "body", "rb", "rp", "rt", "rtc"),
    )
)  # fmt: skip
"""Elements without an end, and such as end where the next of their kind begins: however many there are, they do not nest by themselves."""
_TAG = re.compile(
    r"<(?:!--.*?(?:-->|\Z)|((?i:script|style|textarea|title))\b.*?(?:</(?i:\1)\b|\Z)"
    r"|(/?)([a-zA-Z][^\s/<>]*)(?:[^<>]*[^<>/])?(/*)>)",
    re.S,
)
"""Only the names ignore case: so signs between tags are passed over by a plain search."""


def flatten(html: str, raw: bytes = b"") -> tuple[str, int]:
    """Return a page without the tags below `MAX_DEPTH`, and how deep it was; the page itself and 0 when it is not that deep. `raw` is the page
    in UTF-8, where that is at hand.

    >>> flatten("<div>" * 3 + "tea")
    ('<div><div><div>tea', 0)
    """
    if not _may_be_deep(raw or html.encode("utf-8", "surrogatepass")) or not _is_deep(html):
        return html, 0
    opened: dict[str, int] = {}
    dropped: dict[str, int] = {}
    depth = formatting = deepest = position = 0
    pieces: list[str] = []
    for tag in _TAG.finditer(html):
        name = (tag.group(3) or "").lower()
        if not name or name in _CLOSE_THEMSELVES or tag.group(4):
            continue
        style = name in _FORMATTING
        if tag.group(2):  # the innermost of its name ends: the last that was dropped, if any was
            if dropped.get(name, 0):
                dropped[name] -= 1
            elif opened.get(name, 0):
                opened[name] -= 1
                depth -= 1
                formatting -= style
                continue
            else:
                continue
        elif depth >= MAX_DEPTH or (style and formatting >= _MAX_FORMATTING):
            dropped[name] = dropped.get(name, 0) + 1
            deepest = max(deepest, depth + sum(dropped.values())) if len(dropped) < 100 else deepest
        else:
            opened[name] = opened.get(name, 0) + 1
            depth += 1
            formatting += style
            continue
        pieces += (html[position : tag.start()], "" if style else " ")
        position = tag.end()
    if not pieces:
        return html, 0
    return "".join((*pieces, html[position:])), deepest


def _is_deep(html: str) -> bool:
    """Tell whether a tag is below the depth, or a formatting element within too many others, that is taken out."""
    opened: dict[str, int] = {}
    depth = formatting = 0
    for _, end, name, alone in _TAG.findall(html):
        name = name.lower()
        if not name or name in _CLOSE_THEMSELVES or alone:
            continue
        if not end:
            if depth >= MAX_DEPTH:
                return True
            if name in _FORMATTING:
                if formatting >= _MAX_FORMATTING:
                    return True
                formatting += 1
            opened[name] = opened.get(name, 0) + 1
            depth += 1
        elif opened.get(name, 0):
            opened[name] -= 1
            depth -= 1
            formatting -= name in _FORMATTING
    return False


def _may_be_deep(page: bytes) -> bool:
    """Tell whether more tags may be open at once than `MAX_DEPTH`, counting every tag that is not closed. Ends of what never began deceive it:
    so do not trust it with very many tags. With numpy, in pieces: a fifth of the time of `str.count`."""
    import numpy as np

    signs = np.frombuffer(page, np.uint8)
    brackets = signs == _OPEN
    ends = brackets[:-1] & (signs[1:] == _SLASH)
    depth = total = 0
    for start in range(0, len(page), _PIECE):
        num_ends = int(np.count_nonzero(ends[start : start + _PIECE]))
        begun = int(np.count_nonzero(brackets[start : start + _PIECE])) - num_ends
        total += begun
        if depth + begun > MAX_DEPTH or total > _TRUSTED:
            return True
        depth += begun - num_ends
    return False
