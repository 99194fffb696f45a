"""Years, dates, decades and centuries in free text, with eras. A year before the era is negative: 44 BC is -44, as the golds write it (``-0044``).

Knows nothing about right answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from samovar.audit.grade.numbers import Number, find_numbers
from samovar.audit.grade.reading import Reading

_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DOTTED = re.compile(r"\b(\d{1,2})([./])(\d{1,2})\2(\d{4})\b")
_GOLD = re.compile(r"(-?)(\d{1,4})(?:-(\d{2})(?:-(\d{2}))?)?")
LAST_YEAR = 2100
ERA_REACH = 24  # characters after a year in which its era stands: "44 г. до нашей эры"


@dataclass(frozen=True, slots=True)
class Date:
    """A date in a reading (tokens `first` … `last`), as far as it is told; `year` None when it is not. `era`: -1 before, 1 after, 0 not said."""

    first: int
    last: int
    year: int | None = None
    month: int | None = None
    day: int | None = None
    era: int = 0


@dataclass(frozen=True, slots=True)
class Period:
    """A decade or a century: years `start` … `end`."""

    first: int
    last: int
    start: int
    end: int


def read_gold(text: str) -> Date | None:
    """Return a gold's date (``1799``, ``1799-06``, ``1799-06-06``, ``-0044``), or None when it is of another shape."""
    found = _GOLD.fullmatch(text.strip())
    if not found:
        return None
    sign, year, month, day = found.groups()
    before = sign == "-"
    return Date(
        0,
        0,
        -int(year) if before else int(year),
        int(month) if month else None,
        int(day) if day else None,
        -1 if before else 0,
    )


def find_dates(reading: Reading) -> list[Date]:
    """Return years and dates in order; a year inside a fuller date is part of it."""
    written = [*_iso(reading), *_dotted(reading)]
    taken = {i for d in written for i in range(d.first, d.last + 1)}
    numbers = {n.first: n for n in find_numbers(reading) if n.first not in taken}
    named = [d for i in range(len(reading)) if (m := _month(reading, i)) and (d := _around(reading, i, m, numbers))]
    taken |= {i for d in named for i in range(d.first, d.last + 1)}
    years = [d for n in numbers.values() if n.first not in taken and (d := _year(reading, n))]
    return sorted([*written, *named, *years], key=lambda d: d.first)


def _iso(reading: Reading) -> list[Date]:
    return [Date(*_tokens(reading, m), int(m[1]), int(m[2]), int(m[3])) for m in _ISO.finditer(reading.text)]


def _dotted(reading: Reading) -> list[Date]:
    """``12.04.1961``; with slashes either order, so the month only where it is certain."""
    found = []
    for m in _DOTTED.finditer(reading.text):
        day, month = int(m[1]), int(m[3])
        if month > 12 >= day:
            day, month = month, day
        found.append(Date(*_tokens(reading, m), int(m[4]), month, day))
    return found


def _tokens(reading: Reading, match: re.Match[str]) -> tuple[int, int]:
    inside = [i for i, s in enumerate(reading.starts) if s < match.end() and reading.ends[i] > match.start()]
    return inside[0], inside[-1]


def _month(reading: Reading, i: int) -> int:
    """The month named by a token. A month that is another word too ("may") counts only with a capital letter where the language has them."""
    for profile in reading.reader.profiles:
        for key in reading.keys[i]:
            month = profile.months.get(key.removeprefix("="))
            if month and (len(key) > 4 or not key.isascii() or reading.is_capital(i)):
                return month
    return 0


def _around(reading: Reading, i: int, month: int, numbers: dict[int, Number]) -> Date | None:
    """The date around a month's name: day before or after it, then the year."""
    day = year = None
    first, last = i, i
    for at in (i - 1, i - 2):  # "4 July", "the 4th of July"
        if at >= 0 and day is None and (value := _small(reading, at)) and not reading.gap(at + 1).strip():
            day, first = value, at
    at = i + 1
    if day is None and at < len(reading) and (value := _small(reading, at)) and not reading.gap(at).strip():
        day, last, at = value, at, at + 1
    era = 0
    if at < len(reading) and (number := numbers.get(at)) and not reading.gap(at).strip(", "):
        found = _year(reading, number)
        if found and found.year is not None:
            year, last, era = found.year, number.last, found.era
    if (
        year is None
        and at + 1 < len(reading)
        and (number := numbers.get(at + 1))
        and reading.low[at] in reading.reader.stop_words
    ):
        found = _year(reading, number)
        if found:
            year, last, era = found.year, number.last, found.era
    if day is None and year is None:
        return None
    return Date(first, last, year, month, day, era)


def _small(reading: Reading, i: int) -> int:
    """A day of the month at a token, 0 if there is none."""
    token = reading.tokens[i]
    digits = re.match(r"\d{1,2}(?!\d)", token)
    value = int(digits[0]) if digits and len(token) <= 4 else 0
    return value if 1 <= value <= 31 else 0


def _year(reading: Reading, number: Number) -> Date | None:
    """A number as a year: three or four digits, or any with an era or the word "year" by it."""
    value = number.values[0]
    if value != int(value) or not 0 < value <= LAST_YEAR or (number.unit and number.unit[0] != "mass"):
        return None
    era = era_after(reading, number.last)
    if not era and value < 100 and not _beside_year(reading, number):
        return None
    return Date(number.first, number.last, -int(value) if era < 0 else int(value), None, None, era)


def era_after(reading: Reading, last: int) -> int:
    """Return -1 when words of an earlier era follow a token, 1 for ours, 0 for none."""
    words = reading.reader.words
    after = reading.folded[reading.ends[last] : reading.ends[last] + ERA_REACH]
    after = re.split(r"[,;)]|\d", after)[0]
    before = words.before_era.search(after) if words.before_era else None
    if before:
        return -1
    return 1 if words.this_era and words.this_era.search(after) else 0


def _beside_year(reading: Reading, number: Number) -> bool:
    years = reading.reader.words.years
    return any(
        0 <= i < len(reading) and not years.isdisjoint((*reading.keys[i], reading.low[i]))
        for i in (number.first - 1, number.last + 1)
    )


def find_periods(reading: Reading) -> list[Period]:
    """Return decades ("1380s") and centuries ("XIV century") in order."""
    found = []
    for i, token in enumerate(reading.tokens):
        decade = re.fullmatch(r"(\d{1,3}0)'?([^\W\d]*)", token)
        if decade and _is_decade(reading, i, decade[2]):
            found.append(Period(i, i, int(decade[1]), int(decade[1]) + 9))
        elif century := _century(reading, i):
            found.append(century)
    return found


def _is_decade(reading: Reading, i: int, ending: str) -> bool:
    endings = reading.reader.words.decade_endings
    if ending:
        return ending in endings
    return i + 1 < len(reading) and reading.gap(i + 1) == "-" and reading.low[i + 1] in endings


def _century(reading: Reading, i: int) -> Period | None:
    """A numeral with the word "century" after it."""
    value = next((int(k[1:]) for k in reading.keys[i] if k[0] == "#" and 0 < int(k[1:]) <= 21), 0)
    words = reading.reader.words
    for at in (i + 1, i + 2):
        if not value or at >= len(reading) or reading.gap(at).strip(" -."):
            return None
        if not words.centuries.isdisjoint((*reading.keys[at], reading.low[at])):
            before = era_after(reading, at) < 0
            start, end = (-100 * value, -100 * (value - 1) - 1) if before else (100 * (value - 1) + 1, 100 * value)
            return Period(i, at, start, end)
        if len(reading.tokens[at]) > 2:
            return None
    return None
