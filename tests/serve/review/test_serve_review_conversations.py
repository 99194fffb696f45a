"""A conversation that is removed under an answer, and what others may learn of private collections."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from serve_harness import Running

from samovar.generate.scripted import ScriptedModel

API = "/api/samovar"
SECRET = "Формула сплава хранится в сейфе мастера Петра Ивановича: три части меди и одна часть олова. " * 4


def test_a_reader_who_removes_the_conversation_and_leaves_breaks_nothing(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running: Running = serve(accounts=True, model=ScriptedModel(["слово " * 2000], delay_seconds=0.01))
    client = running.client("reader")
    raw = next(card.id for card in running.state.engine.cards() if not card.grounded)
    with caplog.at_level(logging.WARNING):
        with client.stream("POST", f"{API}/conversations/messages", json={"text": "вопрос", "model": raw}) as answer:
            lines = answer.iter_lines()
            accepted = next(json.loads(line[6:]) for line in lines if line.startswith("data: "))
            assert any(line == "event: delta" for line in lines)
            owned = accepted["conversation"]["id"]
            running.state.store.conversations.delete(owned)
        running.wait_for(lambda: running.state.engine.queue.running == 0)
        running.wait_for(lambda: not running.state.chat.is_busy(owned))
    assert client.get(f"{API}/conversations/{owned}").status_code == 404
    assert not [record for record in caplog.records if record.exc_info or "exception" in record.getMessage().lower()]


def add(running: Running, person: str) -> dict[str, Any]:
    files = {"file": ("formula.txt", SECRET.encode(), "text/plain")}
    answer = running.client(person).post(f"{API}/documents", files=files)
    assert answer.status_code == 201
    upload: dict[str, Any] = answer.json()["uploads"][0]
    return upload


def test_the_same_file_of_two_people_is_two_documents(guarded: Running) -> None:
    """Nobody learns from what becomes of an upload that somebody else has that text."""
    first, second = add(guarded, "reader"), add(guarded, "other")
    assert first["status"] == second["status"] == "ready"
    assert set(first["document_ids"]).isdisjoint(second["document_ids"])
    for person, upload in (("reader", first), ("other", second)):
        found = guarded.client(person).post(f"{API}/search", json={"query": "формула сплава олова"}).json()
        assert {hit["document"]["id"] for hit in found["hits"]} == set(upload["document_ids"])


def test_a_filter_tells_nothing_about_others_collections(guarded: Running) -> None:
    owner = guarded.people["reader"].user.id
    document = add(guarded, "reader")["document_ids"][0]
    client = guarded.client("admin")

    def find(**filters: list[str]) -> dict[str, Any]:
        answer = client.post(f"{API}/search", json={"query": "формула сплава олова", "filters": filters})
        return {name: value for name, value in answer.json().items() if name != "seconds"}

    assert find(sources=[f"user:{owner}"]) == find(sources=["user:" + "f" * 24])
    assert find(document_ids=[document]) == find(document_ids=["f" * 32])
