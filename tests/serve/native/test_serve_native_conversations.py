"""Conversations over the native API: kept before answered, stopped, continued, asked again, taken elsewhere, and nobody else's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from native_sse import events_of, read_stream
from serve_harness import Running

from samovar.generate.scripted import ScriptedModel

API = "/api/samovar/conversations"
QUESTION = "Где изобрели самовар?"
Serve = Callable[..., Running]


def begin(client: httpx.Client, text: str = QUESTION) -> dict[str, Any]:
    """Ask, and return the last event's data with the conversation."""
    events = read_stream(client, f"{API}/messages", {"text": text})
    return {**events[0][1], **events[-1][1]}


def texts_of(client: httpx.Client, conversation: str) -> list[tuple[str, str]]:
    messages = client.get(f"{API}/{conversation}").json()["messages"]
    return [(one["role"], one["text"]) for one in messages]


def test_a_question_is_accepted_then_answered_then_kept(running: Running) -> None:
    client = running.client()
    events = read_stream(client, f"{API}/messages", {"text": f"  {QUESTION} "})
    assert [name for name, _ in events][:2] == ["accepted", "found"]
    assert events[-1][0] == "done"
    accepted, done = events[0][1], events[-1][1]
    conversation = accepted["conversation"]["id"]
    assert accepted["question"]["text"] == QUESTION
    kept = client.get(f"{API}/{conversation}").json()
    assert kept["busy"] is False
    assert [one["id"] for one in kept["messages"]] == [accepted["question"]["id"], done["message"]["id"]]
    assert kept["messages"][1]["text"] == done["answer"]["text"]
    assert kept["messages"][1]["answer"]["citations"] == done["answer"]["citations"]
    listed = client.get(API, params={"query": "самовар"}).json()
    assert [one["id"] for one in listed["conversations"]] == [conversation]
    assert client.get(API, params={"query": "пароход"}).json()["conversations"] == []


def test_without_a_stream(running: Running) -> None:
    client = running.client()
    reply = client.post(f"{API}/messages", json={"text": QUESTION, "stream": False}).json()
    assert reply["answer"]["status"] == "answered"
    more = client.post(f"{API}/{reply['conversation']['id']}/messages", json={"text": "А кто?", "stream": False}).json()
    assert more["conversation"]["id"] == reply["conversation"]["id"]
    assert [one["position"] for one in client.get(f"{API}/{more['conversation']['id']}").json()["messages"]] == [
        0,
        1,
        2,
        3,
    ]


def test_a_bare_model_keeps_its_text(serve: Serve) -> None:
    client = serve(model=ScriptedModel(["Просто слова."], name="bare")).client()
    reply = client.post(f"{API}/messages", json={"text": "Скажи", "model": "bare", "stream": False}).json()
    assert reply["answer"] is None
    assert reply["message"]["text"] == "Просто слова."


def test_asking_again_and_editing(running: Running) -> None:
    client = running.client()
    first = begin(client)
    conversation, question = first["conversation"]["id"], first["question"]["id"]
    again = read_stream(client, f"{API}/{conversation}/messages", {"replaces": question})
    assert again[0][1]["question"]["text"] == QUESTION
    edited = read_stream(
        client,
        f"{API}/{conversation}/messages",
        {"text": "Какова глубина Байкала?", "replaces": again[0][1]["question"]["id"]},
    )
    assert texts_of(client, conversation) == [
        ("user", "Какова глубина Байкала?"),
        ("assistant", edited[-1][1]["answer"]["text"]),
    ]
    gone = client.post(f"{API}/{conversation}/messages", json={"replaces": question})
    assert gone.status_code == 404
    assert client.post(f"{API}/{conversation}/messages", json={}).status_code == 400


def slow_model() -> ScriptedModel:
    return ScriptedModel([" ".join(f"слово{n}" for n in range(4_000))], delay_seconds=0.02, context_tokens=100_000)


def test_stop_keeps_what_there_is(serve: Serve) -> None:
    running = serve(model=slow_model(), concurrency=2)
    client, other = running.client(), running.client()
    with client.stream("POST", f"{API}/messages", json={"text": QUESTION}) as response:
        events = events_of(response)
        conversation = next(events)[1]["conversation"]["id"]
        while next(events)[0] != "delta":
            pass
        assert other.get(f"{API}/{conversation}").json()["busy"] is True
        busy = other.post(f"{API}/{conversation}/messages", json={"text": "Ещё вопрос"})
        assert busy.status_code == 409
        assert other.post(f"{API}/{conversation}/stop").json() == {"stopped": True}
        rest = list(events)
    assert rest[-1][0] == "done"
    assert rest[-1][1]["message"]["status"] == "stopped"
    assert texts_of(other, conversation)[1] == ("assistant", rest[-1][1]["message"]["text"])
    assert other.post(f"{API}/{conversation}/stop").json() == {"stopped": False}
    running.wait_for(lambda: running.state.engine.queue.running == 0)


def test_leaving_keeps_what_there_is(serve: Serve) -> None:
    running = serve(model=slow_model())
    with running.client().stream("POST", f"{API}/messages", json={"text": QUESTION}) as response:
        events = events_of(response)
        conversation = next(events)[1]["conversation"]["id"]
        while next(events)[0] != "delta":
            pass
    running.wait_for(lambda: running.state.engine.queue.running == 0)
    running.wait_for(lambda: len(texts_of(running.client(), conversation)) == 2)
    message = running.client().get(f"{API}/{conversation}").json()["messages"][1]
    assert message["status"] == "stopped"
    assert message["text"].startswith("слово0")
    assert running.state.chat.is_busy(conversation) is False


def test_removing_stops_and_removes(serve: Serve) -> None:
    running = serve(model=slow_model())
    gone = threading.Event()
    with running.client().stream("POST", f"{API}/messages", json={"text": QUESTION}) as response:
        events = events_of(response)
        conversation = next(events)[1]["conversation"]["id"]
        while next(events)[0] != "delta":
            pass
        assert running.client().delete(f"{API}/{conversation}").status_code == 200
        names = [name for name, _ in events]
        gone.set()
    assert names[-1] in ("done", "error")
    assert running.client().get(f"{API}/{conversation}").status_code == 404
    running.wait_for(lambda: running.state.engine.queue.running == 0)


def test_lists_in_pages_and_new_titles(running: Running) -> None:
    client = running.client()
    made = [client.post(API, json={"title": f"Беседа {n}"}).json()["id"] for n in range(5)]
    found: list[str] = []
    before = ""
    while True:
        page = client.get(API, params={"limit": 2, "before": before}).json()
        found += [one["id"] for one in page["conversations"]]
        if page["next"] is None:
            break
        before = page["next"]
    assert sorted(found) == sorted(made)
    assert len(found) == len(set(found))
    renamed = client.patch(f"{API}/{made[0]}", json={"title": "Другое имя"}).json()
    assert renamed["title"] == "Другое имя"
    assert client.get(f"{API}/{made[0]}").json()["conversation"]["title"] == "Другое имя"
    assert client.patch(f"{API}/{made[0]}", json={"title": "  "}).status_code == 422


def test_export_and_import_agree(running: Running) -> None:
    client = running.client()
    conversation = begin(client)["conversation"]["id"]
    markdown = client.get(f"{API}/{conversation}/export.md")
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert "attachment" in markdown.headers["content-disposition"]
    assert QUESTION in markdown.text
    exported = client.get(f"{API}/{conversation}/export.json")
    brought = client.post(f"{API}/import", json=json.loads(exported.text))
    assert brought.status_code == 201
    copy = brought.json()["id"]
    assert copy != conversation
    assert texts_of(client, copy) == texts_of(client, conversation)
    original, copied = (client.get(f"{API}/{one}").json()["messages"][1]["answer"] for one in (conversation, copy))
    assert copied["citations"] == original["citations"]
    for wrong in ({}, {"messages": 3}, {"messages": [{"role": "root", "text": "x"}]}):
        assert client.post(f"{API}/import", json=wrong).status_code == 400


def test_opinions(running: Running) -> None:
    client = running.client()
    reply = begin(client)
    path = f"{API}/{reply['conversation']['id']}/messages/{{}}/feedback"
    said = client.put(path.format(reply["message"]["id"]), json={"value": 1, "comment": "Точно"}).json()
    assert (said["value"], said["comment"]) == (1, "Точно")
    assert client.put(path.format(reply["message"]["id"]), json={"value": -1}).json()["value"] == -1
    assert client.put(path.format(reply["question"]["id"]), json={"value": 1}).status_code == 404
    assert client.put(path.format("x" * 24), json={"value": 1}).status_code == 404
    assert client.put(path.format(reply["message"]["id"]), json={"value": 2}).status_code == 422


ROUTES = [
    ("GET", "", None),
    ("PATCH", "", {"title": "Чужое"}),
    ("DELETE", "", None),
    ("GET", "/export.md", None),
    ("GET", "/export.json", None),
    ("POST", "/stop", None),
    ("POST", "/messages", {"text": "Что там было?"}),
    ("POST", "/messages", {"text": "Что там было?", "stream": False}),
    ("PUT", "/messages/{message}/feedback", {"value": 1}),
]


@pytest.mark.parametrize("person", ["other", "editor", "admin"])
def test_anothers_conversation_answers_like_none(guarded: Running, person: str) -> None:
    mine = begin(guarded.client("reader"))
    real, client = mine["conversation"]["id"], guarded.client(person)
    for method, rest, body in ROUTES:
        path = rest.format(message=mine["message"]["id"])
        answers = [client.request(method, f"{API}/{one}{path}", json=body) for one in (real, "0" * 24)]
        assert [a.status_code for a in answers] == [404, 404], (method, rest)
        assert answers[0].json() == answers[1].json()
    assert client.get(API).json()["conversations"] == []
    assert client.get(API, params={"before": real}).status_code == 404
    assert texts_of(guarded.client("reader"), real)[0] == ("user", QUESTION)
