"""Debian's chromium, headless, for the tests of the pages: how it is started, which sizes it has, what must never happen in it.

with chromium() as browser, watched(browser, running, lang="en", size="phone") as page: …
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from serve_harness import Running

CHROMIUM = os.environ.get("SAMOVAR_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
SWITCHES = ("no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run", "disable-quic")  # fmt: skip
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
IGNORED = ("Unrecognized feature",)
"""Beginnings of complaints that this chromium makes of headers it does not know yet."""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser. While Playwright's driver runs, an event loop runs in this thread, and other tests could start none: keep it short."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need the extra 'dev' (playwright)"
    )
    if not os.path.exists(CHROMIUM):
        pytest.skip(f"no chromium at {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[f"--{name}" for name in SWITCHES])
        yield browser
        browser.close()


def context_in(browser: Any, lang: str = "ru", size: str = "desktop", theme: str = "light") -> Any:
    """Return a browser context of a visitor: language, window, theme; a phone has touch."""
    return browser.new_context(
        viewport=SIZES[size], locale=f"{lang}-{lang.upper()}", color_scheme=theme, has_touch=size == "phone"
    )


@dataclass
class Watch:
    """What must never happen on a page: `complaints` (console errors and warnings, uncaught exceptions) and requests to elsewhere."""

    page: Any
    running: Running
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(m.text))
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("request", lambda r: self.requests.append(r.url))

    def check(self) -> None:
        """Nothing that must not happen has happened."""
        elsewhere = [url for url in self.requests if not url.startswith((self.running.url, "data:", "blob:"))]
        assert elsewhere == []
        assert self._unexpected(self.allowed) == []

    def _unexpected(self, allowed: Sequence[str]) -> list[str]:
        return [c for c in self.complaints if not any(a in c for a in (*IGNORED, *allowed))]
