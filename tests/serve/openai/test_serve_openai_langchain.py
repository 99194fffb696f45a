"""`langchain-openai` unmodified: ChatOpenAI invoke, stream, tools, structured output, the Responses API."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from serve_harness import Running

pytest.importorskip("langchain_openai", reason="langchain-openai is absent")

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from samovar.generate.model import Piece, ToolCall


@tool
def get_weather(city: str) -> str:
    """Погода в городе."""
    return f"{city}: +20"


def chat(running: Running, model: str, **options: Any) -> Any:
    return ChatOpenAI(base_url=f"{running.url}/v1", api_key="any", model=model, max_retries=0, **options)


def test_grounded_invoke_and_stream(running: Running) -> None:
    model = chat(running, "samovar", temperature=0)
    messages = [SystemMessage("Кратко."), HumanMessage("Какова глубина Байкала?")]
    answer = model.invoke(messages)
    assert "1642" in answer.content
    assert answer.usage_metadata["total_tokens"] > 0
    streamed = list(model.stream(messages))
    assert "".join(chunk.text for chunk in streamed) == answer.content


def test_tools_are_bound_called_and_answered(scripted: Any) -> None:
    call = ToolCall("call_1", "get_weather", '{"city": "Тула"}')
    running, seen = scripted(Piece("", tool_calls=(call,)), "В Туле +20.", Piece("", tool_calls=(call,)))
    model = chat(running, "scripted").bind_tools([get_weather])
    first = model.invoke("Какая погода в Туле?")
    assert [(c["name"], c["args"]) for c in first.tool_calls] == [("get_weather", {"city": "Тула"})]
    results = [ToolMessage(get_weather.invoke(c["args"]), tool_call_id=c["id"]) for c in first.tool_calls]
    assert model.invoke([HumanMessage("Какая погода в Туле?"), first, *results]).content == "В Туле +20."
    assert [m.role for m in seen.requests[1].messages] == ["user", "assistant", "tool"]
    assert seen.requests[1].messages[1].tool_calls[0].id == "call_1"
    whole: Any = None
    for chunk in model.stream("Какая погода в Туле?"):
        whole = chunk if whole is None else whole + chunk
    assert [(c["name"], c["args"]) for c in whole.tool_calls] == [("get_weather", {"city": "Тула"})]


def test_structured_output(scripted: Any) -> None:
    schema = {
        "title": "City",
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    running, seen = scripted('{"city": "Тула"}')
    model = chat(running, "scripted").with_structured_output(schema, method="json_schema")
    assert model.invoke("Где?") == {"city": "Тула"}
    assert seen.requests[0].options.json_schema["properties"] == schema["properties"]


def test_the_responses_api(running: Running) -> None:
    model = chat(running, "samovar", use_responses_api=True)
    answer = model.invoke("Какова глубина Байкала?")
    assert isinstance(answer, AIMessage)
    assert "1642" in answer.text
    assert "1642" in "".join(chunk.text for chunk in model.stream("Какова глубина Байкала?"))


def test_errors_are_the_client_s_own(running: Running) -> None:
    with pytest.raises(openai.NotFoundError):
        chat(running, "gpt-9").invoke("и?")
