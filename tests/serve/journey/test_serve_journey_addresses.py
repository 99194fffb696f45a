"""Addresses that nothing answers: a page for people, in their language and with the navigation; the dialect's error for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_browser import Watch, chromium, context_in
from serve_harness import Running, running_server

from samovar.serve.web.words import web_words

pytestmark = pytest.mark.slow
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("addresses"), accounts=True, web=True) as running:
        yield running


@pytest.mark.parametrize("lang", ["ru", "en"])
def test_a_browser_gets_a_page_in_its_language(server: Running, lang: str) -> None:
    client = server.session_client("reader", headers={**HTML, "Accept-Language": lang})
    answer = client.get("/no/such/page?x=<script>")
    assert answer.status_code == 404 and answer.headers["content-type"].startswith("text/html")
    words = web_words(lang)
    assert words.say("refusal.404") in answer.text and f'<html lang="{lang}"' in answer.text
    assert words.say("frame.library") in answer.text and "<script>" not in answer.text
    assert "script-src 'self' 'nonce-" in answer.headers["content-security-policy"]
    missing = client.get("/document/" + "0" * 32)
    assert missing.status_code == 404 and words.say("refusal.404") in missing.text and 'href="/library"' in missing.text


def test_who_is_not_logged_in_sees_no_navigation(server: Running) -> None:
    answer = server.client(headers=HTML).get("/no/such/page")
    assert answer.status_code == 404 and 'href="/library"' not in answer.text and 'href="/"' in answer.text
    assert "reader" in server.session_client("reader", headers=HTML).get("/no/such/page").text


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/api/v1/nothing", "/api/samovar/nothing", "/api/nothing", "/mcp/nothing"]
)
def test_programs_get_json_whatever_they_accept(server: Running, path: str) -> None:
    answer = server.client("reader", headers=HTML).get(path)
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("method", "accept"), [("GET", "application/json"), ("GET", "*/*"), ("POST", "text/html")])
def test_what_is_no_browser_looking_for_a_page_gets_json(server: Running, method: str, accept: str) -> None:
    answer = server.session_client("reader").request(method, "/no/such/page", headers={"Accept": accept})
    assert answer.status_code in (404, 405) and answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("size", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_the_page_works_in_a_browser(server: Running, tmp_path: Path, size: str, theme: str) -> None:
    with chromium() as browser:
        context = context_in(browser, "ru", size, theme)
        context.add_cookies([{"name": "samovar_session", "value": server.people["reader"].token, "url": server.url}])
        watch = Watch(context.new_page(), server, allowed=("404",))
        page: Any = watch.page
        answer = page.goto(server.url + "/no/such/page")
        assert answer.status == 404
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        if size == "phone":
            page.click("#open-side")
            page.wait_for_selector("#side.open")
        page.click("nav a[href='/library']")
        page.wait_for_selector("#main h1 >> text=Библиотека")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        watch.check()
