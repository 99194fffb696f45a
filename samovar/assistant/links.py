"""Links and images in a model's draft: a page that shows the answer must not be made to call an address that no document holds.

An injected command may ask the model to put the user's question into the address of an image or a link; whoever renders the answer would send it
there. So images and active HTML are taken out, and an address stays only when it stands in the passages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)|!\[([^\]]*)\]\[[^\]]*\]")
_LINK = re.compile(r"\[([^\]\n]*)\]\(\s*<?([^)\s>]*)[^)]*\)")
_AUTOLINK = re.compile(r"<((?:[a-z][a-z0-9+.-]{1,20}:)[^<>\s]*)>", re.IGNORECASE)
_DEFINITION = re.compile(r"^[ ]{0,3}\[[^\]\n]+\]:[ \t]*<?\S*//[^\n]*$", re.MULTILINE)
_ACTIVE = re.compile(
    r"</?(?:a|applet|audio|base|embed|form|frame|iframe|img|input|link|meta|object|script|source|style|svg|video)\b[^>]*>",
    re.IGNORECASE,
)
_REST = r"[^\s<>\"'»)\]]+"
_BARE = re.compile(
    rf"[a-z][a-z0-9+.-]{{1,20}}://{_REST}|(?<![\w/:])//[\w-]+\.{_REST}|(?<![a-z0-9])(?:www\.|data:[\w.+-]+/|javascript:){_REST}",
    re.IGNORECASE,
)
MAX_ROUNDS = 5  # a tag may be hidden inside another (<im<img>g …>)
REMOVED = "…"  # no brackets: after "![x]" they would make an image again


def strip_links(text: str, passages: Sequence[str]) -> str:
    """Return `text` without images, active HTML and addresses that are not in the passages; the words of a link stay."""

    def known(address: str) -> bool:
        address = address.rstrip(".,;:!?")
        return bool(address) and any(_holds(p, address) for p in passages)

    for _ in range(MAX_ROUNDS):
        before = text
        text = _IMAGE.sub(lambda m: m.group(1) or m.group(2) or "", text)
        text = _LINK.sub(lambda m: m.group() if known(m.group(2)) else m.group(1), text)
        text = _ACTIVE.sub("", _DEFINITION.sub("", text))
        text = _AUTOLINK.sub(lambda m: m.group(1), text)
        if text == before:
            break
    return _BARE.sub(lambda m: m.group() if known(m.group()) else REMOVED, text)


def _holds(passage: str, address: str) -> bool:
    """Whether the address stands there as a whole, not as the beginning of a longer one."""
    start = passage.find(address)
    while start >= 0:
        after = passage[start + len(address) : start + len(address) + 1]
        if not after or not (after.isalnum() or after in "/?&=#%_-+~@"):
            return True
        start = passage.find(address, start + 1)
    return False
