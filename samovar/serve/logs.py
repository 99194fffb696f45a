"""The server's log: short lines on stderr, with no texts of users and no secrets.

Requests are named by the template of their route, never by their path or query; what looks like a key is struck out wherever it comes from.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

REQUESTS = "samovar.requests"
LEVELS = {
    "uvicorn.error": logging.ERROR,
    "uvicorn.access": logging.CRITICAL,
    "nicegui": logging.WARNING,
    "mcp": logging.ERROR,
}
"""Of the libraries: uvicorn's notices of starting are said by `samovar serve` itself, mcp's name the tools' arguments."""

_SECRETS = re.compile(
    r"smv-[A-Za-z0-9_-]{8,}|(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}|(?<=/invite/)[A-Za-z0-9_-]{8,}|samovar_session=[^;\s]+"
)


class ShortFormatter(logging.Formatter):
    """``12:03:44 warning message``, times in local time; secrets struck out, control characters made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as text."""
        stamp = self.formatTime(record, "%H:%M:%S")
        message = strike_out(record.getMessage())
        line = f"{stamp} {record.levelname.lower():7} {message.translate(_CONTROL)}"
        if record.exc_info:
            line += "\n" + strike_out(self.formatException(record.exc_info))
        return line


_CONTROL = {code: f"\\x{code:02x}" for code in [*range(0x20), 0x7F]}


def strike_out(text: str) -> str:
    """Return text with keys and credentials replaced."""
    return _SECRETS.sub("[secret]", text)


def configure(*, quiet: bool = False, stream: TextIO | None = None) -> logging.Handler:
    """Send the log to stderr (or `stream`) and return the handler; `quiet` leaves only warnings. In place of what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(ShortFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("samovar").setLevel(logging.WARNING if quiet else logging.INFO)
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    return handler
