"""Helpers of the command-line tests: the program run in this process or as a child, on a temporary home.

`seeded_home` holds the starter library and its index, made once for the session; tests get copies.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_child import child_environment

from samovar.cli import main


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the program gave."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SAMOVAR_") or name in ("LANGUAGE", "LC_MESSAGES", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(scope="session")
def seeded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the starter library and its index. Never written to: `home` gives copies."""
    home = tmp_path_factory.mktemp("seeded")
    done = subprocess.run(
        [sys.executable, "-m", "samovar", "search", "Байкал"],
        env=child_environment(home),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return home


@pytest.fixture
def home(seeded_home: Path, tmp_path: Path) -> Path:
    """A home of one's own with the starter library in it."""
    copy = tmp_path / "home"
    shutil.copytree(seeded_home, copy)
    return copy


@pytest.fixture
def run(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program in this process on `home` (made when needed) or on ``home=``: ``run("library", "info", lang="ru")``."""

    def run_here(
        *arguments: str, lang: str = "en", home: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Ran:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        place = home or request.getfixturevalue("home")
        capsys.readouterr()
        status = main(["--home", str(place), "--lang", lang, *arguments])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run_here


@pytest.fixture
def run_child(request: pytest.FixtureRequest) -> Run:
    """Run the program as a child: ``run_child("ask", "…", input="…", env={…})``."""

    def run_there(
        *arguments: str,
        home: Path | None = None,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "samovar", *arguments],
            env=child_environment(home or request.getfixturevalue("home"), **(env or {})),
            input=input.encode() if input is not None else None,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
            **options,
        )
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    return run_there


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[Path]:
    """A folder with three readable texts, an empty one and a hidden one."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, subject in (("one", "самоваре"), ("two", "пароходе"), ("three", "кувшине")):
        sentence = f"Это рассказ о {subject}, который стоял у окна и никому не мешал. "
        (folder / f"{name}.txt").write_text(sentence * 4, encoding="utf-8")
    (folder / "empty.txt").touch()
    (folder / ".hidden.txt").write_text("тайна")
    yield folder


@pytest.fixture
def slow_endpoint() -> Iterator[str]:
    """An OpenAI-compatible endpoint on loopback that says a word every tenth of a second, for a minute."""
    pytest.importorskip("openai")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with suppress(OSError):  # the client hangs up: that is the point
                for number in range(600):
                    choice = {"index": 0, "delta": {"content": f"слово{number} "}, "finish_reason": None}
                    chunk = {
                        "id": "1",
                        "object": "chat.completion.chunk",
                        "created": 0,
                        "model": "slow",
                        "choices": [choice],
                    }
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                    self.wfile.flush()
                    time.sleep(0.1)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
