"""A real ``samovar serve`` as a child process, and a small streaming HTTP client that costs little enough to drive hundreds of streams."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 180.0


@dataclass(slots=True)
class Child:
    """A server that runs in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def rss_bytes(self) -> int:
        """Resident memory of the process and its children."""
        return sum(_rss(pid) for pid in _family(self.pid))

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """Ask it to stop and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextmanager
def serve_child(home: Path, model: str, *, port: int = 0, log: Path | None = None, **serve: Any) -> Iterator[Child]:
    """Run ``samovar serve`` on a home until the block ends; `serve` are settings of that section."""
    child = start_child(home, model, port=port, log=log, **serve)
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.stop()


def start_child(home: Path, model: str, *, port: int = 0, log: Path | None = None, **serve: Any) -> Child:
    """Start it and return when it is ready."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SAMOVAR_")}
    environment |= {"SAMOVAR_HOME": str(home), "SAMOVAR_ALLOW_SCRIPTED": "1", "SAMOVAR_GENERATE__MODEL": model}
    environment |= {"SAMOVAR_SERVE__REQUESTS_PER_MINUTE": "100000000", "LC_ALL": "C.UTF-8"}
    for name in [n for n in serve if n.startswith("generate_")]:
        environment[f"SAMOVAR_GENERATE__{name.removeprefix('generate_').upper()}"] = str(serve.pop(name))
    environment |= {f"SAMOVAR_SERVE__{name.upper()}": str(value) for name, value in serve.items()}
    command = [sys.executable, "-m", "samovar", "serve", "--port", str(port), "--json", "--quiet"]
    with open(log or os.devnull, "a") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        line = output.readline()  # the only line; it comes when it listens
    if not line:
        raise RuntimeError(
            f"samovar serve did not start (status {process.wait()}); see {log or 'its stderr with log='}"
        )
    return Child(process, int(json.loads(line)["url"].rstrip("/").rsplit(":", 1)[1]))


def _rss(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += _family(int(child))
        except OSError:
            continue
    return found


class HttpError(Exception):
    """An answer that is not a success; `status` and `body` say which."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:300]}")
        self.status = status
        self.body = body


async def stream_events(
    port: int, path: str, body: Any, headers: Mapping[str, str] = {}
) -> AsyncIterator[tuple[str, str]]:
    """POST JSON and yield (event name, data) of the answer's server-sent events. Raises `HttpError`, `ConnectionError`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        content = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()] + [f"Content-Length: {len(content)}", "", ""]
        writer.write("\r\n".join(lines).encode() + content)
        status, chunked = await _read_head(reader)
        if status != 200:
            raise HttpError(status, b"".join([c async for c in _chunks(reader, chunked)]).decode("utf-8", "replace"))
        name, buffer = "", b""
        async for chunk in _chunks(reader, chunked):
            buffer += chunk
            *whole, buffer = buffer.split(b"\n")
            for line in whole:
                if line.startswith(b"event:"):
                    name = line[6:].strip().decode()
                elif line.startswith(b"data:"):
                    yield name, line[5:].strip().decode()
                    name = ""
    finally:
        writer.close()


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    return int(head.split(" ", 2)[1]), "transfer-encoding: chunked" in head


async def _chunks(reader: asyncio.StreamReader, chunked: bool) -> AsyncIterator[bytes]:
    """Yield the body's parts. An answer that was cut off raises `IncompleteReadError`: it must not look whole."""
    if not chunked:
        yield await reader.read()
        return
    while size := int((await reader.readuntil(b"\r\n")).strip() or b"0", 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")


async def ask_json(port: int, method: str, path: str, body: Any = None) -> Any:
    """Return the JSON answer of a plain request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        content = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        status, chunked = await _read_head(reader)
        text = b"".join([c async for c in _chunks(reader, chunked)]).decode("utf-8", "replace")
        if status >= 300:
            raise HttpError(status, text)
        return json.loads(text)
    finally:
        writer.close()


def quantiles_ms(seconds: list[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest, in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    picked = {f"p{q}_ms": ordered[min(len(ordered) - 1, int(len(ordered) * q / 100))] for q in (50, 95, 99)}
    return {name: round(value * 1000, 2) for name, value in {**picked, "max_ms": ordered[-1]}.items()}
