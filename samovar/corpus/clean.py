"""Make extracted text plain: NFC, one kind of line break, no invisible characters, no runs of blank lines.

Stress marks (U+0301) stay: they belong to the text, and the analyser of the search room ignores them. Knows no
language. Source: Unicode Standard Annex #15 (NFC), #44 (general categories Cc, Cf).
"""

from __future__ import annotations

import re
import unicodedata

# Byte order mark, soft hyphen, zero-width space and word joiner, directional marks, line noise of word processors.
# The zero-width (non-)joiners U+200C/U+200D stay: Persian, Indic scripts and emoji need them.
_INVISIBLE = "\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060\u2061-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb"
_CONTROL = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff"
_BREAKS = "\x0b\x0c\x85\u2028\u2029"
_SPACES = (
    "\u2000-\u200a\u202f\u205f\u3000"  # and the no-break space, which is so frequent that it is replaced by itself
)
_ODD = re.compile(f"[{_INVISIBLE}{_CONTROL}{_BREAKS}{_SPACES}]")
_IS_BREAK = re.compile(f"[{_BREAKS}]")
_IS_SPACE = re.compile(f"[{_SPACES}]")


def clean_text(text: str) -> str:
    """Return `text` as it is stored: NFC, ``\\n`` line breaks, at most one blank line, no control or invisible
    characters.

    No-break and typographic spaces become plain ones; runs of spaces inside a line collapse, tabs stay (they
    separate cells). Cleaning twice changes nothing more.
    """
    text = text.replace("\u00a0", " ")
    if not _has_plain_characters_only(text):
        text = _ODD.sub(_replace_odd, text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "  " in text:
        text = _shorten_spaces(text)
    if " \n" in text or ("\t" in text and "\t\n" in text):  # one character is found ten times as fast as two
        text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    if "\n\n\n" in text:
        text = _shorten_gaps(text)
    return text.strip(" \t\n")


def _replace_odd(found: re.Match[str]) -> str:
    character = found.group()
    return "\n" if _IS_BREAK.match(character) else " " if _IS_SPACE.match(character) else ""


def _shorten_spaces(text: str) -> str:
    """Leave one space of every run. In one pass with numpy: replacing takes one for every halving of the longest run. Needs a text without lone
    surrogates, which are control characters here."""
    import numpy as np

    units = np.frombuffer(text.encode("utf-16-le"), "<u2")
    spaces = units == ord(" ")
    kept = np.ones(len(units), np.bool_)
    np.logical_and(spaces[1:], spaces[:-1], out=kept[1:])
    np.logical_not(kept[1:], out=kept[1:])
    return units[kept].tobytes().decode("utf-16-le")


def _shorten_gaps(text: str) -> str:
    while "\n\n\n" in text:  # a run shrinks by a third each time
        text = text.replace("\n\n\n", "\n\n")
    return text


def _has_plain_characters_only(text: str) -> bool:
    """Tell whether nothing but spaces and blank lines can be wrong: `str.isprintable` is false for all other spaces, breaks, control and
    invisible characters, and ten times as fast as looking for them by pattern."""
    return text.replace("\n", " ").replace("\t", " ").isprintable()


def clean_line(text: str) -> str:
    """Return `text` cleaned and on one line, for titles and metadata; at most 500 characters."""
    if len(text) <= 500 and text.isprintable() and "  " not in text:
        return text.strip(" ") if text.isascii() else unicodedata.normalize("NFC", text).strip(" ")[:500].rstrip(" ")
    return " ".join(clean_text(text).split())[:500].rstrip()


def count_letters(text: str, at_least: int) -> int:
    """Count letters, giving up once there are `at_least`: enough letters is all that is asked."""
    count = 0
    for character in text:
        count += character.isalpha()
        if count >= at_least:
            break
    return count
