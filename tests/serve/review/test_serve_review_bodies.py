"""What strangers may make the server keep in memory or on the disk, and what answers may echo."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from serve_harness import Running
from starlette.types import Message, Receive, Scope, Send

from samovar.errors import UsageError
from samovar.serve.exchange import read_export
from samovar.serve.native.additions import STAGING, STALE_SECONDS
from samovar.serve.protect.bodies import Bodies

API = "/api/samovar"


@pytest.mark.parametrize("path", [f"{API}/conversations/import", f"{API}/uploads", f"{API}/login", "/v1/responses"])
def test_only_routes_that_take_files_take_large_bodies(serve: Any, path: str) -> None:
    """Saying that it is a form is not enough: elsewhere the whole body would be in memory before anybody knows whose it is."""
    running = serve(accounts=True, max_body_bytes=100_000, max_upload_bytes=10_000_000)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = running.client().post(path, content=b"x" * 200_000, headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("field", ["format", "version"])
def test_what_is_wrong_with_an_import_is_not_said_at_any_length(field: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_export({field: "x" * 1_000_000, "messages": []})
    assert len(str(caught.value)) < 500


def test_small_bodies_together_have_a_bound() -> None:
    """Two that stay open leave no room for a third; when they end there is room again."""

    async def main() -> tuple[list[int], int]:
        release = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        bodies = Bodies(slow, 1000, 1000, most_held_bytes=2000)

        async def ask(body: bytes) -> int:
            sent: list[Message] = []
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/v1/responses",
                "headers": [(b"content-type", b"text/csv")],
            }

            async def receive() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: Message) -> None:
                sent.append(message)

            await bodies(scope, receive, send)
            return int(sent[0]["status"])

        waiting = [asyncio.ensure_future(ask(b"x" * 900)) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await ask(b"x" * 900)
        release.set()
        first = await asyncio.gather(*waiting)
        return [refused, *first, await ask(b"x" * 900)], bodies.held_bytes

    statuses, held = asyncio.run(main())
    assert statuses == [503, 200, 200, 200]
    assert held == 0


def test_a_body_that_is_refused_gives_its_memory_back() -> None:
    async def main() -> int:
        async def never(scope: Scope, receive: Receive, send: Send) -> None:
            raise AssertionError("a refused body came through")

        bodies = Bodies(never, 1000, 1000)
        parts = [b"x" * 600, b"x" * 600]

        async def receive() -> Message:
            return {"type": "http.request", "body": parts.pop(0), "more_body": True}

        async def send(message: Message) -> None:
            assert message.get("status", 413) == 413

        await bodies({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
        return bodies.held_bytes

    assert asyncio.run(main()) == 0


def test_what_a_crash_left_of_shared_files_is_removed(guarded: Running) -> None:
    folder: Path = guarded.state.settings.home / STAGING
    folder.mkdir(parents=True)
    old, new = folder / "old.txt", folder / "new.txt"
    for path in (old, new):
        path.write_text("left behind")
    long_ago = time.time() - STALE_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    files = {"file": ("note.txt", "Заметка о чае, которую должны увидеть все.".encode(), "text/plain")}
    answer = guarded.client("editor").post(f"{API}/documents", files=files, data={"source": "shared"})
    assert answer.status_code == 201
    assert not old.exists() and new.exists()
    assert sorted(folder.iterdir()) == [new]
