"""Text as it is compared: for finding conversations without regard to case and accents, and names without regard to case.

The same for every language. Marks above and below letters go (Unicode combining classes 230 and 220: accents, stress marks, dots), so a text
written with them is found without; signs that are letters in themselves (Indic vowels, Hebrew points) stay.
"""

from __future__ import annotations

import unicodedata

MARKS = frozenset({220, 230})  # combining classes: below, above


def fold(text: str) -> str:
    """Return the text for comparing contents: compatible forms, cases and accents made one, runs of blanks a single space."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in decomposed if c.isascii() or unicodedata.combining(c) not in MARKS)
    return " ".join(unicodedata.normalize("NFC", bare).split())


def fold_name(name: str) -> str:
    """Return a name for comparing names: compatible forms and cases made one, accents kept."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
