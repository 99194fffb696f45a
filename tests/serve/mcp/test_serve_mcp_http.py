"""The MCP server over HTTP with the official client, in the protocol's old and new way: same keys, same sight, same limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from serve_harness import Running, text_document

from samovar.generate.scripted import ScriptedModel

httpx2 = pytest.importorskip("httpx2")

from mcp import Client  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402
from mcp.shared.exceptions import MCPError  # noqa: E402

MODES = ("auto", "legacy")
Serve = Callable[..., Running]


@asynccontextmanager
async def connect(running: Running, person: str = "", *, key: str = "", mode: str = "auto") -> AsyncIterator[Client]:
    """A client of the running server, with somebody's key."""
    key = key or (running.people[person].key if person else "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(f"{running.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def reasons(error: BaseException) -> list[BaseException]:
    """The errors inside a group of groups."""
    inside = getattr(error, "exceptions", None)
    return [error] if inside is None else [reason for one in inside for reason in reasons(one)]


@pytest.mark.parametrize("mode", MODES)
def test_the_whole_journey(running: Running, mode: str) -> None:
    async def journey() -> None:
        async with connect(running, mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"search", "read_passage", "ask"}
            for tool in tools.values():
                assert tool.description
                assert tool.output_schema
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint is True
            found = (await client.call_tool("search", {"query": "самовар в Туле", "k": 2})).structured_content
            assert found is not None
            best = found["passages"][0]
            span = {name: best[name] for name in ("document_id", "start", "end")}
            read = (await client.call_tool("read_passage", span)).structured_content
            assert read is not None
            assert read["text"] == best["text"]
            assert read["title"] == best["title"]
            given = (await client.call_tool("ask", {"question": "Где изобрели самовар?"})).structured_content
            assert given is not None
            assert given["status"] == "answered"
            for quotation in given["citations"]:
                span = {name: quotation[name] for name in ("document_id", "start", "end")}
                stored = (await client.call_tool("read_passage", span)).structured_content
                assert stored is not None
                assert stored["text"] == quotation["quote"]
            whole = await client.read_resource(f"samovar://document/{best['document_id']}")
            assert whole.contents[0].text == running.samovar.library.document(best["document_id"]).text  # type: ignore[union-attr]
            templates = (await client.list_resource_templates()).resource_templates
            assert [one.uri_template for one in templates] == ["samovar://document/{document_id}"]

    asyncio.run(journey())


@pytest.mark.parametrize("mode", MODES)
def test_filters_and_an_abstention(running: Running, mode: str) -> None:
    running.put(text_document("english.txt", "The samovar was made in Tula.", "other", "en"))

    async def journey() -> None:
        async with connect(running, mode=mode) as client:
            asked = {"query": "самовар Tula", "filters": {"sources": ["other"]}}
            found = (await client.call_tool("search", asked)).structured_content
            assert found is not None
            assert {one["source"] for one in found["passages"]} == {"other"}
            given = (await client.call_tool("ask", {"question": "Сколько стоит билет на Луну?"})).structured_content
            assert given is not None
            assert (given["status"], given["citations"]) == ("abstained", [])

    asyncio.run(journey())


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("search", {"query": "\0"}, "query"),
        ("search", {"query": "x", "k": 1_000}, "k"),
        ("search", {"query": "x", "filters": {"sourcs": ["a"]}}, "sourcs"),
        ("search", {}, "query"),
        ("read_passage", {"document_id": "nothing"}, "no such object"),
        ("read_passage", {"document_id": "x", "start": -1}, "start"),
        ("ask", {"question": "  "}, "question"),
        ("unknown", {}, "unknown"),
    ],
)
def test_mistakes_are_told_to_the_model(running: Running, name: str, arguments: dict[str, Any], words: str) -> None:
    async def journey() -> None:
        async with connect(running, mode="legacy") as client:
            try:
                result = await client.call_tool(name, arguments)
            except MCPError as error:
                assert words in str(error)
            else:
                assert result.is_error
                assert words in result.content[0].text  # type: ignore[union-attr]
            assert not (await client.call_tool("search", {"query": "самовар"})).is_error, "it goes on working"

    asyncio.run(journey())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", ["", "smv-wrong", "revoked"])
def test_a_wrong_key_opens_nothing(guarded: Running, key: str, mode: str) -> None:
    if key == "revoked":
        person = guarded.people["reader"]
        guarded.state.store.keys.revoke(person.api_key.id)
        key = person.key

    async def journey() -> None:
        async with connect(guarded, key=key, mode=mode) as client:
            await client.list_tools()

    with pytest.raises(BaseException) as caught:
        asyncio.run(journey())
    assert any(isinstance(reason, MCPError) for reason in reasons(caught.value))
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream"}
    answer = guarded.client(key=key).post("/mcp", json=body, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_revoked_in_between_ends_at_once(guarded: Running) -> None:
    async def journey() -> None:
        async with connect(guarded, "reader") as client:
            assert not (await client.call_tool("search", {"query": "самовар"})).is_error
            guarded.state.store.keys.revoke(guarded.people["reader"].api_key.id)
            with pytest.raises(MCPError):
                await client.call_tool("search", {"query": "самовар"})

    asyncio.run(journey())


def test_scopes_bound_the_tools(guarded: Running) -> None:
    guarded.add_person("searcher", scopes=("search",))
    guarded.add_person("asker", scopes=("ask",))

    async def journey() -> None:
        async with connect(guarded, "searcher") as client:
            assert not (await client.call_tool("search", {"query": "самовар"})).is_error
            refused = await client.call_tool("ask", {"question": "Где изобрели самовар?"})
            assert refused.is_error
            assert "scope ask" in refused.content[0].text  # type: ignore[union-attr]

    asyncio.run(journey())
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    assert guarded.client("asker").post("/mcp", json=body).status_code == 403


@pytest.mark.parametrize("mode", MODES)
def test_others_documents_are_not_there(guarded: Running, mode: str) -> None:
    text = "Тайный дневник о контрабанде бананов. Бананы лежат в подвале. " * 3
    private = text_document("дневник.txt", text, f"user:{guarded.people['other'].user.id}")
    guarded.put(private)

    async def journey(person: str) -> list[Any]:
        async with connect(guarded, person, mode=mode) as client:
            seen = [
                await client.call_tool("search", {"query": "контрабанда бананов"}),
                await client.call_tool("search", {"query": "бананы", "filters": {"document_ids": [private.id]}}),
                await client.call_tool("ask", {"question": "Где лежат бананы?"}),
                await client.call_tool("read_passage", {"document_id": private.id}),
            ]
            try:
                resource = (await client.read_resource(f"samovar://document/{private.id}")).contents[0].text  # type: ignore[union-attr]
            except MCPError as error:
                resource = str(error)
            return [*(one.content[0].text for one in seen), resource]  # type: ignore[union-attr]

    assert not any("подвале" in said for said in asyncio.run(journey("reader")))
    assert not any("подвале" in said for said in asyncio.run(journey("admin")))
    assert all("подвале" in said for said in asyncio.run(journey("other")))


@pytest.mark.parametrize("mode", MODES)
def test_leaving_stops_the_model(serve: Serve, mode: str) -> None:
    running = serve(model=ScriptedModel([" ".join(["слово"] * 3_000)], delay_seconds=0.02, context_tokens=100_000))

    async def journey() -> None:
        async with connect(running, mode=mode) as client:
            asking = asyncio.create_task(client.call_tool("ask", {"question": "Где изобрели самовар?"}))
            while running.state.engine.queue.running == 0:
                await asyncio.sleep(0.02)
            asking.cancel()

    try:
        asyncio.run(asyncio.wait_for(journey(), 30))
    except BaseException as error:  # however the client ends when one of its calls is cancelled
        assert all(isinstance(reason, (asyncio.CancelledError, MCPError)) for reason in reasons(error)), error
    running.wait_for(lambda: running.state.engine.queue.running == 0)
    assert running.state.engine.queue.waiting == 0


def test_what_the_transport_does_not_offer(running: Running) -> None:
    client = running.client()
    for method in ("GET", "DELETE", "PUT"):
        assert client.request(method, "/mcp").status_code == 405
    refused = client.post(
        "/mcp",
        content=b"not json",
        headers={"Content-Type": "application/json", "Accept": "application/json, text/event-stream"},
    )
    assert refused.status_code == 400
    assert client.post("/mcp", json={"jsonrpc": "2.0"}).status_code in (400, 406)
    assert client.post("/mcp", json={}, headers={"Host": "evil.example"}).status_code == 421
