"""The Responses API through the official `openai` client: stateless, grounded and bare, with function calls."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from serve_harness import Running

from samovar.generate.model import Message, Piece, ToolCall
from samovar.generate.scripted import ScriptedModel

QUESTION = "Кто написал роман «Евгений Онегин»?"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALLS = (ToolCall("call_a", "get_weather", '{"city": "Тула"}'), ToolCall("call_b", "get_weather", "{}"))


def test_a_grounded_response_is_cited(running: Running, connect: Any) -> None:
    response = connect(running).responses.create(
        model="samovar", input=QUESTION, instructions="Кратко.", metadata={"a": "b"}
    )
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert "Пушкин" in response.output_text
    (annotation,) = response.output[0].content[0].annotations
    assert annotation.type == "url_citation"
    assert response.output_text[annotation.start_index : annotation.end_index] == "[1]"
    assert annotation.url.startswith(f"{running.url}/document/")
    assert response.samovar["status"] == "answered"
    assert any("Системные" in note for note in response.samovar["notes"])
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert response.store is False
    assert response.metadata == {"a": "b"}
    assert response.instructions == "Кратко."


ORDER = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.annotation.added",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


@pytest.mark.parametrize("model", ["samovar", "scripted"])
def test_the_stream_has_every_event_in_order(serve: Any, connect: Any, model: str) -> None:
    script = "Роман «Евгений Онегин» написал Александр Пушкин. Роман закончен в 1831 году."
    client = connect(serve(model=ScriptedModel([script])))
    plain = client.responses.create(model=model, input=[{"role": "user", "content": QUESTION}])
    events = list(client.responses.create(model=model, input=QUESTION, stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    kinds = list(dict.fromkeys(e.type for e in events))
    assert kinds == [kind for kind in ORDER if model == "samovar" or "annotation" not in kind]
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    final = events[-1].response
    assert (
        text
        == plain.output_text
        == final.output_text
        == events[kinds.index("response.output_text.done") - len(kinds)].text
    )
    added = [e.annotation for e in events if e.type == "response.output_text.annotation.added"]
    assert [a["url"] if isinstance(a, dict) else a.url for a in added] == [
        a.url for a in final.output[0].content[0].annotations
    ]
    assert (model == "samovar") == bool(added)
    assert final.usage == plain.usage
    assert len({e.item_id for e in events if hasattr(e, "item_id")}) == 1
    if model == "samovar":
        assert events[0].response.samovar["found"][0]["title"] == "pushkin.txt"
        assert final.samovar["citations"] == plain.samovar["citations"]
    with client.responses.stream(model=model, input=QUESTION) as helper:
        assert helper.get_final_response().output_text == text


def test_functions_are_called_and_their_results_come_back(scripted: Any, connect: Any) -> None:
    running, model = scripted(Piece("", tool_calls=CALLS), Piece("Смотрю.", tool_calls=CALLS[:1]), "Тепло.")
    client = connect(running)
    asked = [{"role": "user", "content": [{"type": "input_text", "text": "Какая погода?"}]}]
    response = client.responses.create(
        model="scripted", input=asked, tools=[TOOL], tool_choice="required", parallel_tool_calls=True, temperature=0.5, max_output_tokens=50
    )  # fmt: skip
    assert [(item.type, item.call_id, item.name, item.arguments) for item in response.output] == [
        ("function_call", c.id, c.name, c.arguments) for c in CALLS
    ]
    options = model.requests[0].options
    assert (options.temperature, options.max_tokens, options.tool_choice, options.parallel_tool_calls) == (
        0.5,
        50,
        "required",
        True,
    )
    events = list(client.responses.create(model="scripted", input=asked, tools=[TOOL], stream=True))
    items = [e.item for e in events if e.type == "response.output_item.done"]
    assert [item.type for item in items] == ["message", "function_call"]
    done = [e for e in events if e.type == "response.function_call_arguments.done"]
    assert [(e.arguments, e.output_index, e.name) for e in done] == [(CALLS[0].arguments, 1, "get_weather")]
    results = [{"type": "function_call_output", "call_id": c.id, "output": "+20"} for c in CALLS]
    last = client.responses.create(
        model="scripted", input=[*asked, *[item.model_dump() for item in response.output], *results], tools=[TOOL]
    )
    assert last.output_text == "Тепло."
    assert model.requests[-1].messages == (
        Message("user", "Какая погода?"),
        Message("assistant", "", tool_calls=CALLS),
        Message("tool", "+20", tool_call_id="call_a"),
        Message("tool", "+20", tool_call_id="call_b"),
    )


def test_instructions_formats_and_limits(scripted: Any, connect: Any) -> None:
    running, model = scripted("один два три")
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    response = connect(running).responses.create(
        model="scripted", input="и?", instructions="Кратко.", max_output_tokens=2, store=True, truncation="auto",
        text={"format": {"type": "json_schema", "name": "a", "schema": schema}},
    )  # fmt: skip
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output_text == "один два"
    assert model.requests[0].messages == (Message("system", "Кратко."), Message("user", "и?"))
    assert model.requests[0].options.json_schema == schema
    events = list(connect(running).responses.create(model="scripted", input="и?", max_output_tokens=2, stream=True))
    assert events[-1].type == "response.incomplete"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"top_logprobs": 3}, "log probabilities"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "item_reference"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x/y.png"}]}]}, "input_image"),
        ({"input": [{"type": "message", "content": "без роли"}]}, "role"),
        ({"input": []}, "input"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_clearly(scripted: Any, connect: Any, fields: dict[str, Any], said: str) -> None:
    running, model = scripted("ответ")
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        connect(running).responses.create(**{"model": "scripted", "input": "и?", **fields})
    assert caught.value.type == "invalid_request_error"
    assert model.requests == []


def test_responses_are_not_kept(running: Running, connect: Any) -> None:
    client = connect(running)
    made = client.responses.create(model="samovar", input=QUESTION)
    with pytest.raises(openai.NotFoundError, match="not kept"):
        client.responses.retrieve(made.id)
    for call in (client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.APIStatusError) as caught:
            call(made.id)
        assert caught.value.status_code in (404, 405)


def test_a_failure_in_the_middle_is_an_event(scripted: Any, connect: Any) -> None:
    running, _ = scripted("один два три", fail_after=1)
    events = list(connect(running).responses.create(model="scripted", input="и?", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.status == "failed"
    assert "told to fail" in events[-1].response.error.message
    assert [e.sequence_number for e in events] == list(range(len(events)))
    with pytest.raises(openai.InternalServerError):
        connect(running).responses.create(model="scripted", input="и?")


def test_each_event_is_named_on_its_own_line(running: Running) -> None:
    with running.client() as client:
        body = {"model": "samovar", "input": QUESTION, "stream": True, "samovar": {"draft": True}}
        text = client.post("/v1/responses", json=body).text
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    assert all(len(block) == 2 for block in blocks)
    for name, data in blocks:
        assert name == "event: " + json.loads(data.removeprefix("data: "))["type"]
    assert "event: samovar.draft.delta" in text
