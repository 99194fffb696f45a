"""Conversations out and in: what was exported is imported the same, and a stranger's file can do no harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_serve_store_conversations import ANY_TEXT, JSON

from samovar.assistant.as_json import answer_from_json
from samovar.assistant.conversation import Conversation as TerminalConversation
from samovar.errors import UsageError
from samovar.serve.chat import turns_of
from samovar.serve.exchange import clean_answer, export_json, export_markdown, export_text, file_name, read_export
from samovar.serve.store.records import ChatMessage, Conversation
from samovar.serve.store.store import Store
from samovar.serve.store.tables import storable

ANSWER: dict[str, Any] = {
    "text": "Гоголь [1].",
    "status": "answered",
    "citations": [{"number": 1, "document_id": "d" * 32, "start": 3, "end": 9, "quote": "Гоголь", "title": "Т", "uri": "/a"}],
    "model": "extractive",
    "timings": {"search": 0.1},
    "sentences": [{"start": 0, "end": 11, "supported": True, "citations": [1]}],
    "short": {"document_id": "d" * 32, "start": 3, "end": 9},
    "confidence": 0.75,
    "query": "кто",
    "notes": ["note"],
    "stop_reason": "stop",
    "found": [{"rank": 1}],
}  # fmt: skip


def talk(store: Store) -> Conversation:
    made = store.conversations.create("local", "Кто # написал", "samovar")
    store.conversations.append(made.id, "user", "Кто\nнаписал?")
    store.conversations.append(made.id, "assistant", "Гоголь [1].", model="samovar", answer=ANSWER)
    found = store.conversations.get(made.id)
    assert found is not None
    return found


def test_our_json_comes_back(store: Store) -> None:
    made = talk(store)
    messages = store.conversations.messages(made.id)
    text = export_text(made, messages)
    again = store.conversations.import_json("another", text)
    assert (again.owner_id, again.title, again.model, again.created_at) == (
        "another", made.title, made.model, made.created_at,
    )  # fmt: skip
    assert again.id != made.id
    copies = store.conversations.messages(again.id)
    assert [(m.role, m.text, m.created_at, m.status, m.model) for m in copies] == [
        (m.role, m.text, m.created_at, m.status, m.model) for m in messages
    ]
    kept = {**ANSWER, "short": None, "timings": {}, "found": [], "imported": True}
    assert copies[1].answer == kept, "an imported answer is marked: nobody can vouch for its quotations"
    assert store.conversations.list("another", "гоголь") == [again]
    assert turns_of(copies)[0].answer.citations[0].quote == "Гоголь"


def test_the_json_of_the_terminal_chat_is_taken_in(store: Store, tmp_path: Path) -> None:
    said = TerminalConversation.create(tmp_path)
    said.append("user", "Кто написал?")
    said.append("assistant", "Гоголь [1].", ANSWER)
    made = store.conversations.import_json("local", json.loads(said.export_json()))
    assert made.title == "Кто написал?"
    question, answer = store.conversations.messages(made.id)
    assert (question.role, question.text) == ("user", "Кто написал?")
    assert answer.answer["citations"] == ANSWER["citations"]
    assert made.created_at == said.created_at.replace("Z", ".000000Z")


@given(texts=st.lists(ANY_TEXT, max_size=5), title=ANY_TEXT)
@settings(max_examples=30, deadline=None)
def test_every_text_survives(texts: list[str], title: str) -> None:
    head = Conversation("c", "o", storable(title), "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z")
    messages = [
        ChatMessage(f"m{n}", "c", n, ("user", "assistant")[n % 2], storable(t), head.created_at)  # type: ignore[arg-type]
        for n, t in enumerate(texts)
    ]
    found = read_export(export_text(head, messages).encode())
    assert [m.text for m in found.messages] == [m.text for m in messages]
    assert isinstance(export_markdown(head, messages), str)
    name = file_name(head, "md")
    assert Path(name).name == name and name.endswith(".md") and len(name) <= 70


@given(data=JSON | st.dictionaries(st.sampled_from(["messages", "turns", "title", "format", "version", "created_at"]), JSON | st.lists(st.dictionaries(st.sampled_from(["role", "text", "at", "answer", "status"]), JSON | st.sampled_from(["user", "assistant"])))))  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_read_or_refused_with_a_reason(data: Any) -> None:
    try:
        found = read_export(data)
    except UsageError as error:
        assert "expected" in str(error)
    else:
        assert all(m.role in ("user", "assistant") for m in found.messages)


@pytest.mark.parametrize(
    "data",
    ["", "{", "[]", "null", b"\xff\xfe\x00", "[" * 100_000, '{"messages": {}}', '{"messages": [1]}', '{"messages": [{"role": "system", "text": "x"}]}',
     '{"messages": [{"role": "user"}]}', '{"format": "other", "messages": []}', '{"version": 2, "messages": []}', '{"turns": "abc"}',
     json.dumps({"messages": [{"role": "user", "text": "x"}] * 10_001}), json.dumps({"messages": [{"role": "user", "text": "x" * 1_000_001}]})],
)  # fmt: skip
def test_what_is_no_export_is_refused(store: Store, data: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        store.conversations.import_json("local", data)
    assert store.conversations.list("local") == []


@given(answer=st.fixed_dictionaries({"status": st.sampled_from(["answered", "abstained"])}, optional={name: JSON | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(("number", "document_id", "start", "end", "quote", "title", "uri", "supported", "citations"), JSON))) for name in ("citations", "sentences", "confidence", "query", "notes", "model", "short", "text", "timings", "found")}), text=ANY_TEXT)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_imported_answer_can_be_shown_and_continued(answer: dict[str, Any], text: str) -> None:
    record = clean_answer(answer, text)
    made = answer_from_json(text, record)
    assert all(s.start <= s.end <= len(text) for s in made.sentences)
    assert all(isinstance(c.quote, str) and isinstance(c.number, int) for c in made.citations)
    assert record["imported"] is True and record["found"] == []
    assert clean_answer(record, text) == record


def test_markdown_reads_well(store: Store) -> None:
    made = talk(store)
    assert export_markdown(made, store.conversations.messages(made.id)) == (
        f"# Кто # написал\n\n*{made.created_at}*\n\n## Кто написал?\n\nГоголь [1].\n\n1. Т (/a)\n   > Гоголь\n"
    )
    assert export_json(made, [])["messages"] == []
    assert file_name(made, "md") == "Кто-написал.md"
