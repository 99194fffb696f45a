"""Conversations: what is appended is listed in order, what is superseded is not, and search finds what a person would."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_serve_store_accounts import rows_of

from samovar.errors import NotFoundError, UsageError
from samovar.serve.store.conversations import words_of
from samovar.serve.store.folding import fold
from samovar.serve.store.records import ChatMessage
from samovar.serve.store.store import Store
from samovar.serve.store.tables import storable

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # also NUL and lone surrogates
JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | ANY_TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3), max_leaves=8)  # fmt: skip
SHARED_STORE = [HealthCheck.function_scoped_fixture]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(["user", "assistant"]), ANY_TEXT),
        st.tuples(st.just("supersede"), st.integers(0, 8), st.just("")),
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=SHARED_STORE)
def test_a_conversation_is_what_was_appended_and_not_superseded(store: Store, steps: list[tuple[Any, ...]]) -> None:
    conversation = store.conversations.create("local", "t")
    expected: list[ChatMessage] = []
    for kind, what, text in steps:
        if kind == "append":
            message = store.conversations.append(conversation.id, what, text)
            assert (message.role, message.text, message.status) == (what, storable(text), "complete")
            assert message.position == len(expected), "positions count up by one, also behind superseded ones"
            assert store.conversations.message(message.id) == message
            expected.append(message)
        else:
            store.conversations.supersede_from(conversation.id, what)
            expected[what:] = [
                ChatMessage(m.id, m.conversation_id, m.position, m.role, m.text, m.created_at, superseded=True)
                for m in expected[what:]
            ]
        assert store.conversations.messages(conversation.id) == [m for m in expected if not m.superseded]
    assert [store.conversations.message(m.id) for m in expected] == expected


@given(answer=st.dictionaries(ANY_TEXT, JSON, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=SHARED_STORE)
def test_an_answer_comes_back_as_it_was_kept(store: Store, answer: dict[str, Any]) -> None:
    conversation = store.conversations.create("local", "t")
    kept = store.conversations.append(conversation.id, "assistant", "text", status="stopped", model="m", answer=answer)
    found = store.conversations.message(kept.id)
    assert found is not None and (found.status, found.model) == ("stopped", "m")
    assert found.answer == json.loads(storable_json(answer))


def storable_json(value: Any) -> str:
    """The JSON with lone surrogates replaced, NUL kept (it is escaped in JSON)."""
    return json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_heads(store: Store, clock: Any) -> None:
    made = store.conversations.create("local", "  a\n title " + "x" * 300, "samovar")
    assert store.conversations.get(made.id) == made
    assert made.title.startswith("a title xxx") and len(made.title) == 200
    renamed = store.conversations.rename(made.id, " Новое ")
    assert (renamed.title, renamed.updated_at) == ("Новое", made.updated_at)
    with pytest.raises(UsageError):
        store.conversations.rename(made.id, " ")
    message = store.conversations.append(made.id, "user", "q")
    found = store.conversations.get(made.id)
    assert found is not None and found.updated_at == message.created_at > made.created_at
    store.feedback.set(message.id, "local", 1)
    store.conversations.delete(made.id)
    assert store.conversations.get(made.id) is None and store.conversations.messages(made.id) == []
    rows = rows_of(store)
    assert rows["messages"] == [] and rows["feedback"] == []


def test_what_is_not_there(store: Store) -> None:
    for wrong in ("none", "", "\0", "\ud800", "' OR 1=1 --"):
        assert store.conversations.get(wrong) is None and store.conversations.message(wrong) is None
        assert store.conversations.messages(wrong) == []
        store.conversations.delete(wrong)
        store.conversations.supersede_from(wrong, 0)
        with pytest.raises(NotFoundError):
            store.conversations.append(wrong, "user", "text")
        with pytest.raises(NotFoundError):
            store.conversations.rename(wrong, "text")
    assert rows_of(store)["messages"] == []


def test_pages_of_the_list_make_up_the_list(store: Store) -> None:
    made = [store.conversations.create("local", f"t{number}") for number in range(23)]
    store.conversations.create("another", "t")
    store.conversations.append(made[3].id, "user", "to the top")
    whole = store.conversations.list("local")
    assert [c.id for c in whole] == [c.id for c in [made[3], *reversed(made[4:]), *reversed(made[:3])]]
    assert store.conversations.all_of("local") == whole
    for size in (1, 5, 23):
        pages, before = [], ""
        while page := store.conversations.list("local", limit=size, before=before):
            pages += page
            before = page[-1].id
        assert pages == whole
    assert store.conversations.list("local", before=whole[4].updated_at) == whole[5:]
    assert store.conversations.list("local", limit=0) == store.conversations.list("local", limit=-1) == []


# -- search ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def library(store: Store) -> dict[str, str]:
    """Conversations by a short name."""
    made = {}
    for name, title, texts in (
        ("gogol", "Мёртвые души", ["Кто написал «Мёртвые души»?", "Николай ГОГОЛЬ, в 1842 году."]),
        ("baikal", "Озеро Байкал", ["Какова глубина Байка\u0301ла?", "1642 м, 100% точно"]),
        ("english", "Café in Straße_7", ["What is THE time?", "Ten o'clock \\ noon"]),
    ):
        conversation = store.conversations.create("local", title)
        for number, text in enumerate(texts):
            store.conversations.append(conversation.id, ("user", "assistant")[number % 2], text)
        made[conversation.id] = name
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("гоголь", {"gogol"}), ("МЕРТВЫЕ", {"gogol"}), ("мёртвые", {"gogol"}), ("души 1842", {"gogol"}), ("ертв", {"gogol"}),
        ("байкала", {"baikal"}), ("Байка́ла", {"baikal"}), ("души байкал", set()), ("100%", {"baikal"}), ("%", {"baikal"}),
        ("_", {"english"}), ("\\", {"english"}), ("cafe", {"english"}), ("CAFÉ", {"english"}), ("strasse", {"english"}),
        ("the time", {"english"}), ("time the", {"english"}), ('"the time"', {"english"}), ('"time the"', set()),
        ("", {"gogol", "baikal", "english"}), ("  ", {"gogol", "baikal", "english"}), ("«мёртвые души»", {"gogol"}),
        ("'; DROP TABLE messages; --", set()), ("\0", set()), ("\ud800", set()), ("x" * 100_000, set()), ('"', set()),
    ],
)  # fmt: skip
def test_search(store: Store, library: dict[str, str], query: str, found: set[str]) -> None:
    assert {library[c.id] for c in store.conversations.list("local", query)} == found
    assert store.conversations.list("another", query) == []


def test_what_was_edited_away_is_not_found(store: Store) -> None:
    conversation = store.conversations.create("local", "t")
    store.conversations.append(conversation.id, "user", "первое")
    store.conversations.append(conversation.id, "assistant", "второе")
    store.conversations.supersede_from(conversation.id, 1)
    assert store.conversations.list("local", "первое") and not store.conversations.list("local", "второе")


@given(text=ANY_TEXT, start=st.integers(0, 39), length=st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_every_word_of_a_text_is_a_part_of_its_folded_form(text: str, start: int, length: int) -> None:
    kept = storable(text)
    assert fold(fold(kept)) == fold(kept)
    for word in kept.split():
        for folded in words_of(f"x {word}")[1:]:
            assert folded in fold(kept)


# -- at once --------------------------------------------------------------------------------------------------------
def test_threads_that_append_at_once_keep_positions_in_order(open_store: Any) -> None:
    stores = [open_store(), open_store()]
    conversation = stores[0].conversations.create("local", "t")
    appended: dict[int, list[int]] = {}

    def append(number: int) -> None:
        appended[number] = [
            stores[number % 2].conversations.append(conversation.id, "user", f"{number}.{i}").position
            for i in range(10)
        ]

    threads = [threading.Thread(target=append, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(positions == sorted(positions) and len(positions) == 10 for positions in appended.values())
    messages = stores[1].conversations.messages(conversation.id)
    assert [m.position for m in messages] == list(range(60))
    texts = [m.text for m in messages]
    assert all([t for t in texts if t.startswith(f"{n}.")] == [f"{n}.{i}" for i in range(10)] for n in range(6))


# -- feedback and uploads -------------------------------------------------------------------------------------------
def test_feedback_is_one_opinion_of_one_reader(store: Store) -> None:
    message = store.conversations.append(store.conversations.create("a", "t").id, "assistant", "text")
    store.feedback.set(message.id, "a", 1)
    last = store.feedback.set(message.id, "a", -1, "wrong\0")
    assert store.feedback.get(message.id, "a") == last and (last.value, last.comment) == (-1, "wrong\ufffd")
    other = store.feedback.set(message.id, "b", 1, "right")
    assert store.feedback.list(10) == [other, last] and store.feedback.list(1) == [other]
    assert store.feedback.of_owner("a") == [last]
    store.feedback.set(message.id, "a", 0)
    assert store.feedback.get(message.id, "a") is None
    for value, comment in ((2, ""), (1, "x" * 4001)):
        with pytest.raises(UsageError):
            store.feedback.set(message.id, "a", value, comment)
    with pytest.raises(NotFoundError):
        store.feedback.set("none", "a", 1)


def test_uploads(store: Store) -> None:
    first = store.uploads.create("a", "имя\0.txt", "text/plain", 5_000_000_000, "general", "p1", "user:a")
    second = store.uploads.create("a", "b", size_bytes=7, id="chosen")
    store.uploads.create("b", "c", size_bytes=100)
    assert (first.name, first.status, second.id) == ("имя\ufffd.txt", "processing", "chosen")
    assert store.uploads.get(first.id) == first and store.uploads.list("a") == [second, first]
    assert store.uploads.used_bytes("a") == 5_000_000_007 and store.uploads.used_bytes("none") == 0
    ready = store.uploads.update(first.id, "ready", document_ids=("d1", "d2"))
    assert (ready.status, ready.reason, ready.document_ids) == ("ready", "", ("d1", "d2"))
    refused = store.uploads.update(second.id, "refused", "encrypted")
    assert (refused.status, refused.reason, refused.document_ids) == ("refused", "encrypted", ())
    assert store.uploads.used_bytes("a") == 5_000_000_000
    store.uploads.delete(first.id)
    assert store.uploads.get(first.id) is None and store.uploads.list("a") == [refused]
    with pytest.raises(NotFoundError):
        store.uploads.update(first.id, "ready")
