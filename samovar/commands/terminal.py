"""The two streams of the program: results on stdout, progress and notes on stderr, as text or as JSON.

Colour only on a terminal and without NO_COLOR (https://no-color.org). Text that comes from documents passes `clean`, so
that it cannot send control sequences to the terminal. Knows nothing about what is printed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

BOLD, DIM, ITALIC, RED, GREEN, YELLOW, CYAN = "1", "2", "3", "31", "32", "33", "36"

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_DIRECTION_MARKS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]
_CONTROL = {
    **{code: " " for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t"},
    **dict.fromkeys(_DIRECTION_MARKS, None),
    0x2028: "\n",
    0x2029: "\n",
}


def clean(text: str) -> str:
    """Return text that is safe to print: no control characters but line end and tab, no overrides of direction."""
    return text.translate(_CONTROL).encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    """Return clean text on one line, with single spaces."""
    return " ".join(clean(text).split())


def cell_width(text: str) -> int:
    """Return how many terminal columns the text takes: wide characters two, combining marks and styles none (UAX #11)."""
    if "\x1b" in text:
        text = _STYLE.sub("", text)
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) == "Cf"
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


class Terminal:
    """Where the output goes. `rows` and `columns` are asked anew each time: windows change."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.out_is_terminal = _is_terminal(self.out)
        self.err_is_terminal = _is_terminal(self.err)
        dumb = os.environ.get("TERM") == "dumb"
        plain = dumb or bool(os.environ.get("NO_COLOR"))
        self.out_colour = self.out_is_terminal and not plain
        self.err_colour = self.err_is_terminal and not plain
        self.can_erase = self.out_is_terminal and not dumb

    @property
    def columns(self) -> int:
        """Width of the window."""
        return max(20, shutil.get_terminal_size().columns)

    @property
    def rows(self) -> int:
        """Height of the window."""
        return max(4, shutil.get_terminal_size().lines)

    # -- text -------------------------------------------------------------------------------------------------------
    def print(self, text: str = "") -> None:
        """Write a line of the result."""
        self.out.write(text + "\n")

    def write(self, text: str) -> None:
        """Write a part of the result and show it at once."""
        self.out.write(text)
        self.out.flush()

    def note(self, text: str, *, style: str = DIM) -> None:
        """Write a line to stderr: what a person wants to know beside the result."""
        self.flush()
        self.err.write((paint(text, style) if self.err_colour else text) + "\n")
        self.err.flush()

    def style(self, text: str, *styles: str) -> str:
        """Return text in colour where stdout shows it."""
        return paint(text, *styles) if self.out_colour else text

    def table(self, rows: Iterable[Sequence[str]], *, indent: str = "", right: Sequence[int] = ()) -> None:
        """Print rows in aligned columns; those in `right` align to the right, the last one is free in width."""
        lines = [list(row) for row in rows]
        num_columns = max((len(row) for row in lines), default=0)
        widths = [max((cell_width(row[i]) for row in lines if i < len(row)), default=0) for i in range(num_columns)]
        for row in lines:
            cells = [_pad(cell, widths[i], i in right, i == len(row) - 1) for i, cell in enumerate(row)]
            self.print((indent + "  ".join(cells)).rstrip())

    def flush(self) -> None:
        """Send out what is buffered."""
        self.out.flush()

    # -- JSON -------------------------------------------------------------------------------------------------------
    def json(self, value: Mapping[str, Any], *, line: bool = False) -> None:
        """Write one JSON object, indented or on one line. Streams that are not UTF-8 get ASCII with escapes."""
        self.out.write(self._dump(value, None if line else 2) + "\n")

    def json_list(self, name: str, items: Iterable[Mapping[str, Any]], rest: Mapping[str, Any] | None = None) -> None:
        """Write ``{name: [...], **rest}`` item by item, so that long lists need no memory."""
        self.out.write(f"{{{json.dumps(name)}: [")
        mark = "\n"
        for item in items:
            self.out.write(mark + self._dump(item, None))
            mark = ",\n"
        self.out.write("\n]")
        for key, value in (rest or {}).items():
            self.out.write(f",\n{json.dumps(key)}: {self._dump(value, None)}")
        self.out.write("}\n")

    def _dump(self, value: Any, indent: int | None) -> str:
        unicode = (self.out.encoding or "").lower().replace("-", "").startswith("utf")
        text = json.dumps(value, ensure_ascii=not unicode, indent=indent)
        return text.encode("utf-8", "replace").decode() if unicode else text


def paint(text: str, *styles: str) -> str:
    """Return text between the ANSI sequences of some styles (ECMA-48, SGR)."""
    return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if text else text


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _pad(cell: str, width: int, right: bool, last: bool) -> str:
    space = " " * max(0, width - cell_width(cell))
    return space + cell if right else cell if last else cell + space
