"""Take the screenshots of docs/images: a real server over the starter library, a real browser, nothing staged.

    python scripts/screenshots.py [--out docs/images] [--only chat-desktop-ru …]

Needs the extras ``serve`` and ``test-web``, Pillow and a Chromium (``SAMOVAR_CHROMIUM``, else the one on the path). Runs offline.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLAGS = ("no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run", "disable-quic")  # fmt: skip
DESKTOP, PHONE = (1280, 800), (390, 844)
START_SECONDS = 180.0
MOST_BYTES = 200_000  # a page of the documentation shows several
QUESTION = "Кто написал «Мёртвые души»?"
CHAT = ("Кто открыл периодический закон?", QUESTION)

Do = Callable[[Any, str], None]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: what to do in a fresh browser (given the page and the server's address) and how the browser is set."""

    name: str
    do: Do
    lang: str = "ru"
    size: tuple[int, int] = DESKTOP
    theme: str = "light"


def main() -> None:
    """Take them all, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "images")
    parser.add_argument("--only", nargs="*", default=[], help="names of pictures")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("SAMOVAR_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    with serving() as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=[f"--{flag}" for flag in FLAGS])
        for shot in SHOTS:
            if not asked.only or shot.name in asked.only:
                take(browser, url, shot, asked.out / f"{shot.name}.png")
        browser.close()


@contextmanager
def serving() -> Iterator[str]:
    """Run `samovar serve` with a home of its own; yield its address when it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "samovar", "serve", "--port", str(port), "--no-open", "--quiet"]
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(command, env={**os.environ, "SAMOVAR_HOME": home}, stdout=subprocess.DEVNULL)
        try:
            wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers; fail when it ends or takes too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/samovar/health", timeout=5):  # our own loopback address
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def take(browser: Any, url: str, shot: Shot, path: Path) -> None:
    """Take one picture."""
    width, height = shot.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale=f"{shot.lang}-{shot.lang.upper()}", color_scheme=shot.theme, has_touch=width < 600
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(30_000)
    shot.do(page, url)
    page.mouse.move(width - 2, 2)  # nothing is hovered over
    page.wait_for_timeout(400)  # transitions
    page.screenshot(path=path)
    # the next picture begins afresh
    for one in page.request.get(f"{url}/api/samovar/conversations").json()["conversations"]:
        page.request.delete(f"{url}/api/samovar/conversations/{one['id']}", headers={"Origin": url})
    context.close()
    shrink(path)
    size = path.stat().st_size
    print(f"{path.name}: {size // 1000} kB", file=sys.stderr)
    if size > MOST_BYTES:
        raise SystemExit(f"expected at most {MOST_BYTES} bytes, found {size} in {path.name}")


def shrink(path: Path) -> None:
    """Keep 256 colours: text and charts have no more, and the file is a third as large."""
    from PIL import Image

    with Image.open(path) as full:
        few = full.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


# -- what is shown --------------------------------------------------------------------------------------------------
def opened(page: Any, address: str) -> None:
    """Open a page and wait until it is live."""
    page.goto(address)
    page.wait_for_selector("html[data-live=yes]")


def ask(page: Any, url: str, *questions: str) -> None:
    """Ask in a new conversation."""
    opened(page, url)
    page.wait_for_selector("main[data-ready]")
    for number, question in enumerate(questions):
        page.fill("#question", question)
        page.press("#question", "Enter")
        page.wait_for_selector(f".log .answer:not(.writing) >> nth={number}")
        page.wait_for_selector("main:not(.running)")


def cited(page: Any, url: str) -> None:
    """A conversation with the panel open at a citation."""
    ask(page, url, *CHAT)
    page.locator("button.cite").last.click()
    page.wait_for_selector("#panel mark")


def answered(page: Any, url: str) -> None:
    """One question with its answer."""
    ask(page, url, QUESTION)


def searched(page: Any, url: str) -> None:
    """A search with the first result's rank explained."""
    opened(page, f"{url}/search?q=первый полёт человека в космос")
    page.wait_for_selector(".hit")


def listed(page: Any, url: str) -> None:
    """The library's list."""
    opened(page, f"{url}/library")


def read(page: Any, url: str) -> None:
    """A document at a cited stretch."""
    answered(page, url)
    page.locator("button.cite").first.click()
    page.wait_for_selector("#panel mark")
    page.locator("#panel a[href^='/document/']").first.click()
    page.wait_for_selector("main mark")
    page.wait_for_selector("html[data-live=yes]")


def about(page: Any, url: str) -> None:
    """What the system says about itself, at the make-up of the library."""
    opened(page, f"{url}/about")


SHOTS = (
    Shot("chat-desktop-ru", cited),
    Shot("chat-desktop-en", cited, lang="en"),
    Shot("chat-dark-ru", cited, theme="dark"),
    Shot("chat-phone-ru", answered, size=PHONE),
    Shot("search-desktop-ru", searched),
    Shot("library-desktop-ru", listed),
    Shot("document-desktop-ru", read),
    Shot("about-desktop-ru", about),
)

if __name__ == "__main__":
    main()
