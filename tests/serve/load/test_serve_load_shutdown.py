"""Stopping a real server: streams finish or end cleanly, what was written is kept, nobody new is let in, the process ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from serve_child import ask_json, serve_child, start_child, stream_events

from samovar.generate.scripted import echo_of

pytestmark = pytest.mark.slow
CHAT = "/v1/chat/completions"
KEEP = "/api/samovar/conversations/messages"
BODY = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": "q1 tell me"}]}


async def read_chat(port: int, begun: asyncio.Event) -> tuple[str, str, bool]:
    """Return text, finish reason (or the code of the error it ended with), and whether the stream had its end."""
    text, reason, ended = "", "", False
    async for _, data in stream_events(port, CHAT, BODY):
        if data == "[DONE]":
            ended = True
            continue
        event = json.loads(data)
        if "error" in event:
            reason, ended = event["error"]["code"], True
        for choice in event.get("choices", ()):
            text += choice["delta"].get("content") or ""
            reason = choice.get("finish_reason") or reason
        if text:
            begun.set()
    return text, reason, ended


def test_a_short_stream_finishes(tmp_path: Path) -> None:
    child = start_child(tmp_path, "scripted:echo,words=20,delay=0.1", shutdown_seconds=30)

    async def main() -> tuple[str, str, bool]:
        begun = asyncio.Event()
        reading = asyncio.ensure_future(read_chat(child.port, begun))
        await begun.wait()
        child.process.send_signal(signal.SIGTERM)
        return await reading

    try:
        assert asyncio.run(main()) == (echo_of("q1", 20), "stop", True)
        assert child.process.wait(30) == 0
    finally:
        child.process.kill()


def test_a_long_stream_is_ended_cleanly_and_kept(tmp_path: Path) -> None:
    child = start_child(tmp_path, "scripted:echo,words=3000,delay=0.05", shutdown_seconds=1, concurrency=2)
    conversation = ""
    kept = ""

    async def read_kept(begun: asyncio.Event) -> str:
        nonlocal conversation
        text = ""
        async for name, data in stream_events(
            child.port, KEEP, {"model": "scripted", "text": "q2 tell", "stream": True}
        ):
            event = json.loads(data)
            if name == "accepted":
                conversation = event["conversation"]["id"]
            elif name == "delta":
                text += event["text"]
                begun.set()
            elif name == "done":
                assert event["message"]["status"] == "stopped"
                assert event["message"]["text"] == text
        return text

    async def main() -> tuple[str, str, bool]:
        nonlocal kept
        begun, also = asyncio.Event(), asyncio.Event()
        reading = asyncio.ensure_future(read_chat(child.port, begun))
        keeping = asyncio.ensure_future(read_kept(also))
        await asyncio.gather(begun.wait(), also.wait())
        waiting = asyncio.ensure_future(read_chat(child.port, asyncio.Event()))  # in line behind the two
        await asyncio.sleep(0.3)
        child.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", child.port)
        refused = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(refused[0], Exception)  # it never began
        kept = await keeping
        return await reading

    try:
        text, reason, ended = asyncio.run(main())
        assert ended and reason == "overloaded"  # the reader is told that this is not all
        assert text and echo_of("q1", 3000).startswith(text)
        assert child.process.wait(30) == 0
    finally:
        child.process.kill()
    with serve_child(tmp_path, "scripted:echo") as again:
        found = asyncio.run(ask_json(again.port, "GET", f"/api/samovar/conversations/{conversation}"))
    assert [(m["role"], m["status"]) for m in found["messages"]] == [("user", "complete"), ("assistant", "stopped")]
    assert found["messages"][1]["text"] == kept


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    child = start_child(tmp_path, "scripted:echo,words=3000,delay=0.05", shutdown_seconds=600)

    async def main() -> None:
        begun = asyncio.Event()
        reading = asyncio.ensure_future(read_chat(child.port, begun))
        await begun.wait()
        child.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.5)
        assert child.process.poll() is None
        child.process.send_signal(signal.SIGINT)
        await asyncio.gather(reading, return_exceptions=True)

    try:
        asyncio.run(main())
        until = time.monotonic() + 30
        while child.process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert child.process.poll() not in (None, 0)
    finally:
        child.process.kill()


def test_an_idle_server_stops_at_once(tmp_path: Path) -> None:
    child = start_child(tmp_path, "scripted:echo", shutdown_seconds=600)
    asyncio.run(ask_json(child.port, "GET", "/api/samovar/health"))
    assert child.stop(30) == 0
