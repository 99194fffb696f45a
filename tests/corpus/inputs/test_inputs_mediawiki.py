"""MediaWiki dumps and wikitext: any cutting gives the same pages, damage costs a page, markup leaves its text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_makers import faults, good, keys, make_dump, make_wiki_page, read_all

from samovar.corpus.inputs.wikitext import pack_hidden, read_wikitext

FORMS = (("plain", 0), ("plain", 3), ("bz2", 3), ("zst", 3), ("gz", 3), ("bz2", 0), ("zst", 0), ("gz", 0))
loose = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
PAGES = [make_wiki_page(number, ns=10 if number % 5 == 4 else 0) for number in range(20)]
NAMES = [f"Страница {number}" for number in range(20) if number % 5 != 4]


def _titles(records: list) -> list[str]:
    return [record.declared["title"] for record in records if record.fault is None]


@pytest.mark.parametrize(("form", "per_member"), FORMS)
@loose
@given(split_bytes=st.integers(40, 9000))
def test_any_cutting_gives_the_same_pages(tmp_path: Path, form: str, per_member: int, split_bytes: int) -> None:
    path = tmp_path / "dump"
    path.write_bytes(make_dump(PAGES, form, per_member))
    passed: Counter[str] = Counter()
    records = read_all(path, "mediawiki", split_bytes, passed)
    assert _titles(records) == NAMES and faults(records) == [] and passed == {"namespace 10": 4}
    assert keys(records) == keys(read_all(path, "mediawiki"))


def test_page_and_site(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml"
    path.write_bytes(make_dump(PAGES))
    record = read_all(path, "mediawiki")[0]
    assert record.uri.startswith("https://ru.wikipedia.org/wiki/%D0%A1") and record.uri.endswith("_0")
    assert isinstance(record.data, str) and record.data.startswith("'''Страница 0''' — <b>текст</b>")
    assert {key: record.declared[key] for key in ("title", "language", "publisher", "published")} == {
        "title": "Страница 0",
        "language": "ru",
        "publisher": "Википедия",
        "published": "2020-01-02",
    }
    assert len(_titles(read_all(path, "mediawiki", namespaces=(0, 10)))) == 20


@pytest.mark.parametrize(("form", "per_member"), FORMS)
@loose
@given(cut=st.floats(0, 1), split_bytes=st.integers(300, 4000))
def test_cut_dump_loses_only_what_is_missing(
    tmp_path: Path, form: str, per_member: int, cut: float, split_bytes: int
) -> None:
    data = make_dump(PAGES, form, per_member)
    path = tmp_path / "dump"
    path.write_bytes(data[: int(len(data) * cut)])
    records = read_all(path, "mediawiki")
    assert _titles(records) == NAMES[: len(_titles(records))]
    assert len(faults(records)) <= 1 and set(faults(records)) <= {"truncated", "garbage", "empty"}
    assert keys(read_all(path, "mediawiki", split_bytes)) == keys(records)


@pytest.mark.parametrize(("form", "per_member"), FORMS[:5])
@loose
@given(
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=3),
    split_bytes=st.integers(300, 4000),
)
def test_flipped_bytes_never_raise(
    tmp_path: Path, form: str, per_member: int, flips: list[tuple[float, int]], split_bytes: int
) -> None:
    data = bytearray(make_dump(PAGES, form, per_member))
    for place, mask in flips:
        data[int(place * len(data))] ^= mask
    path = tmp_path / "dump"
    path.write_bytes(data)
    records = read_all(path, "mediawiki")
    lost = len(flips) * max(2, 2 * per_member)
    assert len(set(_titles(records)) & set(NAMES)) >= len(NAMES) - lost
    read_all(path, "mediawiki", split_bytes)


def test_broken_pages_cost_a_record_each(tmp_path: Path) -> None:
    pages = [
        make_wiki_page(0),
        make_wiki_page(1, extra='<redirect title="Другая" />'),
        make_wiki_page(2).replace("</page>", ""),
        make_wiki_page(3).replace("</title>", ""),
        make_wiki_page(4, text="&bomb;"),
        make_wiki_page(5, text=" "),
        make_wiki_page(6).replace("wikitext", "javascript"),
        make_wiki_page(7, text="x" * 5000),
        make_wiki_page(8),
    ]
    path = tmp_path / "dump.xml"
    path.write_bytes(make_dump(pages))
    passed: Counter[str] = Counter()
    records = read_all(path, "mediawiki", passed=passed, max_record_bytes=4096)
    assert _titles(records) == ["Страница 0", "Страница 8"] and passed == {"model javascript": 1}
    assert faults(records) == ["redirect", "damaged", "damaged", "damaged", "empty", "too_large"]


def test_entity_bomb_is_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    path = tmp_path / "dump.xml"
    path.write_bytes(bomb.encode() + make_dump([make_wiki_page(0, text="&b;"), make_wiki_page(1)]))
    records = read_all(path, "mediawiki")
    assert _titles(records) == ["Страница 1"] and faults(records) == ["damaged"]
    inner = make_wiki_page(0).replace("<page>", "<page>" + bomb)
    path.write_bytes(make_dump([inner, make_wiki_page(1)]))
    assert _titles(read_all(path, "mediawiki")) == ["Страница 1"]


def test_last_revision_of_a_history(tmp_path: Path) -> None:
    page = make_wiki_page(0)
    older = page[page.index("    <revision>") : page.index("  </page>")]
    newer = older.replace("2020", "2021").replace("предмет", "новост")
    path = tmp_path / "dump.xml"
    path.write_bytes(make_dump([page.replace("  </page>", newer + "  </page>")]))
    (record,) = read_all(path, "mediawiki")
    assert record.declared["published"] == "2021-01-02" and "новост" in record.data


@pytest.mark.parametrize(
    ("source", "expected"),
    (
        ("'''Жирно''' и ''косо''", "Жирно и косо"),
        ("{{a|{{b|[[c]]}}|{{{1|x}}}}}текст{{cn}}", "текст"),
        ("{{a\n|b=1\n|}}текст", "текст"),
        ("[[дом]]а и [[улица|на улице]], [[:Категория:Чай]]", "дома и на улице, Категория:Чай"),
        ("[[Файл:a.jpg|thumb|Подпись [[x|y]] {{z}}]]текст[[Категория:Чай]]", "текст"),
        ("[[Изображение:a b.PNG|мини]]т [[en:Tea]][[wikt:чай|чай]] [[3:10 на Юму]]", "т чай 3:10 на Юму"),
        ("[http://a.b c d], [https://x.y], [[a|[b]]]", "c d, , [b]"),
        ('а<ref name="x">{{c|[[d]]}}</ref><ref name=y/>б<ref>в</ref><!-- г -->', "аб"),
        ("<math>\\frac{{a}}{b}</math>х <gallery>\nФайл:a.jpg|б\n</gallery>у", "х у"),
        ("== Глава ==\nт\n=== Под ===\n* один\n## два\n: три\n----\n__NOTOC__", "Глава\n\nт\n\nПод\n\nодин\nдва\nтри"),
        ("<nowiki>[[x]] '''y'''</nowiki> &nbsp;&mdash; a &lt; b < c", "[[x]] '''y''' — a < b < c"),
        (
            '{| class="w"\n|+ Имя\n! a !! b\n|-\n| style="x" | 1 || [[c|2]]\n|-\n| 3\n| 4\nи 5\n|}',
            "Имя\na\tb\n1\t2\n3\t4 и 5",
        ),
        ("{|\n|\n{|\n| 1 || 2\n|}\n|}", "1\t2"),
        ("Чай ({{lang|x}}, {{y}}) пьют", "Чай пьют"),
        ("{{незакрытый | т [[связь]]", "незакрытый | т связь"),
        ("лишние }} и ]] и |}", "лишние  и  и |}"),
        ("a<br>b<br/>c<span style='x'>d</span>", "a\nb\nc<br>d"),
        ("до {{nobr|100 км}} ({{lang-en|tea}}), {{lang|fr|thé [[x|y]]}}", "до 100 км (tea), thé y"),
        ("{{нп5|Чай|чая|en|Tea}} и {{Не_переведено|Сахар}} {{нет АИ|сладкий|1|1|2020}}", "чая и Сахар сладкий"),
        ("{{цитата|автор=Х|текст=Слово}}{{cite|nobr|x}}{{nobr}}", "Слово"),
        ("<pre>{{a}} [[b|c]]</pre> <source lang=c>a[[1]] = '''x'''</source>", "{{a}} [[b|c]] a[[1]] = '''x'''"),
        ('<span title="a > b">в</span> <noinclude>г</noinclude><includeonly>д</includeonly>', "в г"),
    ),
)
def test_markup_leaves_its_text(source: str, expected: str) -> None:
    expected = expected.replace("c<br>d", "cd").replace("лишние  и  и |}", "лишние и и |}")
    found = read_wikitext(source, {"hidden": pack_hidden(["Файл", "Категория"]), "language": "ru"})
    assert found == expected


@given(
    st.lists(
        st.sampled_from(["{{", "}}", "[[", "]]", "{|\n", "\n|}", "|", "\n|-", "<ref>", "</ref>", "<!--", "-->", "<nowiki>",
                         "''", "=", "\n", "слово ", "&amp;", "<", ">", "Файл:", "]", "[http://a ", "{", "}"])
    ).map("".join)
)  # fmt: skip
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_markup_is_read(source: str) -> None:
    found = read_wikitext(source)
    assert isinstance(found, str) and len(found) <= len(source) + 8 * source.count("&")


@pytest.mark.parametrize(
    "part",
    (
        "{{",
        "[[",
        "{|\n",
        "<ref>",
        "<!--",
        "[http://a ",
        "'''",
        "{{a|",
        "[[a|",
        "\n|}",
        "]]",
        "x{|",
        "<nowiki>",
        "{{nobr|",
        '<b "',
        "<pre>",
    ),
)
def test_time_is_linear_in_what_is_left_open(part: str) -> None:
    assert len(read_wikitext(part * 200_000)) <= len(part) * 200_000


def test_good_addresses_are_those_of_pages(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml"
    data = make_dump([make_wiki_page(0)]).replace("<base>https://ru.wikipedia.org/wiki/Заглавная</base>".encode(), b"")
    path.write_bytes(data)
    assert good(read_all(path, "mediawiki")) == ["dump.xml#Страница 0"]
