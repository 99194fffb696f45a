"""Tatar (Cyrillic): a small profile that shows what a new language needs. Stems by an ordered list of suffixes, written here.

Tatar is agglutinative: number, possession and case follow the root one after another (китап-лар-ыбыз-да), so suffixes are taken off
from the end, group by group, while at least three letters with a vowel stay. Measured only on the examples in the tests.
"""

from __future__ import annotations

from samovar.language.profile import Profile

_VOWELS = "аәеёиоөуүыэюя"

# case, then possession, then number: the reverse of the order in which they are put on
_SUFFIX_GROUPS: tuple[tuple[str, ...], ...] = (
    ("дагы", "дәге", "тагы", "тәге"),
    (
        "ның",
        "нең",
        "нан",
        "нән",
        "дан",
        "дән",
        "тан",
        "тән",
        "га",
        "гә",
        "ка",
        "кә",
        "на",
        "нә",
        "да",
        "дә",
        "та",
        "тә",
        "ны",
        "не",
    ),
    ("ыбыз", "ебез", "быз", "без", "ыгыз", "егез", "гыз", "гез", "ым", "ем", "ың", "ең", "сы", "се"),
    ("лар", "ләр", "нар", "нәр"),
)


def stem(word: str) -> str:
    """Take off case, possession and plural suffixes, one of each at most."""
    for group in _SUFFIX_GROUPS:
        for suffix in group:
            root = word[: -len(suffix)]
            if word.endswith(suffix) and len(root) >= 3 and any(c in _VOWELS for c in root):
                word = root
                break
    return word


PROFILE = Profile(
    tag="tt",
    name="татарча",
    script="Cyrl",
    alphabet="аәбвгдеёжҗзийклмнңоөпрстуүфхһцчшщъыьэюя",
    vowels=_VOWELS,
    stop_words=frozenset(
        [
            "һәм",
            "белән",
            "өчен",
            "бу",
            "ул",
            "да",
            "дә",
            "та",
            "тә",
            "ки",
            "ләкин",
            "яки",
            "мин",
            "син",
            "без",
            "сез",
            "алар",
            "кем",
            "нәрсә",
            "кайда",
            "кайчан",
            "ничә",
            "ничек",
            "булган",
            "иде",
            "дип",
            "шул",
            "бер",
        ]
    ),
    abbreviations=frozenset(["ур", "д", "б", "мәс"]),
    closing_abbreviations=frozenset(["б.э", "һ.б", "г"]),
    folds={"ё": "е"},
    lookalikes=dict(zip("aceopxyə", "асеорхуә", strict=True)),
    questions=(
        ("кем", "person"),
        ("кайда", "place"),
        ("кайчан", "time"),
        ("ничә", "number"),
        ("күпме", "number"),
        ("ни өчен", "reason"),
        ("нәрсә", "thing"),
        ("ничек", "manner"),
    ),
    months=dict(
        zip(
            [
                "гыйнвар",
                "февраль",
                "март",
                "апрель",
                "май",
                "июнь",
                "июль",
                "август",
                "сентябрь",
                "октябрь",
                "ноябрь",
                "декабрь",
            ],
            range(1, 13),
            strict=True,
        )
    ),
    decimal_mark=",",
    group_marks="\u00a0\u202f\u2009 ",
    stemmer=stem,
)
