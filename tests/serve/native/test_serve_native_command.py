"""``samovar serve`` as a process of its own: starting, refusing to, and ending without broken streams."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from native_sse import events_of
from serve_harness import TEXTS

API = "/api/samovar"
pytestmark = pytest.mark.slow


@dataclass(slots=True)
class Child:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def end(self, number: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


Start = Callable[..., Child]


def environment(home: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SAMOVAR_")}
    return {**clean, "SAMOVAR_HOME": str(home), "LC_ALL": "C.UTF-8", "SAMOVAR_LIBRARY__STARTER": "0", **more}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three texts in it. Never written to: `home` gives copies."""
    folder = tmp_path_factory.mktemp("texts")
    for name, text in TEXTS.items():
        (folder / name).write_text(text * 3, encoding="utf-8")
    place = tmp_path_factory.mktemp("seeded")
    done = run(place, "add", str(folder), "--source", "test")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def home(seeded: Path, tmp_path: Path) -> Path:
    """A home of one's own with three texts in it."""
    return Path(shutil.copytree(seeded, tmp_path / "home"))


def run(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "samovar", *arguments]
    return subprocess.run(
        command,
        env=environment(home, **env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    """Start servers that end with the test."""
    children: list[Child] = []

    def begin(*arguments: str, **env: str) -> Child:
        log = tmp_path / f"log{len(children)}"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "samovar", "serve", "--port", "0", "--json", "--no-open", *arguments],
                env=environment(home, **env),
                stdout=subprocess.PIPE,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        children.append(child := Child(process, "", log))
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        ready = json.loads(line)
        assert ready["pid"] == process.pid
        child.url = ready["url"].rstrip("/")
        return child

    yield begin
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
        child.process.wait(30)
        assert child.process.stdout is not None
        child.process.stdout.close()


@contextmanager
def slow_stream(child: Child) -> Iterator[tuple[httpx.Client, Iterator[tuple[str, dict[str, object]]]]]:
    """A stream in the middle of its answer."""
    with httpx.Client(base_url=child.url, trust_env=False, timeout=60) as client:
        body = {"text": "Где изобрели самовар?"}
        with client.stream("POST", f"{API}/conversations/messages", json=body) as response:
            events = events_of(response)
            while next(events)[0] != "delta":
                pass
            yield client, events


@pytest.fixture
def slow_endpoint() -> Iterator[str]:
    """An OpenAI-compatible endpoint that says a word every twentieth of a second, for a minute."""
    import threading
    from contextlib import suppress
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    pytest.importorskip("openai")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with suppress(OSError):
                for number in range(1200):
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
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def slow(endpoint: str, **more: str) -> dict[str, str]:
    return {"SAMOVAR_GENERATE__MODEL": "openai:slow", "SAMOVAR_GENERATE__BASE_URL": endpoint, **more}


def test_it_starts_answers_and_ends(start: Start) -> None:
    child = start()
    with httpx.Client(base_url=child.url, trust_env=False, timeout=60) as client:
        assert client.get(f"{API}/ready").json()["status"] == "ready"
        assert client.post(f"{API}/ask", json={"question": "Где изобрели самовар?"}).json()["status"] == "answered"
        assert client.get("/").status_code == 200
    assert child.end() == 0
    log = child.log.read_text()
    assert "Stopped." in log
    assert f"POST {API}/ask 200" in log
    assert "самовар" not in log
    assert "Traceback" not in log


def test_the_first_start_brings_a_library(tmp_path: Path) -> None:
    home = tmp_path / "new"
    process = subprocess.Popen(
        [sys.executable, "-m", "samovar", "serve", "--port", "0", "--lang", "ru", "--quiet"],
        env=environment(home, SAMOVAR_LIBRARY__STARTER="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("Самовар готов:  http://127.0.0.1:"):
            process.kill()
            pytest.fail(f"{line}{process.communicate()[1]}")
        answer = httpx.get(line.split()[-1] + "api/samovar/library", trust_env=False, timeout=60).json()
        assert answer["by_source"]["starter"] > 10
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Остановлен." in err
        assert "GET" not in err, "--quiet logs no requests"


def test_a_taken_port(start: Start, home: Path) -> None:
    port = start().url.rsplit(":", 1)[1]
    done = run(home, "serve", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_accounts_only_loopback(home: Path) -> None:
    done = run(home, "serve", "--host", "0.0.0.0", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "samovar user add" in done.stderr


def test_a_missing_model_is_a_message(home: Path) -> None:
    done = run(home, "serve", "--port", "0", "--model", "no-such-model")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no-such-model" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_database_is_a_message(home: Path) -> None:
    (home / "serve").mkdir(exist_ok=True)
    (home / "serve" / "serve.sqlite").write_bytes(b"this is no database" * 100)
    done = run(home, "serve", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ")


def test_running_answers_may_finish(start: Start, slow_endpoint: str) -> None:
    """SIGTERM: no new connection, the running stream gets its time and then its last event, and what was said is kept."""
    child = start(**slow(slow_endpoint, SAMOVAR_SERVE__SHUTDOWN_SECONDS="1"))
    with slow_stream(child) as (_, events):
        child.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        rest = list(events)
    assert rest[-1][0] == "done"
    assert rest[-1][1]["message"]["status"] == "stopped"  # type: ignore[index]
    assert sum(1 for name, _ in rest if name == "delta") >= 5, "it went on for a while"
    assert time.monotonic() - began < 15
    assert child.process.wait(30) == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{child.url}{API}/health", trust_env=False, timeout=5)
    again = start()
    listed = httpx.get(f"{again.url}{API}/conversations", trust_env=False, timeout=60).json()["conversations"]
    kept = httpx.get(f"{again.url}{API}/conversations/{listed[0]['id']}", trust_env=False, timeout=60).json()
    assert kept["messages"][1]["text"] == rest[-1][1]["message"]["text"]  # type: ignore[index]


def test_the_second_signal_ends_it_at_once(start: Start, slow_endpoint: str) -> None:
    child = start(**slow(slow_endpoint, SAMOVAR_SERVE__SHUTDOWN_SECONDS="60"))
    with slow_stream(child) as (_, events):
        child.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert child.process.poll() is None
        assert next(events)[0] == "delta"
        assert child.end(signal.SIGINT, seconds=10) == 130
        with pytest.raises(httpx.TransportError):
            list(events)


def test_killed_and_started_again(start: Start, slow_endpoint: str) -> None:
    """A question that was acknowledged is there after `kill -9`, and the next start needs no repair."""
    child = start(**slow(slow_endpoint))
    with slow_stream(child):
        assert child.end(signal.SIGKILL) == -signal.SIGKILL
    again = start()
    listed = httpx.get(f"{again.url}{API}/conversations", trust_env=False, timeout=60).json()["conversations"]
    kept = httpx.get(f"{again.url}{API}/conversations/{listed[0]['id']}", trust_env=False, timeout=60).json()
    assert kept["messages"][0]["text"] == "Где изобрели самовар?"
    assert kept["busy"] is False
