"""Every page at both sizes, in both themes and languages: no serious finding of axe-core, nothing wider than the screen, usable by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from serve_harness import Running, running_server

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
pytestmark = pytest.mark.slow

PATHS = (
    "/search",
    "/search?q=самавар+в+туле",
    "/library",
    "/library/ledger",
    "/about",
    "/document/{id}?start=5&end=20",
    "/account",
    "/admin",
)
LOOKS = (("ru", "desktop", "light"), ("en", "phone", "dark"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("access"), accounts=True, web=True) as running:
        yield running


def serious(page: Any) -> list[str]:
    """The serious and critical findings, with the elements they are about."""
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {[n['html'][:120] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("lang", "size", "theme"), LOOKS)
def test_pages_are_accessible_and_fit(server: Running, open_tab: Any, lang: str, size: str, theme: str) -> None:
    tab = open_tab(server, lang=lang, size=size, theme=theme, person=server.people["admin"])
    known = next(server.samovar.library.documents()).id
    for path in PATHS:
        page = tab.open(path.format(id=known))
        assert page.evaluate("document.documentElement.lang").startswith(lang)
        page.evaluate("document.querySelectorAll('#main details').forEach((d) => { d.open = true; })")
        assert serious(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        assert page.locator("h1").count() == 1, path


@pytest.mark.parametrize(("lang", "size", "theme"), LOOKS)
def test_the_entrance_is_accessible_and_fits(server: Running, open_tab: Any, lang: str, size: str, theme: str) -> None:
    tab = open_tab(server, lang=lang, size=size, theme=theme)
    token, _ = server.state.store.invitations.create("reader", server.people["admin"].user.id)
    for path in ("/login", f"/invite/{token}", "/invite/wrong"):
        page = tab.open(path, live=False)
        assert serious(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_the_search_works_by_keyboard_alone(server: Running, open_tab: Any) -> None:
    page = open_tab(server, person=server.people["reader"]).open("/search?q=Байкал")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("глубина озера")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=%D0%B3%D0%BB%D1%83*")
    page.wait_for_selector(".hit")
    page.locator(".hit h3 a").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator(".hit details[open]").count() == 1
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#quote")


def test_the_question_before_removal_takes_the_keyboard_and_gives_it_back(server: Running, open_tab: Any) -> None:
    page = open_tab(server, person=server.people["editor"]).open("/library")
    button = page.locator(".documents button").first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert page.evaluate("document.activeElement.value") == "no"
    assert serious(page) == []
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert button.evaluate("e => e === document.activeElement")
