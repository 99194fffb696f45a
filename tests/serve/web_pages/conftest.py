"""Tabs of a real browser on a real server with pages. What must never happen (errors in the console, requests to elsewhere) is collected
and checked at the end of each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import serve_browser
from serve_harness import Person, Running


@dataclass
class Tab:
    """A browser page. `complaints` are console errors, warnings and uncaught exceptions."""

    page: Any
    running: Running
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def open(self, path: str, *, live: bool = True) -> Any:
        """Go to a path and wait until the page is there and its socket is."""
        self.page.goto(self.running.url + path)
        self.page.wait_for_selector("main.sheet, main.plain, main.chat")
        if live:
            self.page.wait_for_selector("html[data-live=yes]")
        return self.page

    def check(self) -> None:
        """Nothing that must not happen has happened."""
        elsewhere = [url for url in self.requests if not url.startswith((self.running.url, "data:", "blob:"))]
        assert elsewhere == []
        assert [c for c in self.complaints if not any(a in c for a in (*serve_browser.IGNORED, *self.allowed))] == []


OpenTab = Callable[..., Tab]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser, for one module."""
    with serve_browser.chromium() as browser:
        yield browser


@pytest.fixture
def open_tab(chromium: Any) -> Iterator[OpenTab]:
    """Make tabs, each in a browser context of its own: ``open_tab(running, lang="en", size="phone", theme="dark", person=…)``."""
    with ExitStack() as stack:
        tabs: list[Tab] = []

        def make(
            running: Running,
            *,
            lang: str = "ru",
            size: str = "desktop",
            theme: str = "light",
            person: Person | None = None,
        ) -> Tab:
            context = serve_browser.context_in(chromium, lang, size, theme)
            stack.callback(context.close)
            if person:
                context.add_cookies([{"name": "samovar_session", "value": person.token, "url": running.url}])
            tab = Tab(context.new_page(), running)
            tab.page.set_default_timeout(20_000)
            tab.page.on("console", lambda m: tab.complaints.append(m.text) if m.type in ("error", "warning") else None)
            tab.page.on("pageerror", lambda e: tab.complaints.append(str(e)))
            tab.page.on("request", lambda r: tab.requests.append(r.url))
            tabs.append(tab)
            return tab

        yield make
        for tab in tabs:
            tab.check()
