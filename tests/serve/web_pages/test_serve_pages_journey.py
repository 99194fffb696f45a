"""The library, search, reader and about pages in a real browser, on a server without accounts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pages_files import BROKEN_PDF, DOCX_TEXT, TEXT, make_docx
from serve_harness import Running, running_server, text_document

from samovar.corpus.document import make_document

pytestmark = pytest.mark.slow

LONG = "".join(
    f"Запись {n}: в этот день барометр показал {700 + n % 60} миллиметров, а кот спал. " for n in range(9_000)
)
"""Some 700 thousand characters, sixty windows."""

SPITEFUL = make_document(
    source="<b>spite</b>",
    uri="javascript:alert(1)//x",
    title="<img src=x onerror=alert(2)>",
    text="Злобный <script>alert(3)</script> документ о бармаглоте. <a href='https://evil.example'>сюда</a> ![x](https://evil.example/x.png)",
    language="ru",
    publisher='"><script>alert(4)</script>',
    metadata={"<i>k</i>": "<script>alert(5)</script>"},
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    documents = [
        text_document("barometer.txt", LONG, source="logs"),
        text_document(
            "samovar.txt",
            "Самовар изобрели в Туле. Назар Лисицын открыл в Туле фабрику в 1778 году.",
            publisher="Тула",
            published="1990",
        ),
        text_document(
            "baikal.txt",
            "Байкал — самое глубокое озеро в мире. Его глубина 1642 метра.",
            publisher="Иркутск",
            published="2001-05",
        ),
        text_document(
            "lake.txt", "Lake Baikal is the deepest lake.", source="english", language="en", licence="CC-BY-4.0"
        ),
        SPITEFUL,
    ]
    with running_server(tmp_path_factory.mktemp("pages"), documents=documents, web=True) as running:
        yield running


def drop(page: Any, folder: Path, files: dict[str, bytes]) -> None:
    """Choose files in the page's file field."""
    paths = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    page.set_input_files("#pick-files", paths)


def test_own_files_are_added_found_read_and_removed(server: Running, open_tab: Any, tmp_path: Path) -> None:
    tab = open_tab(server)
    page = tab.open("/library")
    files = {
        "протокол.txt": TEXT.encode("cp1251"),
        "второй.docx": make_docx(DOCX_TEXT),
        "битый.pdf": BROKEN_PDF,
        "пустой.txt": b"",
    }
    drop(page, tmp_path, files)
    page.wait_for_selector("#upload-done:not([hidden])", timeout=60_000)
    rows = {row.locator(".name").inner_text(): row for row in page.locator("#upload-files li").all()}
    assert set(rows) == set(files)
    states = {name: (row.get_attribute("class"), row.locator(".state").inner_text()) for name, row in rows.items()}
    assert states["протокол.txt"] == states["второй.docx"] == ("ready", "добавлено")
    assert states["битый.pdf"][0] == states["пустой.txt"][0] == "refused"
    assert states["битый.pdf"][1].startswith("не добавлено: ") and not re.search("[a-z_]{4}", states["битый.pdf"][1])
    assert "4 из 4" in page.locator("#upload-numbers").inner_text()

    page.click("#upload-done a")
    page.wait_for_selector(".documents .title >> text=протокол")
    assert page.locator(".refused td >> text=битый.pdf").count() == 1

    page.goto(f"{server.url}/search?q={quote('кто председатель товарищества Ромашка')}")
    first = page.locator(".hit").first
    assert first.locator("h3").inner_text() == "протокол"
    first.locator(".explain-head").click()
    check_explanation(first)
    first.locator("h3 a").click()
    page.wait_for_selector("#quote")
    quoted = "".join(page.locator(".reader-text mark").all_inner_texts())
    assert quoted in TEXT and "Берёзкина" in quoted
    assert page.evaluate("document.activeElement.id") == "quote"

    page.locator("button[data-api^='DELETE /api/samovar/documents/']").click()
    assert "протокол" in page.locator("dialog[open] #confirm-text").inner_text()
    page.click("dialog[open] [value=no]")
    assert page.locator(".document-page").count() == 1
    page.locator("button[data-api^='DELETE /api/samovar/documents/']").click()
    page.click("dialog[open] [value=yes]")
    page.wait_for_url("**/library")
    # its bytes went with it
    assert "протокол.txt" not in [upload.name for upload in server.state.store.uploads.list("local")]
    page.wait_for_selector(".documents")
    assert page.locator(".documents .title >> text=протокол").count() == 0
    page.goto(f"{server.url}/search?q={quote('председатель Берёзкина')}")
    assert "Берёзкина" not in page.locator("#main").inner_text().replace("председатель Берёзкина", "")

    page.goto(f"{server.url}/library")
    page.locator(".refused tr", has_text="битый.pdf").locator("button").click()
    page.wait_for_selector(".documents")
    page.wait_for_function("!document.querySelector('.refused')?.innerText.includes('битый.pdf')")
    kept = list((server.state.settings.home / "serve" / "uploads").iterdir())
    assert len(kept) == 1  # the docx: what was removed is gone from the disk, too


def check_explanation(hit: Any) -> None:
    """The numbers shown add up to the score shown, exactly."""
    values = [float(cell.get_attribute("data-value")) for cell in hit.locator(".account td[data-value]").all()]
    score = float(hit.locator("td[data-score]").get_attribute("data-score"))
    assert values and math.fsum(values) == score
    assert hit.locator("svg rect").count() == len(values)
    assert all(hit.locator(".account .about").first.is_visible() for _ in "1")


def test_a_folder_keeps_its_names_and_hidden_files_stay_out(server: Running, open_tab: Any, tmp_path: Path) -> None:
    folder = tmp_path / "дача"
    (folder / "письма").mkdir(parents=True)
    (folder / "письма" / "первое.md").write_text(
        "# Письмо\n\nТётушка Пульхерия сварила варенье из крыжовника.", encoding="utf-8"
    )
    (folder / ".secret.txt").write_text("этого никто не просил добавлять в библиотеку", encoding="utf-8")
    page = open_tab(server, lang="en").open("/library")
    page.set_input_files("#pick-folder", str(folder))
    page.wait_for_selector("#upload-done:not([hidden])", timeout=60_000)
    assert [row.inner_text() for row in page.locator("#upload-files .name").all()] == ["дача/письма/первое.md"]
    assert page.locator("#upload-files .ready").count() == 1
    page.locator("#upload-files a").click()
    page.wait_for_selector(".reader-text")
    assert "Пульхерия" in page.locator(".reader-text").inner_text()


def test_a_shared_collection_and_a_wrong_address(server: Running, open_tab: Any, tmp_path: Path) -> None:
    tab = open_tab(server)
    page = tab.open("/library")
    page.fill("#shared-name", "Устав")
    assert page.locator("[name=target][value=shared]").is_checked()
    drop(page, tmp_path, {"устав.txt": "Устав гласит: огурцы поливать по чётным дням, а тыквы по нечётным.".encode()})
    page.wait_for_selector("#upload-files .ready", timeout=60_000)
    page.goto(server.url + "/library?source=" + quote("Устав"))
    assert page.locator(".documents tbody tr").count() == 1
    page.fill("#field-urls", "http://127.0.0.1:1/private")
    page.click("#add-address button")
    page.wait_for_selector("#add-address .done-message.bad:not([hidden])")
    assert "закрытую сеть" in page.locator("#add-address .done-message").inner_text()


def test_filters_lists_and_pages(server: Running, open_tab: Any) -> None:
    page = open_tab(server).open("/library")
    page.fill("#field-text", "БАЙКАЛ baikal")
    page.select_option("#field-language", "ru")
    page.click(".library-page form.filter-row[role=search] button")
    page.wait_for_selector("text=Ни один документ не подходит")
    page.goto(server.url + "/library?text=BAIKAL")
    assert [t.inner_text() for t in page.locator(".documents .title").all()] == ["baikal.txt"]
    page.goto(server.url + "/library?page=99999&source=nothing&licence=%00")
    assert page.locator(".empty").count() == 1


# -- search ---------------------------------------------------------------------------------------------------------------
def test_a_search_can_be_shared_narrowed_and_explained(server: Running, open_tab: Any) -> None:
    page = open_tab(server).open("/search")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("самавар в туле")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert "q=" in page.url
    assert page.locator(".hit h3").first.inner_text() == "samovar.txt"
    assert page.locator(".correction ins").all_inner_texts() == ["самовар"]
    text = server.samovar.library.document(page.locator(".hit").first.get_attribute("data-document")).text
    for mark in page.locator(".hit").first.locator("mark").all():
        start, end = int(mark.get_attribute("data-start")), int(mark.get_attribute("data-end"))
        assert text[start:end] == mark.inner_text()
    for hit in page.locator(".hit").all():
        hit.locator(".explain-head").click()
        check_explanation(hit)
    expected = server.samovar.searcher.search("самавар в туле")
    assert [float(c.get_attribute("data-score")) for c in page.locator("td[data-score]").all()] == [
        h.score for h in expected.hits
    ]

    page.goto(f"{server.url}/search?q={quote('озеро lake')}&language=en&from=&to=")
    assert [t.inner_text() for t in page.locator(".hit h3").all()] == ["lake.txt"]
    assert page.locator("input[name=language][value=en]").is_checked()
    page.goto(f"{server.url}/search?q={quote('озеро')}&from=1985&to=1995")
    assert page.locator(".hit").count() == 0 and page.locator(".empty a[href^='/search']").count() == 1
    page.goto(f"{server.url}/search?q={quote('озеро')}&from=1999&to=1990")
    assert page.locator(".alert").count() == 1 and page.locator("details.filters[open]").count() == 1


def test_more_results_and_the_order_by_score_alone(server: Running, open_tab: Any) -> None:
    page = open_tab(server).open(f"/search?q={quote('барометр показал')}")
    assert page.locator(".hit").count() == 10
    page.click("text=Ещё результаты")
    page.wait_for_selector("#hit-20")
    assert page.locator(".hit").count() == 20
    assert page.evaluate("document.getElementById('hit-11').getBoundingClientRect().top") < 400
    page.goto(f"{server.url}/search?q={quote('барометр показал')}&plain=1")
    assert page.locator("input[name=plain]").is_checked()
    assert page.locator(".swatch.c-diversity").count() == 0


VALUES = st.sampled_from(["", "0", "-1", "99999999999999999999", "1999-99-99", "2001", "en", "\0", "%", "'; --", "<b>", "ё" * 300, "\u202e"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)  # fmt: skip
NAMES = [
    "q",
    "source",
    "language",
    "from",
    "to",
    "k",
    "plain",
    "text",
    "page",
    "licence",
    "decision",
    "reason",
    "before",
    "start",
    "end",
    "at",
]


@given(path=st.sampled_from(["/search", "/library", "/library/ledger", "/document/{id}", "/about", "/login"]), values=st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8))  # fmt: skip
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_address_shows_a_page(server: Running, path: str, values: list[tuple[str, str]]) -> None:
    answer = server.client().get(path.format(id=SPITEFUL.id), params=values)
    assert answer.status_code in (200, 303), answer.text[:300]
    assert "default-src 'self'" in answer.headers["content-security-policy"] or answer.status_code == 303


def test_when_the_search_fails_it_does_not_look_like_no_results(
    server: Running, open_tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samovar.errors import SearchError

    def broken(*arguments: object, **options: object) -> None:
        raise SearchError("expected an index, found a hole.")

    monkeypatch.setattr(server.samovar.searcher, "search", broken)
    page = open_tab(server).open("/search?q=x")
    assert "found a hole" in page.locator(".failure[role=alert]").inner_text()
    assert page.locator(".failure a[href^='/search?q=x']").count() == 1


# -- reader ---------------------------------------------------------------------------------------------------------------
SHOWN = """() => { const all = document.querySelector(".reader-text").cloneNode(true);
  all.querySelectorAll(".pn").forEach((n) => n.remove()); return all.textContent; }"""


def test_a_long_document_is_read_by_windows_with_true_offsets(server: Running, open_tab: Any) -> None:
    known = next(server.samovar.library.documents(source="logs"))
    start = LONG.index("Запись 5000:")
    page = open_tab(server).open(f"/document/{known.id}?start={start}&end={start + 12}")
    quoted = page.locator("#quote")
    assert quoted.inner_text() == "Запись 5000:"
    assert quoted.evaluate("e => { const r = e.getBoundingClientRect(); return r.top > 0 && r.bottom < innerHeight; }")
    begin, end = (int(page.locator(".reader-text").get_attribute(f"data-{name}")) for name in ("begin", "end"))
    assert page.evaluate(SHOWN) == LONG[begin:end] and end - begin < 13_000
    passages = server.samovar.library.passages_of(known.id)
    for link in page.locator(".pn").all()[:5]:
        passage = passages[int(link.inner_text()) - 1]
        assert (passage.start, passage.end) == tuple(int(link.get_attribute(f"data-{n}")) for n in ("start", "end"))
    page.locator(".pager a >> text=Дальше").first.click()
    page.wait_for_selector(f".reader-text[data-begin='{end}'], .reader-text")
    after = int(page.locator(".reader-text").get_attribute("data-begin"))
    assert end <= after <= end + 80 and LONG[end:after].strip() in LONG[begin : end + 80]
    page.fill("#at-top", "400000")
    page.press("#at-top", "Enter")
    page.wait_for_url("**at=400000")
    assert abs(int(page.locator(".reader-text").get_attribute("data-begin")) - 400_000) < 100
    for wrong in ("start=-5&end=x", "start=99999999999&end=1", "at=99999999999999999999", "start=5&end=2"):
        assert page.goto(f"{server.url}/document/{known.id}?{wrong}").status == 200


def test_asking_about_a_document_leads_to_the_chat(server: Running, open_tab: Any) -> None:
    known = next(server.samovar.library.documents(uri="/baikal.txt"))
    page = open_tab(server).open(f"/document/{known.id}")
    page.click("text=Спросить об этом документе")
    page.wait_for_url(f"**/?document={known.id}")


def test_what_is_not_there_is_said_on_a_page(server: Running, open_tab: Any) -> None:
    tab = open_tab(server, lang="en")
    tab.allowed = ("404",)
    for path in ("/document/00000000000000000000000000000000", "/document/" + "x" * 500, "/account", "/admin"):
        answer = tab.page.goto(server.url + path)
        assert answer.status == 404 and tab.page.locator("main h1").count() == 1


def test_spiteful_documents_stay_text(server: Running, open_tab: Any) -> None:
    tab = open_tab(server)
    dialogs: list[str] = []
    tab.page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    paths = (
        f"/document/{SPITEFUL.id}",
        f"/search?q={quote('бармаглот <script>alert(6)</script>')}",
        "/library",
        "/library/ledger",
        "/about",
    )
    for path in paths:
        page = tab.open(path)
        assert page.locator("main script, main img, main a[href^='javascript'], main a[href*=evil]").count() == 0
    tab.open(paths[0])
    assert tab.page.evaluate(SHOWN) == SPITEFUL.text
    assert dialogs == []


# -- ledger and about -----------------------------------------------------------------------------------------------------
def test_the_ledger_says_what_happened_and_why(server: Running, open_tab: Any) -> None:
    from samovar.corpus.document import LedgerRow

    with server.samovar.library.writer() as writer:
        writer.record([LedgerRow("/x/закрытый.pdf", "extract", "dropped", "encrypted", "", "", "logs")])
        writer.record(
            [LedgerRow(f"/many/{n}.txt", "extract", "dropped", "too_short", str(n), "", "logs") for n in range(60)]
        )
    page = open_tab(server).open("/library/ledger?decision=dropped")
    assert page.locator(".ledger tbody tr").count() == 50
    assert "слишком мало текста" in page.locator(".ledger tbody tr").first.inner_text()
    page.click("text=Раньше")
    page.wait_for_selector(".ledger td >> text=защищено паролем")
    page.goto(server.url + "/library/ledger?text=" + quote("ЗАКРЫТЫЙ"))
    assert page.locator(".ledger tbody tr").count() == 1
    shown = {
        a.get_attribute("class"): int(re.sub(r"\D", "", a.locator("b").inner_text()))
        for a in page.locator(".tally a").all()
    }
    assert shown == {
        f"badge {name}": server.samovar.library.info().ledger.get(name, 0) for name in ("kept", "changed", "dropped")
    }
    page.goto(server.url + "/library/ledger?decision=kept&source=english")
    page.locator(".ledger tbody a").click()
    page.wait_for_selector("h1 >> text=lake.txt")


def test_the_numbers_about_the_system_are_those_of_the_library(server: Running, open_tab: Any) -> None:
    page = open_tab(server, lang="en").open("/about")
    info = server.samovar.library.info()
    assert page.locator("[data-documents]").get_attribute("data-documents") == str(info.num_documents)
    assert page.locator("[data-outside]").get_attribute("data-outside") == ""
    tables = {}
    for figure in page.locator("figure.chart").all():
        if figure.locator("table").count():
            cells = [int(cell.get_attribute("data-value")) for cell in figure.locator("td").all()]
            tables[figure.locator("figcaption").inner_text()] = cells
    assert tables["By collection"] == list(info.by_source.values())
    assert tables["By language"] == list(info.by_language.values())
    assert tables["By licence"] == list(info.by_licence.values())
    assert tables["By publisher"] == list(info.by_publisher.values())
    assert sum(tables["By year of publication"]) == 2
    assert "extractive" in page.locator("#main").inner_text()
