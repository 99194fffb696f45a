"""The chat page in a real browser: asking, sources, citations, stopping, editing, history, export, import, opinions, failures."""

from __future__ import annotations

import json
import time

import pytest
from serve_harness import Running
from web_chat_model import DEEP, WebModel

pytestmark = pytest.mark.slow
DEPTH = "Какова глубина Байкала?"


def test_a_question_gets_sources_then_an_answer_whose_citation_opens_the_place(tab, server: Running) -> None:
    page = tab.open()
    tab.ask(DEPTH)
    assert "/chat/" in page.url
    answer = page.locator(".answer").first
    assert "1642 метра" in answer.locator(".text").inner_text()
    assert answer.locator(".source").first.locator("mark").count() >= 1
    answer.locator("button.cite").first.click()
    mark = page.locator("#panel mark").first
    mark.wait_for()
    citation = next(iter(_last_answer(server)["citations"]))
    assert mark.inner_text().strip() == citation["quote"].strip()
    box, panel = mark.bounding_box(), page.locator("#panel").bounding_box()
    assert box is not None and panel is not None and panel["y"] <= box["y"] < panel["y"] + panel["height"]
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()
    assert answer.locator("button.cite").first.evaluate("e => e === document.activeElement")


def _last_answer(server: Running) -> dict:
    head = server.state.store.conversations.list("local")[0]
    return dict(server.state.store.conversations.messages(head.id)[-1].answer)


def test_sources_stand_before_the_first_word(tab, model: WebModel) -> None:
    page = tab.open()
    tab.ask("Расскажи подробно о глубине Байкала", wait=False)
    page.wait_for_selector(".writing .source")
    assert page.locator("#stop").is_visible()
    page.wait_for_selector(".writing .draft:not([hidden])")
    page.keyboard.press("Escape")
    page.wait_for_selector("main:not(.running)")


def test_stopping_keeps_what_was_written_and_really_stops_the_model(tab, model: WebModel) -> None:
    page = tab.open()
    before = model.stopped
    tab.ask("Расскажи подробно о глубине Байкала", wait=False)
    page.wait_for_selector(".writing .draft:not([hidden])")
    page.click("#stop")
    page.wait_for_selector(".answer:not(.writing) .remarks")
    assert "Остановлено" in page.locator(".answer .remarks").inner_text()
    tab.running.wait_for(lambda: model.stopped == before + 1)
    assert page.locator("#send").is_visible()
    page.reload()
    page.wait_for_selector(".answer .remarks")
    assert "Остановлено" in page.locator(".answer .remarks").inner_text()


def test_answering_again_replaces_the_answer_and_all_after_it(tab, server: Running) -> None:
    page = tab.open()
    tab.ask(DEPTH)
    tab.ask("Какая река вытекает из Байкала?")
    page.locator(".answer").first.get_by_role("button", name="Ответить заново").click()
    page.locator(".question").nth(1).wait_for(state="detached")
    page.wait_for_selector("main:not(.running)")
    assert tab.answers() == 1
    assert page.locator(".question .bubble").all_inner_texts() == [DEPTH]
    head = server.state.store.conversations.list("local")[0]
    assert [m.role for m in server.state.store.conversations.messages(head.id)] == ["user", "assistant"]


def test_an_edited_question_is_asked_in_place_of_the_old_one(tab) -> None:
    page = tab.open()
    tab.ask(DEPTH)
    page.locator(".question").hover()
    page.get_by_role("button", name="Изменить вопрос").click()
    page.locator(".edit textarea").fill("Какая глубина у озера Байкал?")
    page.keyboard.press("Enter")
    page.locator(".bubble", has_text="Какая глубина у озера").wait_for()
    page.wait_for_selector("main:not(.running)")
    page.wait_for_selector(".answer:not(.writing)")
    assert page.locator(".question .bubble").all_inner_texts() == ["Какая глубина у озера Байкал?"]
    page.reload()
    page.wait_for_selector("main[data-ready]")
    assert page.locator(".question .bubble").all_inner_texts() == ["Какая глубина у озера Байкал?"]


def test_an_unsupported_sentence_is_marked_for_eyes_and_for_ears(tab) -> None:
    page = tab.open()
    tab.ask("Правда ли, что Байкал выкопали великаны?")
    marked = page.locator(".answer .text .unsupported")
    assert "великаны" in " ".join(marked.all_inner_texts())
    assert "1642" not in " ".join(marked.all_inner_texts())
    assert marked.first.get_attribute("title") == "Источники этого предложения не подтверждают."
    assert "1 предложение не подтверждено" in page.locator(".legend").inner_text()


def test_an_abstention_looks_like_one_and_offers_what_was_found(tab) -> None:
    page = tab.open()
    tab.ask("Скажи о Байкале: небылица")
    answer = page.locator(".answer.abstained")
    assert answer.locator(".abstention-title").inner_text() == "В библиотеке нет ответа"
    assert answer.locator(".source").count() >= 1
    assert answer.locator("a[href^='/search?q=']").count() == 1
    assert answer.locator("a[href='/library']").count() == 1


def test_conversations_are_found_renamed_and_deleted(tab, server: Running) -> None:
    page = tab.open()
    tab.ask("Кто написал роман «Евгений Онегин»?")
    tab.open()
    tab.ask("Где изобрели самовар?")
    page.fill("#history-search", "ОНЕГИН")
    page.wait_for_selector(".history-row >> nth=1", state="detached")
    rows = page.locator(".history-row a")
    assert rows.all_inner_texts() == ["Кто написал роман «Евгений Онегин»?"]
    page.locator(".history-row").hover()
    page.get_by_role("button", name="Переименовать").click()
    page.keyboard.type("О романе")
    page.keyboard.press("Enter")
    page.locator(".history-row a", has_text="О романе").wait_for()
    page.locator(".history-row").hover()
    page.get_by_role("button", name="Удалить «О романе»").click()
    page.get_by_role("button", name="Оставить").click()
    assert page.locator(".history-row a", has_text="О романе").count() == 1
    page.locator(".history-row").hover()
    page.get_by_role("button", name="Удалить «О романе»").click()
    page.get_by_role("button", name="Удалить", exact=True).click()
    page.locator(".history-row").wait_for(state="detached")
    assert "О романе" not in [one.title for one in server.state.store.conversations.list("local")]


def test_what_is_exported_can_be_imported(tab, tmp_path) -> None:
    page = tab.open()
    tab.ask(DEPTH)
    files = {}
    for kind in ("md", "json"):
        page.locator("#export summary").click()
        with page.expect_download() as download:
            page.locator(f"#export a[data-format={kind}]").click()
        files[kind] = tmp_path / f"talk.{kind}"
        download.value.save_as(files[kind])
        page.keyboard.press("Escape")
    assert DEPTH in files["md"].read_text(encoding="utf-8")
    assert json.loads(files["json"].read_text(encoding="utf-8"))["title"] == DEPTH
    first = page.url
    page.set_input_files("#import", files["json"])
    page.wait_for_url(lambda url: "/chat/" in url and url != first)
    page.wait_for_selector("main[data-ready]")
    assert page.locator(".question .bubble").all_inner_texts() == [DEPTH]
    assert page.locator(".answer button.cite").count() >= 1


def test_a_broken_import_is_refused_with_a_word(tab, tmp_path) -> None:
    page = tab.open()
    tab.allowed = ("status of 4",)
    broken = tmp_path / "x.json"
    broken.write_text('{"messages": 5}', encoding="utf-8")
    page.set_input_files("#import", broken)
    page.wait_for_selector(".import-failed")


def test_an_opinion_with_a_comment_is_kept(tab, server: Running) -> None:
    page = tab.open()
    tab.ask(DEPTH)
    page.get_by_role("button", name="Плохой ответ").click()
    page.get_by_label("Что не так").fill("не то озеро")
    page.get_by_role("button", name="Сохранить").click()
    page.get_by_text("Спасибо, сохранено.").first.wait_for()
    given = server.state.store.feedback.list()[0]
    assert (given.value, given.comment) == (-1, "не то озеро")
    page.reload()
    page.wait_for_selector("main[data-ready]")
    assert page.get_by_role("button", name="Плохой ответ").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Плохой ответ").click()
    page.locator("[aria-pressed=true][data-worth]").wait_for(state="detached")
    assert server.state.store.feedback.get(given.message_id, "local") is None


def test_copying_takes_the_text_with_its_sources(open_tab, server: Running) -> None:
    tab = open_tab(server)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = tab.open()
    tab.ask(DEPTH)
    page.get_by_role("button", name="Скопировать").click()
    page.wait_for_selector(".quiet.done")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert "1642 метра" in copied and "[1] baikal.txt" in copied


def test_a_file_dropped_on_the_composer_can_be_asked_about(tab, tmp_path, server: Running) -> None:
    page = tab.open()
    note = tmp_path / "дача.txt"
    note.write_text("На даче у бабушки Марфы живёт рыжий кот Апельсин. Коту Апельсину семь лет.\n", encoding="utf-8")
    page.set_input_files("#file", note)
    page.wait_for_selector(".chip.file.ready")
    tab.ask("Как зовут кота бабушки Марфы?")
    assert page.locator(".answer .source-title").first.inner_text().endswith("дача")
    assert {card for card in page.locator(".answer .source-title").all_inner_texts() if "baikal" in card} == set()
    page.locator(".chip.file button").click()
    assert not page.locator("#chips").is_visible()


def test_a_refused_file_says_why(tab, tmp_path) -> None:
    page = tab.open()
    tab.allowed = ("status of 4",)
    broken = tmp_path / "model.gguf"
    broken.write_bytes(b"GGUF" + bytes(200))
    page.set_input_files("#file", broken)
    page.wait_for_selector(".chip.file.refused")
    assert "model.gguf" in page.locator(".chip.file").inner_text()


def test_a_model_that_is_down_is_told_and_trying_again_works(tab, model: WebModel) -> None:
    page = tab.open()
    model.down = True
    try:
        tab.ask(DEPTH, wait=False)
        page.wait_for_selector(".answer .failure")
        assert "Модель не отвечает" in page.locator(".failure").inner_text()
        page.reload()
        page.wait_for_selector("main[data-ready]")
        assert "Ответ не был написан" in page.locator(".failure").inner_text()
    finally:
        model.down = False
    page.get_by_role("button", name="Повторить").click()
    page.wait_for_selector(".answer:not(.writing) .text")
    assert "1642" in page.locator(".answer .text").inner_text()
    assert page.locator(".question").count() == 1


def test_the_keyboard_does_it_all(tab) -> None:
    page = tab.open()
    page.locator(".hello").click()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("Какова глубина")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Байкала?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer:not(.writing)")
    assert page.locator(".bubble").inner_text() == "Какова глубина\nБайкала?"
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".edit textarea")
    page.keyboard.press("Escape")
    assert page.locator(".edit").count() == 0
    assert DEEP.split()[0] in page.locator("#live").inner_text()


def test_a_lost_connection_is_told_and_the_answer_goes_on(tab, model: WebModel) -> None:
    page = tab.open()
    tab.ask("Расскажи подробно о Байкале", wait=False)
    page.wait_for_selector(".writing .draft:not([hidden])")
    page.evaluate("() => window.socket.io.engine.close()")
    page.wait_for_selector("html[data-live=no]")
    page.wait_for_selector("html[data-live=yes]")
    page.wait_for_selector(".answer:not(.writing) .text", timeout=30_000)
    assert page.locator(".answer .text").inner_text().count("1642") == 60


def test_an_answer_that_another_window_gets_appears_here_too(open_tab, server: Running) -> None:
    first = open_tab(server)
    page = first.open()
    first.ask("Расскажи подробно о Байкале", wait=False)
    page.wait_for_url("**/chat/*")
    second = open_tab(server)
    other = second.open("/chat/" + page.url.rpartition("/")[2])
    other.wait_for_selector(".writing")
    page.click("#stop")
    other.wait_for_selector(".answer:not(.writing) .remarks")


def test_a_page_that_is_closed_stops_its_model(open_tab, server: Running, model: WebModel, monkeypatch) -> None:
    from samovar.serve.web import page as pages

    before = model.stopped
    tab = open_tab(server)
    tab.open()
    tab.ask("Расскажи подробно о Байкале", wait=False)
    tab.page.wait_for_selector(".writing .draft:not([hidden])")
    from nicegui import Client

    for client in Client.instances.values():
        client.page.reconnect_timeout = 0.2
    try:
        tab.page.close()
        server.wait_for(lambda: model.stopped == before + 1)
    finally:
        for client in list(Client.instances.values()):
            client.page.reconnect_timeout = pages.RECONNECT_SECONDS
    time.sleep(0.1)
    kept = server.state.store.conversations.list("local")[0]
    server.wait_for(lambda: server.state.store.conversations.messages(kept.id)[-1].status == "stopped")


@pytest.mark.parametrize("text", ["не отправленный вопрос"])
def test_what_was_typed_survives_a_reload(tab, text: str) -> None:
    page = tab.open()
    page.locator("#question").press_sequentially(text)
    page.reload()
    page.wait_for_selector("main[data-ready]")
    assert page.input_value("#question") == text


NONSENSE = [None, 5, "ask", [], {}, {"op": 7}, {"op": "ask"}, {"op": "ask", "text": 9, "documents": 3, "key": [1]},
    {"op": "ask", "text": "x" * 30_000}, {"op": "ask", "replaces": "nothing"}, {"op": "ask", "text": "да", "model": "no such"},
    {"op": "older", "before": "x"}, {"op": "read"}, {"op": "read", "document_id": "x" * 500, "start": -1, "end": 1e99},
    {"op": "rate", "id": "x", "value": 7}, {"op": "rate", "value": True}, {"op": "ask", "text": "\u0000\ud800"}, {"op": "stop"}, {"op": "wait"}]  # fmt: skip


def test_nonsense_from_a_browser_breaks_nothing(tab, server: Running, caplog) -> None:
    page = tab.open()
    for message in NONSENSE:
        page.evaluate("(message) => emitEvent('chat', message)", message)
        page.wait_for_timeout(60)
    page.wait_for_timeout(300)
    tab.open()
    tab.ask(DEPTH)
    assert "1642" in page.locator(".answer .text").last.inner_text()
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == []


def test_a_question_and_a_document_can_be_given_in_the_address(tab, server: Running) -> None:
    document = next(d for d in server.samovar.library.documents() if d.title == "pushkin.txt")
    page = tab.open(f"/?q=%D0%9A%D1%82%D0%BE%20%D0%B0%D0%B2%D1%82%D0%BE%D1%80%3F&document={document.id}")
    assert page.input_value("#question") == "Кто автор?"
    assert "Только в: pushkin.txt" in page.locator("#chips").inner_text()
    tab.ask("Какова глубина Байкала?")
    assert set(page.locator(".answer .source-title").all_text_contents()) <= {"pushkin.txt"}
    page.get_by_role("button", name="Снова спрашивать всю библиотеку").click()
    tab.ask("Какова глубина Байкала?")
    assert page.locator(".answer").last.locator(".source-title", has_text="baikal.txt").count() == 1


def test_a_document_that_is_not_there_restricts_nothing(tab) -> None:
    page = tab.open("/?document=nothing")
    assert not page.locator("#chips").is_visible()
