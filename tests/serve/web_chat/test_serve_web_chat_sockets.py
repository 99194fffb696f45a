"""Live connections belong to a login: nobody uses another's page, an ended session is thrown out, pages ask for a login."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from serve_harness import Person, Running, running_server
from web_chat_model import WebModel

pytestmark = pytest.mark.slow
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=polling&client_id="


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("guarded"), model=WebModel(), accounts=True, web=True) as running:
        yield running


def cookies(server: Running, person: Person) -> list[dict[str, str]]:
    return [{"name": "samovar_session", "value": person.token, "url": server.url}]


def client_of(server: Running, person: Person) -> str:
    """Load a page as this person and return the id of its NiceGUI client."""
    import re

    page = server.session_client(person.user.name).get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    match = re.search(r"client_id[\"']: ?[\"']([0-9a-f-]{36})", page.text)
    assert match is not None
    return match.group(1)


def test_without_a_login_every_page_leads_to_the_login(server: Running) -> None:
    for path in ("/", "/chat/abc", "/?q=%D1%8F"):
        answer = server.client().get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=/")


def test_a_key_opens_pages_only_within_its_scopes(server: Running) -> None:
    person = server.add_person("only-search", "reader", ("search",))
    answer = httpx.get(server.url + "/", headers={"Authorization": f"Bearer {person.key}"}, trust_env=False)
    assert answer.status_code == 403 and "text/html" in answer.headers["content-type"]


def test_anothers_conversation_is_as_if_it_were_not_there(server: Running) -> None:
    head = server.state.store.conversations.create(server.people["other"].user.id, "Тайна", "samovar")
    reader = server.session_client("reader")
    theirs, missing = reader.get(f"/chat/{head.id}"), reader.get("/chat/aaaaaaaaaaaaaaaaaaaaaaaa")
    assert theirs.status_code == missing.status_code == 404
    assert theirs.text == missing.text
    assert "Тайна" not in server.session_client("admin").get(f"/chat/{head.id}").text


def test_a_socket_is_opened_only_to_ones_own_page(server: Running) -> None:
    mine, theirs = client_of(server, server.people["reader"]), client_of(server, server.people["other"])
    reader = server.session_client("reader")
    assert reader.get(SOCKET + mine).status_code == 200
    assert reader.get(SOCKET + theirs).status_code == 403
    assert reader.get(SOCKET).status_code == 403
    assert reader.get(SOCKET + "nobody").status_code == 403
    assert server.client().get(SOCKET + mine).status_code == 403
    # the page was made for the session, not the key
    assert server.client("reader").get(SOCKET + mine).status_code == 403


def test_anothers_upload_address_is_closed(server: Running) -> None:
    theirs = client_of(server, server.people["other"])
    path = f"/_nicegui/client/{theirs}/upload/4"
    assert server.session_client("reader").post(path, files={"file": b"x"}).status_code == 403
    assert server.session_client("other").post(path, files={"file": b"x"}).status_code != 403


def test_an_event_for_anothers_page_goes_nowhere(open_tab, server: Running) -> None:
    victim = open_tab(server, cookies=cookies(server, server.people["other"]))
    page = victim.open()
    target = page.evaluate(
        """() => ({client: window.clientId, listener: mounted_app.elements[0].events.find((e) => e.type === "chat").listener_id})"""
    )
    attacker = open_tab(server, cookies=cookies(server, server.people["reader"]))
    emit = """({client, listener, key}) => { window.socket.emit("event", {client_id: client, id: 0, listener_id: listener,
        args: [JSON.stringify({op: "ask", key, text: "Чужой вопрос " + key})]}); }"""
    attacker.open().evaluate(emit, {**target, "key": "from-elsewhere"})
    attacker.ask("Какова глубина Байкала?")  # a round trip: whatever was sent before has been handled
    own = lambda: [c.title for c in server.state.store.conversations.list(server.people["other"].user.id)]  # noqa: E731
    assert not [title for title in own() if "from-elsewhere" in title]
    page.evaluate(emit, {**target, "key": "from-the-page"})
    server.wait_for(lambda: any("from-the-page" in title for title in own()))


def test_a_session_that_ends_throws_its_pages_out_at_once(open_tab, server: Running) -> None:
    person = server.add_person("leaver", "reader")
    tab = open_tab(server, cookies=cookies(server, person))
    tab.allowed = ("status of 4", "404")
    page = tab.open()
    tab.ask("Расскажи подробно о Байкале", wait=False)
    page.wait_for_selector(".writing .draft:not([hidden])")
    server.state.store.sessions.end(person.session.id)
    page.wait_for_url("**/login?next=*")
    head = server.state.store.conversations.list(person.user.id)[0]
    server.wait_for(lambda: server.state.store.conversations.messages(head.id)[-1].status == "stopped")


def test_disabling_an_account_throws_its_pages_out(open_tab, server: Running) -> None:
    person = server.add_person("disabled", "reader")
    tab = open_tab(server, cookies=cookies(server, person))
    tab.allowed = ("status of 4", "404")
    page = tab.open()
    server.state.store.accounts.set_disabled(person.user.id, True)
    page.wait_for_url("**/login?next=*")


def test_other_sessions_stay_when_one_ends(open_tab, server: Running) -> None:
    person = server.add_person("twice", "reader")
    stay = open_tab(server, cookies=cookies(server, person))
    page = stay.open()
    _, second = server.state.store.sessions.start(person.user.id, "test", "127.0.0.1")
    server.state.store.sessions.end(second.id)
    stay.ask("Какова глубина Байкала?")
    assert "1642" in page.locator(".answer .text").inner_text()
