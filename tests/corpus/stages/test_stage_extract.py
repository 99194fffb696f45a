"""From records to clean items: metadata, hosts, refusals; a ledger row for whatever is wrong, and never an exception."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.build.item import Item, Notes, Record
from samovar.corpus.stages.extract import DECLARED_LANGUAGE, Extract, ExtractOptions, find_host
from samovar.corpus.stages.repair import Repair

STORY = (
    "Жил-был старик со своею старухой у самого синего моря; они жили в ветхой землянке ровно тридцать лет и три года."
)
PAGE = f"""<html lang="ru"><head><title>Сказка</title><meta name="author" content="А. С. Пушкин">
<meta property="article:published_time" content="1835-05-01T00:00:00Z"><meta property="og:site_name" content="Сказки &amp; былины">
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head>
<body><nav>Меню</nav><article><h1>О рыбаке</h1><p>{STORY}</p><p>{STORY}</p></article><footer>Подвал</footer></body></html>"""


@dataclass(frozen=True)
class Source:
    name: str = "web"
    language: str = ""
    licence: str = "unknown"
    origin: str = "RU"
    publisher: str = "Издатель"


def extract(*records: Record, **options: object) -> tuple[list[Item], Notes]:
    notes = Notes("web")
    stage = Extract(Source(), ExtractOptions(**options))
    return list(stage.items(records, notes)), notes


def test_a_page_gives_its_text_and_what_it_says_about_itself() -> None:
    items, notes = extract(Record(7, "http://www.skazki.example/1.html", "html", PAGE.encode()))
    item = items[0]
    assert (item.ordinal, item.host, item.title, item.published) == (7, "skazki.example", "Сказка", "1835-05-01")
    assert (item.publisher, item.licence, item.origin) == ("Сказки & былины", "CC-BY-4.0", "RU")
    assert item.metadata == {"author": "А. С. Пушкин", DECLARED_LANGUAGE: "ru"}
    assert STORY in item.text and "Меню" not in item.text and "Подвал" not in item.text
    assert not notes.rows


@pytest.mark.parametrize("codec", ["cp1251", "koi8-r"])
@pytest.mark.parametrize("declared", ["", "iso-8859-1", "utf-8", "nonsense", "x" * 50])
def test_the_charset_that_a_server_names_may_lie(codec: str, declared: str) -> None:
    items, notes = extract(Record(0, "http://a.example/", "html", PAGE.encode(codec), {"charset": declared}))
    assert STORY in items[0].text
    assert ("changed", "encoding", codec) in {(row.decision, row.reason, row.value) for row in notes.rows}


def test_what_the_record_declares_fills_what_the_text_does_not_say() -> None:
    declared = {
        "title": "Заглавие",
        "language": "rus",
        "published": "2001",
        "publisher": "Дом",
        "licence": "cc by 4.0",
        "author": "Автор",
    }
    item = extract(Record(0, "dump#1", "wikitext", STORY, declared))[0][0]
    assert (item.title, item.published, item.publisher, item.licence) == ("Заглавие", "2001", "Дом", "CC-BY-4.0")
    assert item.metadata == {"author": "Автор", DECLARED_LANGUAGE: "ru"} and item.host == "web"


def test_an_archive_gives_an_item_for_each_text_and_a_row_for_each_refusal() -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", STORY)
        archive.writestr("b.html", PAGE)
        archive.writestr("c.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    items, notes = extract(Record(3, "folder/x.zip", "file", packed.getvalue()))
    assert [item.uri for item in items] == ["folder/x.zip!/a.txt", "folder/x.zip!/b.html"]
    assert {item.ordinal for item in items} == {3} and len({item.uri for item in items}) == 2
    assert [row.uri for row in notes.rows if row.decision == "dropped"] == ["folder/x.zip!/c.png"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record(0, "u", "html", b""), "empty"),
        (Record(0, "u", "html", b"<html><script>1</script>"), "empty"),
        (Record(0, "u", "text", "  \n "), "empty"),
        (Record(0, "u", "text", fault=("truncated", "12 of 90")), "truncated"),
        (Record(0, "u.pdf", "file", b"%PDF-1.4 broken"), "damaged"),
        (Record(0, "u.zip", "file", b"PK\x03\x04 no archive"), "damaged"),
        (Record(0, "u", "text", "слово " * 40), "too_long"),
    ],
)
def test_refusals_are_rows(record: Record, reason: str) -> None:
    items, notes = extract(record, max_chars=200)
    assert not items
    assert len([row for row in notes.rows if row.decision == "dropped"]) == 1
    assert notes.rows[-1].stage == "extract" and notes.rows[-1].uri.startswith("u")
    if reason != "damaged":
        assert notes.rows[-1].reason == reason


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=100).map(lambda text: f"<p>{text}".encode("utf-8", "surrogatepass"))
    ),
    st.sampled_from(["html", "text", "file"]),
)
def test_whatever_comes_is_kept_or_dropped_once(data: bytes, kind: str) -> None:
    notes = Notes("web")
    items = Repair().apply(Extract(Source()).extract(Record(0, "http://[bad", kind, data), notes), notes)  # type: ignore[arg-type]
    assert len(items) + sum(row.decision == "dropped" for row in notes.rows) == 1


def test_repair_undoes_mojibake_cleans_and_drops_what_is_left_short() -> None:
    garbled = Item(0, "a", STORY.encode().decode("cp1251", "replace"), title="Заг\u00adлавие")
    dirty = Item(1, "b", f"{STORY}\u200b\r\n\r\n\r\n\r\nконец\x00 \u00a0 света")
    short, blank, lost = Item(2, "c", "слово"), Item(3, "d", "\u200b\x00"), Item(4, "e", STORY + "\ufffd")
    notes = Notes("web")
    kept = Repair().apply([garbled, dirty, short, blank, lost], notes)
    assert [item.ordinal for item in kept] == [0, 1, 4]
    assert garbled.text.startswith("Жил-был старик") and garbled.title == "Заглавие"
    assert dirty.text == f"{STORY}\n\nконец света"
    rows = [(row.uri, row.decision, row.reason) for row in notes.rows]
    assert rows[0] == ("a", "changed", "mojibake_repaired")
    assert rows[-3:] == [
        ("c", "dropped", "too_short"),
        ("d", "dropped", "empty"),
        ("e", "changed", "replacement_characters"),
    ]


def test_extraction_cleans_when_nothing_follows() -> None:
    notes = Notes("web")
    items = Extract(Source(), clean=True).extract(Record(0, "u", "text", f"{STORY}\u200b  конец"), notes)
    assert items[0].text == f"{STORY} конец"


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("http://www.Пример.рф/путь", "пример.рф"),
        ("https://user@Example.com:8080/", "example.com"),
        ("http://[bad", ""),
        ("folder/file.txt", ""),
        ("http://", ""),
    ],
)
def test_hosts(uri: str, host: str) -> None:
    assert find_host(uri) == host


MENU = "".join(f"<li><a href='/{n}'>Раздел каталога {n}</a></li>" for n in range(60))


def web_page(body: str) -> Record:
    return Record(0, "https://example.org/a.html", "html", f"<html><head></head><body>{body}</body></html>".encode())


def test_menus_larger_than_the_text_do_not_bring_back_the_whole_page() -> None:
    body = f"<div class='related'><ul class='menu'>{MENU}</ul></div><article><p>{STORY}</p><p>{STORY}</p></article>"
    (main,), _ = extract(web_page(body))
    (whole,), _ = extract(web_page(body), pages="whole")
    assert len(main.text) < 0.5 * len(whole.text)
    assert main.text == f"{STORY}\n\n{STORY}"


def test_prose_that_main_content_loses_brings_back_the_whole_page() -> None:
    lost = "".join(f"<p>{STORY} ({n})</p>" for n in range(5))
    (item,), _ = extract(web_page(f"<div class='sidebar'>{lost}</div><article><p>{STORY}</p></article>"))
    assert all(f"({n})" in item.text for n in range(5))


def test_lines_too_short_for_prose_that_main_content_loses_bring_it_back_too() -> None:
    lost = "<br>".join(f"Короткая строка стиха {n}" for n in range(12))
    (item,), _ = extract(web_page(f"<div class='sidebar'>{lost}</div><article><p>Заглавие</p></article>"))
    assert all(f"стиха {n}" in item.text for n in range(12))


def test_scripts_are_no_lost_prose() -> None:
    script = f"<script>var a = 1 > 0; var text = '{STORY * 20}';</script>"
    (item,), _ = extract(web_page(f"{script}<article><p>{STORY}</p></article>{script}<ul>{MENU}</ul>"))
    assert item.text == STORY


@pytest.mark.parametrize("evil", ["<script", "<script>", ">" + "a" * 39, "> ", "</script", "<body"])
def test_bodies_that_never_end_cost_little(evil: str) -> None:
    notes = Notes("web")
    items = Extract(Source()).extract(web_page(f"<p>{STORY}</p>{evil * 20_000}"), notes)
    assert len(items) + len(notes.rows) >= 1


@pytest.mark.parametrize(
    "evil",
    ["<meta ", '<meta name="', "<meta a='b' ", "<meta a ", "<meta content='x' name=", "<time", '"datePublished": '],
)
def test_heads_that_never_end_cost_little(evil: str) -> None:
    page = f"<html><head>{evil * 20_000}</head><body><p>{STORY}</p></body></html>"
    notes = Notes("web")
    items = Extract(Source()).extract(Record(0, "u.html", "html", page.encode()), notes)
    assert len(items) + len(notes.rows) >= 1
