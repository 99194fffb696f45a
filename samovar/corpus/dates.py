"""Publication dates as files state them, brought to ISO 8601: ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``. Knows no
format's place for them. Sources: ISO 8601; PDF 32000-1 §7.9.4 (``D:YYYYMMDD…``)."""

from __future__ import annotations

import re
from datetime import date

_ISO = re.compile(r"\s*(?:D:)?(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?![\d.])")
_COMPACT = re.compile(r"\s*(?:D:)?(\d{4})(\d{2})(\d{2})")
_DOTTED = re.compile(r"\s*(\d{1,2})[./](\d{1,2})[./](\d{4})\b")
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")
_PLACEHOLDERS = ("1601-01-01", "1899-12-30", "1900-01-01", "1904-01-01", "1970-01-01", "1980-01-01")


def clean_date(text: str) -> str:
    """Return an ISO date, or ``""`` when none is recognised: ``D:20200304…`` → ``2020-03-04``, ``04.03.2020`` →
    ``2020-03-04``.

    Epoch dates that programs write when they know none count as unknown. Free text gives its year if it has just one.
    """
    if not text:
        return ""
    if found := _COMPACT.match(text) or _ISO.match(text):
        iso = _join(*found.groups())
    elif found := _DOTTED.match(text):
        day, month, year = found.groups()
        iso = _join(year, month, day)
    else:
        years = set(_YEAR.findall(text))
        iso = years.pop() if len(years) == 1 else ""
    return "" if iso in _PLACEHOLDERS else iso


def _join(year: str, month: str | None, day: str | None) -> str:
    if not 1000 <= int(year) <= 2199:
        return ""
    if month is None or not 1 <= int(month) <= 12:
        return year
    if day is None:
        return f"{year}-{int(month):02d}"
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return f"{year}-{int(month):02d}"
