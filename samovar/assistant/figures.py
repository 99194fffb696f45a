"""Numbers and dates in a text, as values that can be compared: 1 799 = 1799, "five" = 5, XIX = 19, 3.5 million = 3,500,000.

Digit groups, decimal marks, number words and month names come from the language profile.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from samovar.language import Profile
from samovar.language.token import HYPHENS, Token

_ROMAN = re.compile(r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}
_NUMERIC_DATE = re.compile(r"(?:(\d{1,2})[./-](\d{1,2})[./-](\d{4})|(\d{4})-(\d{1,2})-(\d{1,2}))")
_HYPHEN = re.compile(rf"[{HYPHENS}–]")
MULTIPLIER = (
    1000  # number words from here on multiply what stands before them; alone they are an indefinite "thousands"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A value, the place of its (last) token, the word right after it (folded, may be its unit), and for a date month and day."""

    value: float
    place: int
    unit: str = ""
    month: int = 0
    day: int = 0

    @property
    def is_year(self) -> bool:
        return self.value.is_integer() and 500 <= self.value < 2100

    def moved(self, places: int) -> Figure:
        """The same figure further on in a longer text."""
        return replace(self, place=self.place + places)


def read_figures(text: str, tokens: Sequence[Token], profile: Profile) -> tuple[list[Figure], set[int]]:
    """Return the figures of a text, and the places of the tokens that they are made of.

    A month is the figure 0 with its number in `month`; a day before or after it and a year after it carry it as well.
    """
    found: list[Figure] = []
    used: set[int] = set()
    i = 0
    while i < len(tokens):
        date = _NUMERIC_DATE.fullmatch(tokens[i].text)
        if date:
            day, month, year, year2, month2, day2 = (int(g) if g else 0 for g in date.groups())
            found += _dated(day or day2, month or month2, year or year2, i)
            used.add(i)
            i += 1
            continue
        values, size = _values_at(tokens, i, profile)
        unit = _unit_after(text, tokens, i + size, profile)
        found += [Figure(v, i + size - 1, unit) for v in values]
        used.update(range(i, i + size) if values else ())
        month = 0 if values else month_at(tokens, i, profile)
        if month:
            found.append(Figure(0.0, i, month=month))
            used.add(i)
        i += max(size, 1)
    return _join_dates(found), used


def _dated(day: int, month: int, year: int, place: int) -> list[Figure]:
    return [
        Figure(float(day), place, month=month),
        Figure(0.0, place, month=month, day=day),
        Figure(float(year), place, month=month, day=day),
    ]


def _join_dates(figures: list[Figure]) -> list[Figure]:
    """Give months their days, and years their months."""
    out = list(figures)
    for i, figure in enumerate(out):
        if not figure.month or figure.value or figure.day:
            continue
        for j, step in ((i - 1, -1), (i + 1, 1)):
            if (
                0 <= j < len(out)
                and out[j].place == figure.place + step
                and not out[j].month
                and out[j].value.is_integer()
                and 1 <= out[j].value <= 31
            ):
                out[j] = replace(out[j], month=figure.month, unit="")
                out[i] = figure = replace(figure, day=int(out[j].value))
                break
        for j in (i + 1, i + 2):
            if j < len(out) and 0 < out[j].place - figure.place <= 2 and out[j].is_year and not out[j].month:
                out[j] = replace(out[j], month=figure.month, day=figure.day)
                break
    return out


def month_at(tokens: Sequence[Token], i: int, profile: Profile) -> int:
    """The month that a word names, or 0; a stop word in lower case (English "may") names none."""
    token = tokens[i]
    if not token.text[:1].isupper() and profile.is_stop_word(token.text):
        return 0
    return next((profile.months[lemma] for lemma in profile.lemmas(token.text) if lemma in profile.months), 0)


def _values_at(tokens: Sequence[Token], i: int, profile: Profile) -> tuple[list[float], int]:
    """Return the values that begin at a token, and how many tokens they take."""
    token = tokens[i]
    if token.text[:1].isdecimal():
        parts = _HYPHEN.split(token.text) if token.kind == "number" else [re.match(r"\d+", token.text).group()]  # type: ignore[union-attr]
        values = [v for part in parts if (v := parse_number(part, profile)) is not None]
        factor = _factor(tokens[i + 1].text, profile) if i + 1 < len(tokens) and values else 1
        return [v * factor for v in values], 2 if factor > 1 else 1
    roman = _roman(tokens, i, profile)
    if roman:
        return [float(roman)], 1
    return _spelled(tokens, i, profile)


def parse_number(text: str, profile: Profile) -> float | None:
    """Read digits with the profile's marks ("1 799", "23,6"); None when they are no number."""
    text = re.sub(rf"[{re.escape(profile.group_marks)}](?=\d{{3}}(?!\d))", "", text)
    text = text.replace(profile.decimal_mark, ".").replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return None


def _number_word(word: str, profile: Profile) -> int | None:
    parts = [w for w in _HYPHEN.split(word) if w]
    values = [
        next((profile.number_words[n] for n in profile.lemmas(w) if n in profile.number_words), None) for w in parts
    ]
    known = [v for v in values if v is not None]
    return sum(known) if known and len(known) == len(values) else None


def _factor(word: str, profile: Profile) -> int:
    """What a word multiplies by: "million", «млн» (letters of «миллион» in their order); 1 for other words."""
    value = _number_word(word, profile)
    if value is not None:
        return value if value >= MULTIPLIER else 1
    fold = profile.fold(word)
    if len(fold) < 3 or fold not in profile.closing_abbreviations | profile.abbreviations:
        return 1
    return next((v for w, v in profile.number_words.items() if v >= MULTIPLIER and shortens(fold, w)), 1)


def shortens(short: str, word: str) -> bool:
    """Whether all letters of `short` stand in `word` in their order, the first at its head (м, мм, млн; г, г-н)."""
    rest = iter(word)
    return bool(short) and short[:1] == word[:1] and all(letter in rest for letter in short if letter.isalpha())


def _spelled(tokens: Sequence[Token], i: int, profile: Profile) -> tuple[list[float], int]:
    """Number words: twenty five → 25, three thousand → 3000. One, none, and a lone "thousands" are ordinary words."""
    total = current = 0
    size = 0
    while i + size < len(tokens):
        value = _number_word(tokens[i + size].text, profile)
        if value is None or (
            size and current and value < MULTIPLIER and (value >= 100 or value >= 10 > current % 100 > 0)
        ):
            break
        if value >= MULTIPLIER:
            if not size:
                return [], 1
            total, current = total + current * value, 0
        else:
            current += value
        size += 1
    return ([float(total + current)], size) if total + current > 1 else ([], 1)


def _roman(tokens: Sequence[Token], i: int, profile: Profile) -> int:
    """A Roman number in capitals; one letter only before a word of time or after a capitalised word (Peter I, V century)."""
    back = {cyr.upper(): lat.upper() for lat, cyr in profile.lookalikes.items()}
    text = "".join(c if c in _ROMAN_VALUES else back.get(c, c) for c in tokens[i].text)
    if not _ROMAN.fullmatch(text):
        return 0
    if len(text) == 1:
        after = profile.lemmas(tokens[i + 1].text)[0] if i + 1 < len(tokens) else ""
        if after not in profile.time_words and not (i and text in "IVX" and tokens[i - 1].text[:1].isupper()):
            return 0
    values = [_ROMAN_VALUES[c] for c in text]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _unit_after(text: str, tokens: Sequence[Token], i: int, profile: Profile) -> str:
    """The lemma of the noun right after a number, or ""."""
    if i >= len(tokens) or text[tokens[i - 1].end : tokens[i].start].strip() or tokens[i].text[:1].isupper():
        return ""
    word = tokens[i].text
    if tokens[i].kind != "word" or profile.is_stop_word(word) or (not profile.tags(word) & {"noun"} and len(word) > 3):
        return ""
    return profile.lemmas(word)[0]
