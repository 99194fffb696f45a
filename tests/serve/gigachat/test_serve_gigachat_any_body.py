"""Whatever is sent: no body makes the dialect fail, and calls and results are linked whatever their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from gigachat_helpers import ask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serve_harness import Running, running_server

from samovar.generate.model import Message, ToolCall
from samovar.generate.scripted import ScriptedModel
from samovar.serve.gigachat.asked import _link_calls, read_v1
from samovar.serve.gigachat.bodies import ChatV1, ChatV2

V1, V2 = "/api/v1/chat/completions", "/api/v2/chat/completions"


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for many small requests."""
    with running_server(
        tmp_path_factory.mktemp("steady"), model=ScriptedModel(["да"]), requests_per_minute=1_000_000
    ) as running:
        yield running


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _fields(model: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = sorted(f.alias or name for name, f in model.model_fields.items())
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=8), ANYTHING, max_size=6)


CONTENT = (
    st.text(max_size=30)
    | st.lists(st.fixed_dictionaries({"text": st.text(max_size=20)}) | ANYTHING, max_size=3)
    | ANYTHING
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system", "function", "tool", "search_result"]),
            "content": CONTENT,
        },
        optional={
            "function_call": ANYTHING,
            "name": st.text(max_size=8),
            "attachments": ANYTHING,
            "tool_calls": ANYTHING,
        },
    ),
    max_size=4,
)
BODIES = {
    V1: st.builds(lambda a, m: {"model": "scripted"} | a | {"messages": m}, _fields(ChatV1), MESSAGES) | ANYTHING,
    V2: st.builds(lambda a, m: {"model": "scripted"} | a | {"messages": m}, _fields(ChatV2), MESSAGES) | ANYTHING,
    "/api/v1/tokens/count": st.fixed_dictionaries({}, optional={"model": ANYTHING, "input": ANYTHING}) | ANYTHING,
    "/api/v1/embeddings": st.fixed_dictionaries({}, optional={"model": ANYTHING, "input": ANYTHING}) | ANYTHING,
    "/api/v1/files": ANYTHING,
    "/api/v2/oauth": ANYTHING,
    "/api/v1/token": ANYTHING,
}


@pytest.mark.parametrize("path", BODIES)
def test_no_body_makes_the_server_fail(steady: Running, path: str) -> None:
    client = steady.client()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=BODIES[path])
    def holds(body: Any) -> None:
        data = json.dumps(body).encode()
        response = client.post(path, content=data, headers={"Content-Type": "application/json"})
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            assert response.json()["status"] == response.status_code

    holds()


@settings(max_examples=100, deadline=None)
@given(
    calls=st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=8),
)
def test_results_are_linked_to_the_calls_before_them(calls: list[tuple[str, bool]]) -> None:
    """Whatever the order: every result that has a call open before it gets that call's id, and no two calls share one."""
    messages = [
        Message("tool", "r", name=name)
        if is_result
        else Message("assistant", "", tool_calls=(ToolCall("", name, "{}"),))
        for name, is_result in calls
    ]
    linked = _link_calls(messages)
    ids = [call.id for message in linked for call in message.tool_calls]
    assert len(set(ids)) == len(ids) and all(ids)
    last: set[str] = set()
    for message in linked:
        if message.tool_calls:
            last = {call.id for call in message.tool_calls}
        elif last:
            assert message.tool_call_id in last
            last = set()


def test_a_request_is_read_into_what_is_asked(plain: Running) -> None:
    body = ChatV1.model_validate(
        ask(
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "а"}, {"type": "text", "text": "б"}],
                    "attachments": ["1", "1", "2"],
                }
            ]
        )
    )
    request = read_v1(body, plain.state.engine, "http://here")
    assert (
        request.asked.messages[0].content == "а\nб"
        and request.attachments == ("1", "2")
        and request.asked.card.id == "samovar"
    )
