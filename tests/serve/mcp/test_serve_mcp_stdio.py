"""``samovar mcp``: the official client talks to a child process; nothing but the protocol comes out of stdout."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from serve_harness import TEXTS

pytest.importorskip("mcp")

from mcp import Client
from mcp.client.stdio import StdioServerParameters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three texts in it."""
    folder, place = tmp_path_factory.mktemp("texts"), tmp_path_factory.mktemp("home")
    for name, text in TEXTS.items():
        (folder / name).write_text(text * 3, encoding="utf-8")
    command = [sys.executable, "-m", "samovar", "add", str(folder), "--source", "test"]
    subprocess.run(command, env=environment(place), check=True, capture_output=True, timeout=120)
    return place


def environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SAMOVAR_")}
    return {**clean, "SAMOVAR_HOME": str(home), "SAMOVAR_LIBRARY__STARTER": "0", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_official_client(home: Path, mode: str) -> None:
    child = StdioServerParameters(command=sys.executable, args=["-m", "samovar", "mcp"], env=environment(home))

    async def journey() -> None:
        async with Client(child, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {"search", "read_passage", "ask"}
            found = (await client.call_tool("search", {"query": "Байкал"})).structured_content
            assert found is not None
            best = found["passages"][0]
            span = {name: best[name] for name in ("document_id", "start", "end")}
            read = (await client.call_tool("read_passage", span)).structured_content
            assert read is not None
            assert read["text"] == best["text"]
            given = (await client.call_tool("ask", {"question": "Какова глубина Байкала?"})).structured_content
            assert given is not None
            assert given["status"] == "answered"
            assert "1642" in given["text"]

    asyncio.run(asyncio.wait_for(journey(), 120))


def test_stdout_belongs_to_the_protocol(home: Path) -> None:
    start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": start},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "это не JSON\n"
    done = subprocess.run(
        [sys.executable, "-m", "samovar", "mcp"],
        env=environment(home), input=text, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert {1, 2} <= {answer.get("id") for answer in answers}
    assert "Traceback" not in done.stderr


def test_a_missing_model_is_a_message(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "samovar", "mcp", "--model", "no-such-model"],
        env=environment(home), input="", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "no-such-model" in done.stderr
