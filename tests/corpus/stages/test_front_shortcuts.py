"""The short ways of the reading pass give what the long ways would: cells, cleaning, headers, letters, brackets, the page's language."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from samovar.corpus import identify
from samovar.corpus.clean import clean_line, clean_text
from samovar.corpus.inputs.http import parse_headers
from samovar.corpus.readers import html as pages
from samovar.corpus.readers import nesting

_SPACES = st.lists(st.sampled_from([" ", "\t", "\n", "a", " " * 12, "\t\t", "я"]), max_size=14).map("".join)
_ODD = st.lists(
    st.sampled_from([*"\r\n\t \u00a0\u00ad\u200b\u2009\u2028\x85\x00\x0bab", "и\u0306", "é", "\ufeff", "\u3000", "  "]),
    max_size=14,
).map("".join)


@settings(max_examples=200)
@given(_SPACES)
def test_cells_are_joined_as_by_one_pattern(text: str) -> None:
    assert pages._join_cells(text) == re.sub(r"[ \t]*\t[ \t]*", "\t", text)


@settings(max_examples=200)
@given(_ODD)
def test_cleaning_in_one_pass_is_cleaning_kind_by_kind(text: str) -> None:
    plain = re.sub("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)
    plain = re.sub("[\u00ad\u200b\ufeff\x00-\x08]", "", plain)
    plain = unicodedata.normalize("NFC", re.sub("[\u00a0\u2009\u3000]", " ", plain))
    plain = "\n".join(line.rstrip(" \t") for line in re.sub(" +", " ", plain).split("\n"))
    plain = re.sub("\n{3,}", "\n\n", plain).strip(" \t\n")
    assert clean_text(text) == plain
    assert clean_line(text) == " ".join(plain.split())


def test_a_line_that_grows_when_it_is_composed_is_still_cut() -> None:
    assert len(clean_line("\u0958" * 400)) == 500


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        (b"A: b\r\n c\r\nD: e", {"a": "b c", "d": "e"}),
        (b" folded: before\nX:1\n\t2\n  3", {"folded": "before", "x": "1 2 3"}),
        (b"no field\nA:b", {"a": "b"}),
        (b"A: 1\nA: 2", {"a": "2"}),
    ],
)
def test_headers(lines: bytes, headers: dict[str, str]) -> None:
    assert parse_headers(lines) == headers


def test_every_letter_counts_as_its_small_form() -> None:
    table, names = identify._numbered()
    numbers = {name: number for number, name in enumerate(names, 2)} | dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 1)
    for code in range(0x10000):
        assert int(table[code]) == max(numbers.get(small, 0) for small in chr(code).lower()), hex(code)


@pytest.mark.parametrize(
    "line",
    [
        "Весе ломантне чачить олякс ды правасост весень вейкетькс. Сынст улить превест-чарькодемаст ды визькстэ-чис.",
        "Дерриге адамаш маьрша, дозаллехь, бакъонашца цхьатера дуьнен чу довлу. Царна хьекъал а, ойла а елла.",
        "Бютеу адамла эркин болуб эмда сыйлары бла хакълары тенг болуб тууадыла. Алагъа акъыл бла намыс берилгенди.",
    ],
)
def test_a_language_that_the_second_detector_does_not_know_is_not_clear_to_it(line: str) -> None:
    assert identify._ask_cld2(line)[2] < 400 < identify._CLEAR_SCORE


def _is_doubtful(page: str) -> bool:
    """Count every bracket and every end, piece by piece."""
    depth = total = 0
    for start in range(0, len(page), nesting._PIECE):
        piece_ends = page.count("</", start, start + nesting._PIECE + 1)
        opened = page.count("<", start, start + nesting._PIECE) - piece_ends
        total += opened
        if depth + opened > nesting.MAX_DEPTH or total > nesting._TRUSTED:
            return True
        depth += opened - piece_ends
    return False


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["<b>", "</b>", "<br>", "text " * 40, "<i>x</i>"]), st.integers(1, 900)), max_size=14
    )
)
def test_ends_are_counted_only_where_it_matters(parts: list[tuple[str, int]]) -> None:
    page = "".join(piece * times for piece, times in parts)
    assert nesting._may_be_deep(page.encode()) == _is_doubtful(page)
    if not _is_doubtful(page):
        assert nesting.flatten(page) == (page, 0)


@pytest.mark.parametrize(
    "page",
    [
        '<!doctype html>\n<html class="a" lang="ru-RU"><body>x',
        "<?xml version='1.0'?><html xml:lang='be' lang='uk'><body>x",
        "<html title=\"b lang='de'\"><body>x",
        '<html lang=""><html lang="kk"><body>x',
        '<!-- <html lang="en"> --><html lang=ru><body>x',
        "<html data-x='1' xml:lang='mk'><body>x",
        '<p><html lang="bg">',
    ],
)
def test_the_language_of_a_page_is_that_of_its_tree(page: str) -> None:
    tree = HTMLTree.parse(page)
    root = tree.document.document_element
    assert pages._find_language(tree, page) == (root.getattr("lang") or root.getattr("xml:lang") or "")


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ('<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">x</a>', "CC-BY-4.0"),
        ("<link REL = copyright href='https://creativecommons.org/licenses/by-sa/3.0/'>", "CC-BY-SA-3.0"),
        ('<a href="/license">license</a> Copyright', ""),
        ('<meta name="DC.rights" content="CC BY 4.0">', "CC-BY-4.0"),
    ],
)
def test_licences(markup: str, found: str) -> None:
    page = f"<html><head>{markup if 'meta' in markup else ''}</head><body>{markup}<p>text</p></body></html>"
    assert pages.draft_page(page, "http://example.org/").licence == found


def test_metas_that_are_asked_for_are_found_and_hostile_ones_cost_nothing() -> None:
    head = (
        "<META NAME='Author' content='A &amp; B'><meta property=\"og:title\" content='T'><meta name=viewport content=x>"
    )
    draft = pages.draft_page(f"<head>{head}{'<meta ' * 30_000}</head><body>text", "http://example.org/")
    assert (draft.metadata, draft.title) == ({"author": "A & B"}, "T")
