"""Search and questions over the native API: the shapes of DESIGN.md, exact offsets, bounds, streams that stop when their reader leaves."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from native_sse import events_of, read_stream
from serve_harness import TEXTS, Running, running_server, text_document

from samovar.generate.scripted import ScriptedModel

API = "/api/samovar"
Serve = Callable[..., Running]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all tests that only read."""
    with running_server(tmp_path_factory.mktemp("home")) as server:
        yield server


def test_search_explains_every_rank(running: Running) -> None:
    found = running.client().get(f"{API}/search", params={"query": "самовар в Туле", "k": 2}).json()
    assert found["query"] == "самовар в Туле"
    hit = found["hits"][0]
    assert hit["document"]["title"] == "samovar.txt"
    assert math.fsum(component["value"] for component in hit["explain"]) == hit["score"]
    text = TEXTS["samovar.txt"]
    assert text[hit["passage"]["start"] : hit["passage"]["end"]] == hit["passage"]["text"]
    assert text[hit["snippet"]["start"] : hit["snippet"]["end"]] == hit["snippet"]["text"]
    marked = {text[span["start"] : span["end"]].lower() for span in hit["highlights"]}
    assert "самовар" in marked
    assert [one["rank"] for one in found["hits"]] == list(range(1, len(found["hits"]) + 1))


def test_get_and_post_find_the_same(running: Running) -> None:
    client = running.client()
    running.put(text_document("english.txt", "The samovar was made in Tula by Lisitsyn.", "other", "en"))
    for filters in (
        {},
        {"sources": ["other"]},
        {"languages": ["ru"]},
        {"sources": ["test", "other"], "languages": ["en"]},
    ):
        names = {"sources": "source", "languages": "language"}
        asked = {names[name]: values for name, values in filters.items()}
        by_get = client.get(f"{API}/search", params={"query": "самовар Tula", **asked}).json()
        by_post = client.post(f"{API}/search", json={"query": "самовар Tula", "filters": filters}).json()
        assert by_get["hits"] == by_post["hits"]
        assert {h["document"]["source"] for h in by_get["hits"]} <= set(filters.get("sources", ["test", "other"]))
        assert {h["document"]["language"] for h in by_get["hits"]} <= set(filters.get("languages", ["ru", "en"]))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"query": "a\x00b"}, "query"),
        ({"query": ""}, "query"),
        ({"query": " \t\n"}, "query"),
        ({"query": "x" * 2_001}, "query"),
        ({"query": "x", "k": 0}, "k"),
        ({"query": "x", "k": 201}, "k"),
        ({"query": "x", "filters": {"sourcs": ["a"]}}, "filters.sourcs"),
        ({"query": "x", "filters": {"sources": ["a"] * 101}}, "filters.sources"),
        ({"query": "x", "filters": {"published_from": "12.05.2020"}}, "filters.published_from"),
        ({"query": "x", "limit": 3}, "limit"),
        ({}, "query"),
        ([], ""),
    ],
)
def test_what_is_out_of_bounds_is_named(running: Running, body: object, place: str) -> None:
    answer = running.client().post(f"{API}/search", json=body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert (error["param"] or "") == place


def test_broken_bodies_are_the_callers_fault(running: Running) -> None:
    client = running.client()
    for content in (b"{", b"\xff\xfe", b'{"query":"\\ud800"}', b"[" * 100_000, b'{"query": NaN}', b""):
        answer = client.post(f"{API}/search", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), content[:20]
        assert answer.json()["error"]["message"]


def test_an_answer_quotes_exactly(running: Running) -> None:
    answer = running.client().post(f"{API}/ask", json={"question": "Где изобрели самовар?"}).json()
    assert answer["status"] == "answered"
    library = running.samovar.library
    for citation in answer["citations"]:
        text = library.document(citation["document_id"]).text
        assert text[citation["start"] : citation["end"]] == citation["quote"]
        assert f"[{citation['number']}]" in answer["text"]


def test_an_abstention_says_so(running: Running) -> None:
    answer = running.client().post(f"{API}/ask", json={"question": "Сколько стоит билет на Луну?"}).json()
    assert answer["status"] == "abstained"
    assert answer["citations"] == []


def test_a_stream_ends_with_the_same_answer(running: Running) -> None:
    body = {"question": "Какова глубина Байкала?"}
    client = running.client()
    whole = client.post(f"{API}/ask", json=body).json()
    events = read_stream(client, f"{API}/ask", {**body, "stream": True})
    names = [name for name, _ in events]
    assert names[0] == "found"
    assert names[-1] == "done"
    assert set(names[1:-1]) <= {"delta"}
    assert events[0][1]["hits"] == events[-1][1]["hits"] == whole["hits"]
    same = ("text", "status", "citations", "sentences", "model")
    assert {name: events[-1][1][name] for name in same} == {name: whole[name] for name in same}


def test_unknown_and_bare_models_are_refused(serve: Serve) -> None:
    client = serve(model=ScriptedModel(["слова"], name="bare")).client()
    assert client.post(f"{API}/ask", json={"question": "Что?", "model": "nothing"}).status_code == 404
    assert client.post(f"{API}/ask", json={"question": "Что?", "model": "bare"}).status_code == 400


def test_a_failing_model_is_said_in_both_ways(serve: Serve) -> None:
    client = serve(model=ScriptedModel(["раз два три"], fail_after=1)).client()
    body = {"question": "Где изобрели самовар?"}
    plain = client.post(f"{API}/ask", json=body)
    assert plain.status_code == 502
    assert "fail" in plain.json()["error"]["message"]
    events = read_stream(client, f"{API}/ask", {**body, "stream": True})
    assert events[0][0] == "found"
    assert events[-1][0] == "error"
    assert "fail" in events[-1][1]["error"]["message"]


def slow_model() -> ScriptedModel:
    return ScriptedModel([" ".join(f"слово{n}" for n in range(4_000))], delay_seconds=0.02, context_tokens=100_000)


def test_leaving_a_stream_stops_the_model(serve: Serve) -> None:
    running = serve(model=slow_model())
    with running.client().stream(
        "POST", f"{API}/ask", json={"question": "Где изобрели самовар?", "stream": True}
    ) as response:
        events = events_of(response)
        assert next(events)[0] == "found"
        assert next(events)[0] == "delta"
        assert running.state.engine.queue.running == 1
    running.wait_for(lambda: running.state.engine.queue.running == 0)


def test_leaving_a_plain_answer_stops_the_model(serve: Serve) -> None:
    running = serve(model=slow_model())
    with pytest.raises(httpx.ReadTimeout):
        running.client(timeout=0.7).post(f"{API}/ask", json={"question": "Где изобрели самовар?"})
    running.wait_for(lambda: running.state.engine.queue.running == 0)
    assert running.state.engine.queue.waiting == 0


def test_a_full_house_is_said_before_the_stream(serve: Serve) -> None:
    running = serve(model=slow_model(), max_waiting=0)
    body = {"question": "Где изобрели самовар?", "stream": True}
    with running.client().stream("POST", f"{API}/ask", json=body) as response:
        events = events_of(response)
        next(events)
        running.wait_for(lambda: running.state.engine.queue.running == 1)
        refused = running.client().post(f"{API}/ask", json=body)
        assert refused.status_code in (429, 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"].startswith("application/json")


def test_leaving_at_once_leaves_nothing_behind(serve: Serve) -> None:
    """Hanging up at any moment, before anything was begun, too, gives back the place in line."""
    running = serve(model=slow_model(), concurrency=2)
    for number in range(24):
        body = f'{{"question": "Где изобрели самовар?", "stream": {"true" if number % 2 else "false"}}}'.encode()
        head = f"POST {API}/ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.sendall(head.encode() + body)
            time.sleep((number % 6) * 0.004)
    queue = running.state.engine.queue
    running.wait_for(lambda: queue.running == 0 and queue.waiting == 0, 20)
    assert running.client().get("/api/samovar/ready").status_code == 200
