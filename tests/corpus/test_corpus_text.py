"""Cleaning, dates, licences and language tags: small functions with laws."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.clean import clean_line, clean_text, count_letters
from samovar.corpus.dates import clean_date
from samovar.corpus.extracted import Extracted, drop, from_json, to_json
from samovar.corpus.frames import LENGTH_BYTES, pack, unpack
from samovar.corpus.identify import clean_language
from samovar.corpus.licences import clean_licence
from samovar.corpus.readers.pdf import join_lines
from samovar.corpus.readers.text import strip_markdown


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u00ad\ufeff\r]|\n{3}|[ \t]\n", once)
    assert once == once.strip(" \t\n")
    once.encode("utf-8")


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_cleaning_loses_no_letter(text: str) -> None:
    def letters(value: str) -> list[str]:
        return [character for character in unicodedata.normalize("NFC", value) if character.isalpha()]

    assert letters(clean_text(text)) == letters(re.sub("[\ufff9-\ufffb\ud800-\udfff]", "", text))


def test_cleaning_examples() -> None:
    assert (
        clean_text("\ufeffпе\u00adре\u00adнос\r\nстрока\u2028ещё\x00\n\n\n\nконец \t ")
        == "перенос\nстрока\nещё\n\nконец"
    )
    assert clean_text("и\u0306") == "й"
    assert clean_text("за\u0301мок") == "за\u0301мок", "stress marks are the author's"
    assert clean_text("a\u00a0b\u2009c   d\te") == "a b c d\te"
    assert clean_line("a\n b" * 400) == ("a b" * 400)[:500].rstrip()
    assert count_letters("ab1cd", 3) == 3 and count_letters("1 2", 3) == 0


@pytest.mark.parametrize(
    ("raw", "iso"),
    [
        ("2020-03-04T05:06:07Z", "2020-03-04"),
        ("2020-03", "2020-03"),
        ("2020", "2020"),
        ("D:20200304120000+03'00'", "2020-03-04"),
        ("20200304", "2020-03-04"),
        ("04.03.2020", "2020-03-04"),
        ("осень 1833 года", "1833"),
        ("между 1835 и 1841", ""),
        ("2020-13-01", "2020"),
        ("2021-02-30", "2021-02"),
        ("1970-01-01T00:00:00Z", ""),
        ("", ""),
        ("завтра", ""),
        ("9999999999999", ""),
    ],
)
def test_dates(raw: str, iso: str) -> None:
    assert clean_date(raw) == iso


@given(st.text(alphabet="0123456789-./ :TZD", max_size=20))
@settings(max_examples=200, deadline=None)
def test_dates_are_iso_or_empty(raw: str) -> None:
    assert re.fullmatch(r"|\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", clean_date(raw))


@pytest.mark.parametrize(
    ("raw", "spdx"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/deed.ru", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("CC BY-SA 3.0", "CC-BY-SA-3.0"),
        ("cc0", "CC0-1.0"),
        ("MIT", "MIT"),
        ("  all\nrights  reserved ", "all rights reserved"),
        ("", ""),
    ],
)
def test_licences(raw: str, spdx: str) -> None:
    assert clean_licence(raw) == spdx


@pytest.mark.parametrize(
    ("raw", "tag"), [("ru_RU", "ru"), ("RUS", "ru"), ("sah", "sah"), ("und", ""), ("", ""), ("русский", "")]
)
def test_language_tags(raw: str, tag: str) -> None:
    assert clean_language(raw) == tag


def test_markdown_loses_its_marks_only() -> None:
    text = "Имя\n===\n\n## Раздел ##\n**жирно** и *курсив*, `код`, [ссылка](http://x), ![вид](y.png)\n> цитата\n\n---\n| a | b |\n|---|---|\n2*3*4 и snake_case_name"
    plain = strip_markdown(text)
    for kept in (
        "Имя",
        "Раздел",
        "жирно и курсив, код, ссылка, вид",
        "цитата",
        "| a | b |",
        "2*3*4",
        "snake_case_name",
    ):
        assert kept in plain
    for mark in ("==", "##", "**", "http", "---", "> "):
        assert mark not in plain


def test_pdf_lines_become_paragraphs() -> None:
    page = "Первая строка абзаца довольно длинная, она перено-\nсится на следующую строку, и так до самого кон-\nца абзаца.\nВторой абзац начинается здесь и тоже довольно длинный."
    assert list(join_lines(page)) == [
        "Первая строка абзаца довольно длинная, она переносится на следующую строку, и так до самого конца абзаца.",
        "Второй абзац начинается здесь и тоже довольно длинный.",
    ]
    assert list(join_lines("")) == []


texts = st.text(max_size=60)


@given(texts, texts, texts, st.dictionaries(texts, texts, max_size=3), st.lists(st.tuples(texts, texts), max_size=3))
@settings(max_examples=150, deadline=None)
def test_results_cross_the_wire_unchanged(
    uri: str, title: str, text: str, metadata: dict[str, str], changed: list[tuple[str, str]]
) -> None:
    item = Extracted(uri, title, text, "ru", metadata=metadata, changed=tuple(changed))
    assert from_json(unpack(pack(to_json(item))[LENGTH_BYTES:])) == item
    row = drop(uri, "empty", 0)
    assert from_json(unpack(pack(to_json(row))[LENGTH_BYTES:])) == row
    assert [(r.decision, r.reason, r.value) for r in item.rows()] == [("changed", *pair) for pair in changed]


def test_a_lying_child_cannot_forge_a_decision() -> None:
    with pytest.raises(ValueError, match="ledger decision"):
        from_json({"row": ["u", "extract", "published", "r", "v", "t"]})
