"""Numbers, years, dates: read back from every way of writing them."""

from __future__ import annotations

from datetime import date

import pytest
from grade_toys import grade, reader
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.audit.grade.dates import find_dates, find_periods, read_gold
from samovar.audit.grade.numbers import find_numbers, is_within, read_digits
from samovar.audit.grade.reading import read_roman


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1799", (1799.0,)),
        ("1 799", (1799.0,)),
        ("1\u00a0799", (1799.0,)),
        ("3,14", (3.14,)),
        ("3.14", (3.14,)),
        ("8.849", (8849.0, 8.849)),
        ("1,234,567", (1234567.0,)),
        ("1.234.567,5", (1234567.5,)),
        ("1,234,567.5", (1234567.5,)),
        ("12.04.1961", ()),
        ("x", ()),
    ],
)
def test_digits(text: str, values: tuple[float, ...]) -> None:
    assert read_digits(text) == values


@given(st.integers(0, 10**12), st.sampled_from([",", ".", "\u00a0", "\u202f"]))
@settings(max_examples=80, deadline=None)
def test_any_grouping_reads_back(number: int, mark: str) -> None:
    assert float(number) in read_digits(f"{number:,}".replace(",", mark))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("three hundred thousand", 300_000),
        ("thirty-six plays", 36),
        ("sixteen sixty-six", 1666),
        ("two thousand and one", 2001),
        ("a dozen", 12),
        ("three point one four", 3.14),
        ("18 million", 18_000_000),
        ("три тысячи пятьсот тридцать", 3530),
        ("тысяча семьсот девяносто девятый год", 1799),
        ("в две тысячи первом году", 2001),
        ("пятнадцать симфоний", 15),
        ("три целых четырнадцать сотых", 3.14),
        ("2 тыс. человек", 2000),
    ],
)
def test_words(text: str, value: float) -> None:
    found = find_numbers(reader().read(text))
    assert len(found) == 1
    assert is_within(found[0].values[0], value, 1e-9)


@given(st.integers(1, 3999))
@settings(max_examples=100, deadline=None)
def test_roman_numerals_read_back(number: int) -> None:
    written, rest = "", number
    for value, letters in zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
                              ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"), strict=True):  # fmt: skip
        written, rest = written + letters * (rest // value), rest % value
    ambiguous = {"C", "D", "L", "M", "DI", "MI", "DC", "CD", "MD", "CV", "MC"}
    assert read_roman(written) == (None if written in ambiguous else number)


MONTHS = {
    "ru": [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ],
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
}


@given(st.dates(date(1000, 1, 1), date(2099, 12, 31)), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_dates_read_back(day: date, form: int) -> None:
    ru, en = MONTHS["ru"][day.month - 1], MONTHS["en"][day.month - 1]
    written = (
        f"Это было {day.day} {ru} {day.year} года.", f"{day.day:02}.{day.month:02}.{day.year}", day.isoformat(),
        f"It was {en} {day.day}, {day.year}.", f"on {day.day} {en} {day.year}", f"the {day.day}th of {en}, {day.year}",
    )[form]  # fmt: skip
    found = [d for d in find_dates(reader().read(written)) if d.month]
    assert [(d.year, d.month, d.day) for d in found] == [(day.year, day.month, day.day)]


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("44 год до н. э.", -44),
        ("В 44 году до нашей эры", -44),
        ("44 г. до н.э.", -44),
        ("44 BC", -44),
        ("490 B.C.", -490),
        ("490 BCE", -490),
        ("490 AD", 490),
        ("44 год н. э.", 44),
        ("In 1812.", 1812),
    ],
)
def test_eras(text: str, year: int) -> None:
    assert [d.year for d in find_dates(reader().read(text))] == [year]


def test_gold_dates() -> None:
    found = [read_gold(t) for t in ("1799", "1799-06-06", "-0044", "1799-06")]
    assert [(d.year, d.month, d.day) for d in found if d] == [
        (1799, None, None),
        (1799, 6, 6),
        (-44, None, None),
        (1799, 6, None),
    ]
    assert read_gold("about 1799") is None


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("в 1380-х годах", 1380, 1389),
        ("the 1660s", 1660, 1669),
        ("XIX век", 1801, 1900),
        ("the 19th century", 1801, 1900),
        ("девятнадцатый век", 1801, 1900),
        ("V век до н. э.", -500, -401),
    ],
)
def test_periods(text: str, start: int, end: int) -> None:
    assert [(p.start, p.end) for p in find_periods(reader().read(text))] == [(start, end)]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("1799", "correct"),
        ("1 799", "correct"),
        ("17990", "wrong"),
        ("1798 или 1799", "wrong"),
        ("1798, 1799, 1800", "wrong"),
        ("1799–1837", "correct"),
        ("1798–1799", "undecided"),
        ("Не в 1799, а в 1801 году", "wrong"),
        ("Не в 1801, а в 1799 году", "correct"),
        ("в конце XVIII века", "undecided"),
        ("в XIX веке", "wrong"),
        ("В 1790-х годах", "undecided"),
        ("Он родился в 1799 году и погиб в 1837.", "correct"),
        ("Он погиб в 1837 году.", "wrong"),
        ("Не помню точно.", "dont_know"),
        ("Точно не помню, кажется, в 1799 году.", "correct"),
        ("Извините, я не могу ответить на этот вопрос.", "refused"),
        ("Давно.", "wrong"),
    ],
)
def test_years(text: str, outcome: str) -> None:
    assert grade("ru", "В каком году родился поэт?", "year", ["1799"], text).outcome == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("8,849 m", "correct"),
        ("8.849 km", "correct"),
        ("29,032 feet", "correct"),
        ("8,849 feet", "wrong"),
        ("about 8,848 metres", "correct"),
        ("K2 is 8,611 m.", "wrong"),
        ("It was measured in 2020 at 8,849 m.", "correct"),
        ("8,849 years", "correct"),  # an unknown unit says nothing
    ],
)
def test_units(text: str, outcome: str) -> None:
    assert (
        grade("en", "How high is Everest in metres?", "number", ["8849"], text, unit="m", tolerance=0.001).outcome
        == outcome
    )


def test_part_of_a_date_is_undecided() -> None:
    asked = ("en", "On what date was it adopted?", "date", ["1776-07-04"])
    assert [grade(*asked, t).outcome for t in ("July 4, 1776", "1776", "July 4", "July 2, 1776", "4.7.1776", "1777")] == [
        "correct", "undecided", "undecided", "wrong", "correct", "wrong",
    ]  # fmt: skip


def test_gold_that_is_no_value_is_undecided() -> None:
    assert grade("en", "How many?", "number", ["many"], "7").outcome == "undecided"


@pytest.mark.parametrize("text", ["8th", "The 8th month", "the eighth", "In the eighth lunar month", "8"])
def test_ordinals_are_numbers(text: str) -> None:
    assert grade("en", "In which lunar month?", "number", ["8"], text).outcome == "correct"


@pytest.mark.parametrize("text", ["9th", "the ninth", "the 18th", "the eighteenth month", "18"])
def test_other_ordinals_are_other_numbers(text: str) -> None:
    assert grade("en", "In which lunar month?", "number", ["8"], text).outcome == "wrong"
