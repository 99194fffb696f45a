"""A real browser (Debian's chromium, headless) on a real server with pages. One server per module: NiceGUI is one per process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import serve_browser
from serve_harness import Running, running_server
from web_chat_model import WebModel


@dataclass
class Tab:
    """A browser page, with what must never happen written down: errors, policy violations, requests to elsewhere."""

    page: Any
    running: Running
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def open(self, path: str = "/") -> Any:
        """Go to a path and wait until the page is live."""
        self.page.goto(self.running.url + path)
        self.page.wait_for_selector("html[data-live=yes]")
        if path == "/" or path.startswith(("/chat/", "/?")):
            self.page.wait_for_selector("main[data-ready]")
        return self.page

    def ask(self, text: str, *, wait: bool = True) -> None:
        """Type a question and send it; wait for the answer."""
        before = self.answers()
        self.page.fill("#question", text)
        self.page.press("#question", "Enter")
        if wait:
            self.page.wait_for_selector(f".log .answer:not(.writing) >> nth={before}")
            self.page.wait_for_selector("main:not(.running)")

    def answers(self) -> int:
        """How many answers stand there."""
        return int(self.page.locator(".log .answer:not(.writing)").count())

    def check(self) -> None:
        """Nothing that must not happen has happened."""
        elsewhere = [u for u in self.requests if not u.startswith((self.running.url, "data:", "blob:"))]
        assert not elsewhere
        assert not [c for c in self.complaints if not any(a in c for a in (*serve_browser.IGNORED, *self.allowed))]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser, for one module."""
    with serve_browser.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def model() -> WebModel:
    return WebModel()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: WebModel) -> Iterator[Running]:
    """A server without accounts whose model says what its question asks for."""
    with running_server(tmp_path_factory.mktemp("web"), model=model, web=True) as running:
        yield running


OpenTab = Callable[..., Tab]


@pytest.fixture
def open_tab(chromium: Any) -> Iterator[OpenTab]:
    """Make tabs, each in a browser context of its own; every one is checked at the end."""
    with ExitStack() as stack:
        tabs: list[Tab] = []

        def make(
            running: Running, *, lang: str = "ru", size: str = "desktop", theme: str = "light", cookies: Any = None
        ) -> Tab:
            context = serve_browser.context_in(chromium, lang, size, theme)
            stack.callback(context.close)
            if cookies:
                context.add_cookies(cookies)
            tab = Tab(context.new_page(), running)
            tab.page.set_default_timeout(20_000)
            tab.page.on("console", lambda m: m.type in ("error", "warning") and tab.complaints.append(m.text))
            tab.page.on("pageerror", lambda e: tab.complaints.append(str(e)))
            tab.page.on("request", lambda r: tab.requests.append(r.url))
            tabs.append(tab)
            return tab

        yield make
        for tab in tabs:
            tab.check()


@pytest.fixture
def tab(open_tab: OpenTab, server: Running) -> Tab:
    return open_tab(server)
