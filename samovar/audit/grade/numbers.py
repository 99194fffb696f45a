"""Numbers in free text: digits with either decimal mark and any grouping, number words, scales and units.

"1 799", "1,799" and "1.799" can all be 1799; "3,14" and "3.14" are both 3.14; "8.849" may be either, and both readings are kept. Words are put
together ("three thousand five hundred", "sixteen sixty-six"). Knows nothing about years (see `dates`) or right answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from samovar.audit.grade.reading import Reading

_DIGITS = re.compile(r"\d+(?:[.,\u00a0\u202f\u2009 ]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:([.,\u00a0\u202f\u2009 ])\d{3})(?:\1\d{3})*")
_SPACES = re.compile(r"[\u00a0\u202f\u2009 ]")
_SCIENTIFIC = re.compile(r"\s*(?:[x×·*]|\\times)\s*10\^?\s*$")


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a reading: tokens `first` … `last`, its possible `values`, its unit as (quantity, size in base units) or None."""

    first: int
    last: int
    values: tuple[float, ...]
    unit: tuple[str, float] | None = None
    in_words: bool = False


def read_digits(text: str) -> tuple[float, ...]:
    """Return the values that a number written in digits may have, the likelier first; empty when it is none.

    >>> read_digits("3,14"), read_digits("1 799"), read_digits("8.849")
    ((3.14,), (1799.0,), (8849.0, 8.849))
    """
    if text.isdigit():
        return (float(text),)
    if not _DIGITS.fullmatch(text):
        return ()
    plain = _SPACES.sub("", text)
    found: list[float] = []
    if _GROUPED.fullmatch(text):
        found.append(float(re.sub(r"\D", "", text)))
    marks = [c for c in plain if c in ".,"]
    if not marks:
        found.append(float(plain))
    elif len(marks) == 1 or (len(set(marks)) == 2 and marks.count(marks[-1]) == 1):
        whole, _, part = plain.rpartition(marks[-1])
        found.append(float(f"{re.sub('[.,]', '', whole) or '0'}.{part}"))
    return tuple(dict.fromkeys(found))


def find_numbers(reading: Reading) -> list[Number]:
    """Return all numbers of a reading in order."""
    found: list[Number] = []
    i = 0
    while i < len(reading):
        number = _digits_at(reading, i) or _words_at(reading, i)
        if number is None:
            i += 1
            continue
        found.append(_with_unit(reading, number))
        i = number.last + 1
    return found


def _digits_at(reading: Reading, i: int) -> Number | None:
    token = reading.tokens[i]
    if not token[0].isdigit():
        return None
    ordinal = token[-1].isalpha()  # "8th": its only key is the number
    values = tuple(float(k[1:]) for k in reading.keys[i] if k[0] == "#") if ordinal else read_digits(token)
    if not values:
        return None
    if i and reading.gap(i).endswith("-") and reading.gap(i).strip() != reading.gap(i):
        values = tuple(-v for v in values)  # " -5": a minus sign, not a hyphen
    last = i
    while last + 1 < len(reading) and (scale := _scale(reading, last + 1)) and not reading.gap(last + 1).strip("-. "):
        values, last = tuple(v * scale for v in values), last + 1
    return Number(i, last, values)


def _scale(reading: Reading, i: int) -> int:
    words = reading.reader.words
    low = reading.low[i]
    found = words.scales.get(low)
    if found and (len(low) > 1):
        return found
    return next((words.scales[k] for k in reading.keys[i] if k in words.scales and len(k) > 1), 0)


def _word_value(reading: Reading, i: int) -> int:
    """The value of a number word; 0 for any other. A digit token has none here."""
    if not reading.tokens[i][0].isalpha() or (reading.tokens[i].isupper() and len(reading.tokens[i]) < 6):
        return 0
    values = [int(k[1:]) for k in reading.keys[i] if k[0] == "#"]
    return max(values, default=0) or _scale(reading, i)


def _words_at(reading: Reading, i: int) -> Number | None:
    """Put number words together: hundreds multiply, thousands close a group, two tens in a row make a year ("nineteen forty")."""
    if not _word_value(reading, i):
        return None
    total, group, last, at, previous = 0, 0, i, i, 0
    joiners = reading.reader.words.joiners
    while at < len(reading):
        value = _word_value(reading, at)
        if not value:
            if (
                reading.low[at] in joiners
                and at + 1 < len(reading)
                and _word_value(reading, at + 1)
                and (group >= 100 or total)
            ):
                at += 1
                continue
            break
        if at > i and reading.gap(at).strip("- "):
            break
        if value >= 1000:
            total, group = total + max(group, 1) * value, 0
        elif value == 100 and 0 < group < 100:
            group *= 100
        elif previous and value >= previous and value < 100:
            if not (10 <= group < 100 and value >= 10):
                break
            group = group * 100 + value  # "sixteen sixty(-six)"
        elif group % 100 and value >= 10 and group < 100:
            group = group * 100 + value
        else:
            group += value
        previous, last, at = value, at, at + 1
    return _with_share(reading, Number(i, last, (float(total + group),), None, True))


def _with_share(reading: Reading, number: Number) -> Number:
    """Read "three point one four" and "three whole fourteen hundredths"."""
    words = reading.reader.words
    at = number.last + 1
    if at >= len(reading) or reading.keys[at].isdisjoint(words.whole):
        return number
    part, digits, last = 0, "", at
    for i in range(at + 1, min(at + 8, len(reading))):
        share = next((words.shares[k] for k in reading.keys[i] if k in words.shares), 0)
        if share and part:
            return Number(number.first, i, (number.values[0] + part / share,), None, True)
        value = _word_value(reading, i)
        if not value:
            break
        part, digits, last = part + value, digits + str(value), i
    return Number(number.first, last, (number.values[0] + float(f"0.{digits or 0}"),), None, True)


def _with_unit(reading: Reading, number: Number) -> Number:
    at = number.last + 1
    if at >= len(reading) or reading.gap(at).strip():
        return number
    unit = unit_of(reading, at)
    return Number(number.first, number.last, number.values, unit, number.in_words) if unit else number


def unit_of(reading: Reading, i: int) -> tuple[str, float] | None:
    """Return what the unit at a token measures, and its size in base units."""
    units = reading.reader.words.units
    if found := units.get(reading.low[i]):
        return found
    return next((units[k] for k in reading.keys[i] if k in units and len(k) > 1), None)


def is_within(value: float, wanted: float, tolerance: float) -> bool:
    """Whether a value is the wanted one, within a share of it."""
    return abs(value - wanted) <= max(abs(wanted) * tolerance, abs(wanted) * 1e-9, 1e-12)
