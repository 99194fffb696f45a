"""Login, invitation, account and administration pages in a real browser, on a server with accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_harness import PASSWORD, Running, running_server, text_document

from samovar.serve.access import private_source

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("people"), accounts=True, web=True) as running:
        mine = private_source(running.people["other"].user.id)
        running.put(
            text_document(
                "diary.txt",
                "Дневник: сегодня видел жар-птицу над огородом.",
                source=mine,
                publisher="Тайное издательство",
            )
        )
        yield running


def log_in(tab: Any, name: str, password: str = PASSWORD) -> None:
    tab.page.fill("#field-name", name)
    tab.page.fill("#field-password", password)
    tab.page.press("#field-password", "Enter")


def test_who_is_not_logged_in_is_asked_and_then_sent_where_they_wanted(server: Running, open_tab: Any) -> None:
    tab = open_tab(server)
    tab.allowed = ("401",)
    page = tab.open("/library/ledger?decision=kept", live=False)
    assert "/login?next=" in page.url
    assert page.evaluate("document.activeElement.id") == "field-name"
    log_in(tab, "reader", "wrong password")
    page.wait_for_selector(".alert:not([hidden])")
    assert page.locator(".alert:not([hidden])").inner_text() == "Имя и пароль не подходят друг к другу."
    log_in(tab, "reader")
    page.wait_for_selector(".ledger-page")
    assert page.url.endswith("/library/ledger?decision=kept")
    cookie = next(c for c in page.context.cookies() if c["name"] == "samovar_session")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    page.goto(server.url + "/login?next=//evil.example/")
    assert page.url == server.url + "/"
    page.click("#log-out")
    page.wait_for_url("**/login*")
    page.goto(server.url + "/library")
    assert "/login" in page.url


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_a_login_never_leads_elsewhere(server: Running, open_tab: Any, target: str) -> None:
    tab = open_tab(server)
    tab.open("/login?next=" + target, live=False)
    log_in(tab, "editor")
    tab.page.wait_for_selector("main.chat, main.sheet:not(.entrance)")
    assert tab.page.url.startswith(server.url + "/")


def test_an_invitation_makes_one_account(server: Running, open_tab: Any) -> None:
    admin = open_tab(server, person=server.people["admin"])
    page = admin.open("/admin")
    page.select_option("#field-role", "editor")
    page.click("text=Создать приглашение")
    page.wait_for_selector(".reveal:not([hidden])")
    address = page.locator(".reveal:not([hidden]) output").inner_text()
    assert address.startswith(server.url + "/invite/")
    page.reload()
    assert address not in page.content()

    guest = open_tab(server)
    guest.allowed = ("409",)
    page = guest.open(address.removeprefix(server.url), live=False)
    assert "редактор" in page.locator("#main").inner_text()
    page.fill("#field-name", "reader")
    page.fill("#field-password", "длинный пароль 1")
    page.fill("#field-again", "длинный пароль 2")
    page.click(".entrance button.primary")
    assert page.locator(".alert:not([hidden])").inner_text() == "Пароли не совпадают."
    page.fill("#field-again", "длинный пароль 1")
    page.click(".entrance button.primary")
    page.wait_for_selector(".alert >> text=Это имя занято.")
    page.fill("#field-name", "Новая")
    page.click(".entrance button.primary")
    page.wait_for_selector("main.chat")
    assert server.state.store.accounts.by_name("новая").role == "editor"
    again = open_tab(server).open(address.removeprefix(server.url), live=False)
    assert again.locator("form[data-api]").count() == 0


def test_a_key_is_shown_once_works_and_can_be_revoked(server: Running, open_tab: Any) -> None:
    page = open_tab(server, person=server.people["reader"]).open("/account")
    assert page.locator("input[name=scopes]").count() == 3  # a reader's
    page.fill("#keys ~ form #field-name", "мой скрипт")
    page.select_option("#field-expires_at", "30")
    page.click("text=Создать ключ")
    page.wait_for_selector(".reveal:not([hidden])")
    text = page.locator(".reveal:not([hidden]) output").inner_text()
    assert text.startswith("smv-") and len(text) == 44
    page.locator(".reveal:not([hidden]) button[data-copy]").click()
    page.wait_for_selector("text=Скопировано")
    key = next(k for k in server.state.store.keys.list(server.people["reader"].user.id) if k.name == "мой скрипт")
    assert key.scopes == {"ask", "search"} and key.expires_at
    assert server.client(key=text).get("/api/samovar/documents").status_code == 200
    page.reload()
    assert text not in page.content() and text[-4:] in page.content()
    page.locator(".keys tr", has_text="мой скрипт").locator("button").click()
    page.click("dialog[open] [value=yes]")
    page.wait_for_selector(".keys .badge.dropped")
    assert server.client(key=text).get("/api/samovar/documents").status_code == 401


def test_a_login_that_is_ended_elsewhere_throws_its_page_out(server: Running, open_tab: Any) -> None:
    store, reader = server.state.store, server.people["reader"]
    first = open_tab(server, person=reader).open("/account")
    token, _session = store.sessions.start(reader.user.id, "Mozilla/5.0 (Android) Firefox/140.0", "192.0.2.7")
    second = open_tab(server)
    second.allowed = ("401", "WebSocket", "403")
    second.page.context.add_cookies([{"name": "samovar_session", "value": token, "url": server.url}])
    second.open("/search?q=Байкал")
    first.reload()
    row = first.locator("tr", has_text="Firefox, Android")
    assert "192.0.2.7" in row.inner_text()
    row.locator("button").click()
    first.wait_for_function("!document.body.innerText.includes('Firefox, Android')")
    second.page.wait_for_url("**/login?next=*")
    assert store.sessions.find(token) is None
    assert first.locator(".badge >> text=этот браузер").count() == 1


def test_a_new_password_ends_the_other_logins(server: Running, open_tab: Any) -> None:
    person = server.add_person("changing")
    other, _ = server.state.store.sessions.start(person.user.id)
    tab = open_tab(server, lang="en", person=person)
    tab.allowed = ("403",)
    page = tab.open("/account")
    page.fill("#field-old", "not this one")
    page.fill("#field-new", "a better password 7")
    page.fill("#field-again", "a better password 7")
    page.click("text=Change >> visible=true >> nth=-1")
    page.wait_for_selector(".alert >> text=The present password is another one.")
    page.fill("#field-old", PASSWORD)
    page.locator("form[data-api$='/password'] button").click()
    page.wait_for_selector(".done-message:not([hidden])")
    store = server.state.store
    assert store.accounts.check_password("changing", "a better password 7") is not None
    assert store.sessions.find(other) is None and store.sessions.find(person.token) is not None


def test_all_data_can_be_taken_along_and_the_account_deleted(server: Running, open_tab: Any, tmp_path: Path) -> None:
    person = server.add_person("leaving")
    tab = open_tab(server, person=person)
    page = tab.open("/account")
    with page.expect_download() as waiting:
        page.click("text=Скачать всё")
    waiting.value.save_as(tmp_path / "all.json")
    assert json.loads((tmp_path / "all.json").read_text())["user"]["name"] == "leaving"
    page.click("summary >> text=Удалить учётную запись")
    page.fill("form[data-api$='/delete'] input[name=password]", PASSWORD)
    page.click("text=Удалить навсегда")
    assert "нельзя" in page.locator("dialog[open]").inner_text()
    page.click("dialog[open] [value=yes]")
    page.wait_for_url("**/login*")
    # the page is thrown out when its session ends, a moment before the account is gone
    server.wait_for(lambda: server.state.store.accounts.by_name("leaving") is None)


def test_an_administrator_manages_people(server: Running, open_tab: Any) -> None:
    person = server.add_person("managed")
    tab = open_tab(server, lang="en", person=server.people["admin"])
    tab.allowed = ("409",)
    page = tab.open("/admin")
    accounts = server.state.store.accounts
    row = page.locator(".users tr", has_text="managed")
    row.locator("select").select_option("editor")
    page.wait_for_selector(".users select.saved")
    assert accounts.get(person.user.id).role == "editor"
    row.locator("button >> text=Disable").click()
    page.click("dialog[open] [value=yes]")
    row.locator(".badge.dropped").wait_for()
    assert accounts.get(person.user.id).disabled
    row.locator("button >> text=Enable").click()
    row.locator(".badge.kept").wait_for()
    row.locator("button >> text=Delete").click()
    page.click("dialog[open] [value=yes]")
    row.wait_for(state="detached")
    assert accounts.get(person.user.id) is None
    mine = page.locator(".users tr", has_text="you").locator("select")
    mine.select_option("reader")  # the last administrator stays one
    page.wait_for_selector("dialog[open] >> text=There must be an administrator left.")
    page.click("dialog[open] [value=yes]")
    assert mine.input_value() == "admin" and accounts.get(server.people["admin"].user.id).role == "admin"


def test_readers_see_only_what_they_may(server: Running, open_tab: Any) -> None:
    tab = open_tab(server, person=server.people["reader"])
    tab.allowed = ("403", "404")
    page = tab.open("/library")
    assert page.locator("nav a[href='/admin']").count() == 0
    assert page.locator("#shared-name").count() == 0
    assert page.locator(".documents tbody tr").count() == 3 and page.locator(".documents button").count() == 0
    for path in ("/library", "/library/ledger", "/about", "/search?q=дневник+жар-птица"):
        text = tab.open(path).locator("#main").inner_text()
        assert "diary" not in text and "Тайное" not in text and "user:" not in text
    diary = next(d for d in server.samovar.library.documents() if d.title == "diary.txt")
    assert page.goto(f"{server.url}/document/{diary.id}").status == 404
    hidden = page.locator("main.plain").inner_text()
    assert page.goto(f"{server.url}/document/{'0' * 32}").status == 404
    assert page.locator("main.plain").inner_text() == hidden
    assert page.goto(server.url + "/admin").status == 403
    owner = open_tab(server, person=server.people["other"]).open("/search?q=дневник+жар-птица")
    assert owner.locator(".hit h3").first.inner_text() == "diary.txt"
    assert "Моё собрание" in owner.locator(".hit").first.inner_text()


def test_editors_may_change_what_is_shared_but_administrators_do_not_see_what_is_private(
    server: Running, open_tab: Any
) -> None:
    editor = open_tab(server, person=server.people["editor"]).open("/library")
    assert editor.locator("#shared-name").count() == 1
    assert editor.locator(".documents tbody button").count() == 3
    admin = open_tab(server, person=server.people["admin"]).open("/library")
    assert "diary" not in admin.content()
