"""Chat completions through the official `openai` client against a running server: grounded and bare, plain and streamed."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from serve_harness import Running, text_document

from samovar.generate.model import GenerationOptions, Message, Piece, ToolCall
from samovar.generate.scripted import ScriptedModel

Serve = Callable[..., Running]

QUESTION = "Кто написал роман «Евгений Онегин»?"
SUPPORTED = "Роман «Евгений Онегин» написал Александр Пушкин [1]."
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Погода в городе",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(text: str = QUESTION) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def content(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


# -- grounded -----------------------------------------------------------------------------------------------------------
def test_a_grounded_answer_is_cited_in_the_client_s_own_types(running: Running, connect: Any) -> None:
    answer = connect(running).chat.completions.create(model="samovar", messages=ask())
    message = answer.choices[0].message
    assert "Пушкин" in message.content
    assert answer.choices[0].finish_reason == "stop"
    vendor = message.samovar
    assert vendor["status"] == "answered"
    assert len(message.annotations) == len(vendor["citations"]) == 1
    cited = message.annotations[0].url_citation
    assert message.content[cited.start_index : cited.end_index] == "[1]"
    citation = vendor["citations"][0]
    assert cited.title == "pushkin.txt"
    assert (
        cited.url == f"{running.url}/document/{citation['document_id']}?start={citation['start']}&end={citation['end']}"
    )
    document = running.samovar.library.document(citation["document_id"])
    assert document.text[citation["start"] : citation["end"]] == citation["quote"]
    assert vendor["hits"][0]["passage"]["document_id"] == citation["document_id"]
    assert vendor["timings"]["total"] > 0
    assert answer.usage.prompt_tokens == len(QUESTION.split())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 4


def test_a_grounded_stream_says_what_was_found_first_and_the_rest_last(running: Running, connect: Any) -> None:
    stream = connect(running).chat.completions.create(
        model="samovar", messages=ask(), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    first = chunks[0].choices[0].delta
    assert first.role == "assistant"
    assert first.samovar["found"][0]["title"] == "pushkin.txt"
    assert first.samovar["found"][0]["url"].startswith(f"{running.url}/document/")
    last = chunks[-2].choices[0]
    assert last.finish_reason == "stop"
    assert last.delta.samovar["status"] == "answered"
    assert last.delta.annotations[0]["type"] == "url_citation"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0
    assert all(c.object == "chat.completion.chunk" for c in chunks)
    assert len({c.id for c in chunks}) == 1


SCRIPTS = {
    "supported": SUPPORTED,
    "partly": f"{SUPPORTED} Роман закончен в 1831 году. Его очень любят дети на Луне.",
    "invented": "Роман написал Марсианин на Луне. Он жил в кратере и пил чай.",
    "declined": "NO_ANSWER",
    "late": f"{SUPPORTED} NO_ANSWER",
    "marked": "Пушкин [1] [2], [1]. Роман «Евгений Онегин» написал   Александр Пушкин[7].\n\nРоман закончен в 1831 году [1]",
    "thinking": f"<think>Кто же? [1]</think>{SUPPORTED}",
    "empty": "",
}


@pytest.mark.parametrize("name", [*SCRIPTS, "extractive"])
def test_the_streamed_text_is_the_plain_text(serve: Serve, connect: Any, name: str) -> None:
    model = None if name == "extractive" else ScriptedModel([SCRIPTS[name]])
    client = connect(serve(model=model))
    plain = client.chat.completions.create(model="samovar", messages=ask()).choices[0].message
    chunks = list(client.chat.completions.create(model="samovar", messages=ask(), stream=True))
    last = chunks[-1].choices[0].delta
    assert content(chunks) == plain.content != ""
    assert last.samovar["status"] == plain.samovar["status"]
    assert last.samovar["citations"] == plain.samovar["citations"]
    assert [a["url_citation"] for a in last.annotations] == [a.url_citation.model_dump() for a in plain.annotations]
    for annotation in plain.annotations:
        cited = annotation.url_citation
        marker = plain.content[cited.start_index : cited.end_index]
        assert marker[0] + marker[-1] == "[]"
        number = int(marker[1:-1])
        assert f"start={plain.samovar['citations'][number - 1]['start']}&" in cited.url
    helper = client.chat.completions.stream(model="samovar", messages=ask())
    with helper as events:
        final = events.get_final_completion()
    assert final.choices[0].message.content == plain.content
    response = client.responses.create(model="samovar", input=QUESTION)
    assert response.output_text == plain.content
    assert len(response.output[0].content[0].annotations) == len(plain.annotations)


def test_a_quotation_that_holds_a_marker_of_its_own_is_not_taken_for_ours(serve: Serve, connect: Any) -> None:
    text = "Чайник изобрёл мастер Иванов [3] [1] в 1790 году."
    running = serve(documents=[text_document("kettle.txt", text)])
    message = (
        connect(running)
        .chat.completions.create(model="samovar", messages=ask("Кто изобрёл чайник?"))
        .choices[0]
        .message
    )
    assert message.content == f"{text} [1]"
    cited = message.annotations[0].url_citation
    assert (cited.start_index, cited.end_index) == (len(text) + 1, len(text) + 4)


def test_an_abstention_is_an_answer_that_says_so(running: Running, connect: Any) -> None:
    answer = connect(running).chat.completions.create(
        model="samovar", messages=ask("Какова температура плавления вольфрама?")
    )
    message = answer.choices[0].message
    assert message.samovar["status"] == "abstained"
    assert message.annotations == []
    assert answer.choices[0].finish_reason == "stop"
    assert message.content


def test_follow_up_questions_are_understood_from_the_messages(running: Running, connect: Any) -> None:
    client = connect(running)
    first = client.chat.completions.create(model="samovar", messages=ask("Какова глубина Байкала?")).choices[0].message
    assert "1642" in first.content
    messages = [
        *ask("Какова глубина Байкала?"),
        first.model_dump(exclude_none=True),
        *ask("А какая река из него вытекает?"),
    ]
    second = client.chat.completions.create(model="samovar", messages=messages).choices[0].message
    assert "Ангара" in second.content
    assert "Байкал" in second.samovar["query"]


def test_what_the_grounded_model_does_not_read_is_said(running: Running, connect: Any) -> None:
    client = connect(running)
    messages = [{"role": "system", "content": "Отвечай стихами."}, *ask()]
    notes = client.chat.completions.create(model="samovar", messages=messages, tools=[WEATHER], temperature=0.5)
    said = notes.choices[0].message.samovar["notes"]
    assert [any(word in note for note in said) for word in ("Системные", "Инструменты", "Параметры")] == [True] * 3
    english = client.chat.completions.create(
        model="samovar", messages=[messages[0], {"role": "user", "content": "Who wrote the novel?"}]
    )
    assert any("System messages" in note for note in english.choices[0].message.samovar["notes"])


def test_filters_and_k_bound_what_is_seen(running: Running, connect: Any) -> None:
    client = connect(running)
    nothing = client.chat.completions.create(
        model="samovar", messages=ask(), extra_body={"samovar": {"filters": {"sources": ["elsewhere"]}}}
    )
    assert nothing.choices[0].message.samovar["status"] == "abstained"
    assert nothing.choices[0].message.samovar["hits"] == []
    one = client.chat.completions.create(
        model="samovar", messages=ask("самовар Пушкин Байкал"), extra_body={"samovar": {"k": 1}}
    )
    assert len(one.choices[0].message.samovar["hits"]) == 1
    with pytest.raises(openai.BadRequestError, match="fillters"):
        client.chat.completions.create(model="samovar", messages=ask(), extra_body={"samovar": {"fillters": {}}})


def test_the_draft_comes_only_to_those_who_ask_for_it(serve: Serve, connect: Any) -> None:
    client = connect(serve(model=ScriptedModel([SCRIPTS["invented"]])))
    chunks = list(
        client.chat.completions.create(
            model="samovar", messages=ask(), stream=True, extra_body={"samovar": {"draft": True}}
        )
    )
    drafts = [
        c.choices[0].delta.samovar["draft"]
        for c in chunks
        if "draft" in (getattr(c.choices[0].delta, "samovar", None) or {})
    ]
    assert "".join(drafts) == SCRIPTS["invented"]
    assert "Марсианин" not in content(chunks)
    plain = list(client.chat.completions.create(model="samovar", messages=ask(), stream=True))
    assert "Марсианин" not in str(plain)


# -- bare ---------------------------------------------------------------------------------------------------------------
def test_a_bare_model_gets_the_messages_and_options_as_they_are(scripted: Any, connect: Any) -> None:
    running, model = scripted("один два три")
    messages = [
        {"role": "developer", "content": "Будь краток."},
        {"role": "user", "content": [{"type": "text", "text": "раз"}, {"type": "text", "text": "два"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "user", "content": "и?", "name": "ivan"},
    ]  # fmt: skip
    answer = connect(running).chat.completions.create(
        model="scripted", messages=messages, temperature=0.3, top_p=0.9, seed=-5, max_completion_tokens=2, stop=["три", ""], tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}}, parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}},
    )  # fmt: skip
    assert answer.choices[0].message.content == "один два "
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.completion_tokens == 2
    request = model.requests[0]
    assert request.messages == (
        Message("system", "Будь краток."),
        Message("user", "раз\nдва"),
        Message("assistant", "", tool_calls=(ToolCall("c1", "f", "{}"),)),
        Message("tool", "42", tool_call_id="c1"),
        Message("user", "и?", name="ivan"),
    )
    options: GenerationOptions = request.options
    assert (options.temperature, options.top_p, options.max_tokens, options.stop) == (0.3, 0.9, 2, ("три",))
    assert options.seed is not None and 0 <= options.seed < 2**31
    assert options.json_schema == {"type": "object"}
    assert [tool.name for tool in options.tools] == ["get_weather"]
    assert options.tools[0].parameters == WEATHER["function"]["parameters"]
    assert (options.tool_choice, options.parallel_tool_calls) == ("required", False)
    assert answer.usage.prompt_tokens == model.count_tokens(request.messages)


def test_a_bare_stream_joins_to_the_plain_answer_with_its_usage(scripted: Any, connect: Any) -> None:
    text = "Самовар — это  сосуд.\n\nДа: 🫖!"
    running, _ = scripted(text, pieces="character")
    client = connect(running)
    plain = client.chat.completions.create(model="scripted", messages=ask())
    chunks = list(
        client.chat.completions.create(
            model="scripted", messages=ask(), stream=True, stream_options={"include_usage": True}
        )
    )
    assert content(chunks) == plain.choices[0].message.content == text
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage == plain.usage
    without = list(client.chat.completions.create(model="scripted", messages=ask(), stream=True))
    assert all(c.usage is None for c in without)
    assert without[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("reply", "max_tokens", "finish"),
    [("a b c", 2, "length"), (Piece("no", "refused"), 9, "content_filter"), (Piece("a", "stop"), 9, "stop")],
)
def test_finish_reasons(scripted: Any, connect: Any, reply: Any, max_tokens: int, finish: str) -> None:
    running, _ = scripted(reply)
    client = connect(running)
    plain = client.chat.completions.create(model="scripted", messages=ask(), max_tokens=max_tokens)
    assert plain.choices[0].finish_reason == finish
    *_, last = client.chat.completions.create(model="scripted", messages=ask(), max_tokens=max_tokens, stream=True)
    assert last.choices[0].finish_reason == finish


def test_tool_calls_come_back_plain_and_streamed(scripted: Any, connect: Any) -> None:
    calls = (
        ToolCall("call_1", "get_weather", '{"city": "Тула"}'),
        ToolCall("call_2", "get_weather", '{"city": "Псков"}'),
    )
    running, _ = scripted(Piece("Сейчас.", tool_calls=calls))
    client = connect(running)
    answer = client.chat.completions.create(model="scripted", messages=ask(), tools=[WEATHER]).choices[0]
    assert answer.finish_reason == "tool_calls"
    assert answer.message.content == "Сейчас."
    assert [(c.id, c.function.name, json.loads(c.function.arguments)["city"]) for c in answer.message.tool_calls] == [
        ("call_1", "get_weather", "Тула"),
        ("call_2", "get_weather", "Псков"),
    ]
    with client.chat.completions.stream(model="scripted", messages=ask(), tools=[WEATHER]) as events:
        final = events.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert [(c.id, c.function.arguments) for c in final.message.tool_calls] == [(c.id, c.arguments) for c in calls]


def test_the_same_with_the_asynchronous_client(scripted: Any) -> None:
    running, _ = scripted("раз два")

    async def talk() -> tuple[str, str]:
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="any") as client:
            plain = await client.chat.completions.create(model="scripted", messages=ask())
            stream = await client.chat.completions.create(model="scripted", messages=ask(), stream=True)
            chunks = [chunk async for chunk in stream]
            return plain.choices[0].message.content or "", content(chunks)

    assert asyncio.run(talk()) == ("раз два", "раз два")


# -- life of a stream ---------------------------------------------------------------------------------------------------
def test_a_failure_in_the_middle_is_an_event_that_the_client_raises(scripted: Any, connect: Any) -> None:
    running, _ = scripted("один два три четыре", fail_after=2)
    client = connect(running)
    got = []
    with pytest.raises(openai.APIError, match="told to fail"):
        for chunk in client.chat.completions.create(model="scripted", messages=ask(), stream=True):
            got.append(chunk)
    assert content(got) == "один два"
    with pytest.raises(openai.InternalServerError, match="told to fail") as caught:
        client.chat.completions.create(model="scripted", messages=ask())
    assert caught.value.status_code == 502


def test_a_failure_before_the_first_word_is_an_http_status(scripted: Any, connect: Any) -> None:
    running, _ = scripted("слово", fail_after=0, context_tokens=50)
    client = connect(running)
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="scripted", messages=ask(), stream=stream)
        assert caught.value.status_code == 502
        with pytest.raises(openai.BadRequestError, match="shorten"):
            client.chat.completions.create(model="scripted", messages=ask("слово " * 60), stream=stream)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["scripted", "samovar"])
def test_a_client_that_leaves_stops_the_model(scripted: Any, model: str, stream: bool) -> None:
    running, _ = scripted(" ".join(["слово"] * 3000), delay_seconds=0.02)
    queue = running.state.engine.queue
    with running.client() as client:
        body = {"model": model, "messages": ask(), "stream": stream, "max_tokens": 3000}
        if stream:
            with client.stream("POST", "/v1/chat/completions", json=body) as response:
                assert response.status_code == 200
                lines = response.iter_lines()  # kept: httpx closes the connection when the iterator is dropped
                next(lines)
                running.wait_for(lambda: queue.running == 1)
        else:
            timer = threading.Thread(target=lambda: running.wait_for(lambda: queue.running == 1))
            timer.start()
            with pytest.raises(Exception, match="timed out"):
                client.post("/v1/chat/completions", json=body, timeout=0.5)
            timer.join()
    left = time.monotonic()
    running.wait_for(lambda: queue.running == 0, seconds=5)
    assert time.monotonic() - left < 3, "60 s of words were left"


def test_silence_is_filled_with_comments(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar.serve.sse.PING_SECONDS", 0.1)
    running, _ = scripted("раз два", delay_seconds=0.5)
    with running.client() as client, client.stream(
        "POST", "/v1/chat/completions", json={"model": "scripted", "messages": ask(), "stream": True}
    ) as response:  # fmt: skip
        lines = [line for line in response.iter_lines() if line]
    assert lines.count(": ping") >= 2
    assert lines[0] == ": ping", "the headers do not wait for the first word for ever"
    assert lines[-1] == "data: [DONE]"
    assert response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("model", ["scripted", "samovar"])
def test_a_client_that_leaves_the_line_is_forgotten(scripted: Any, model: str) -> None:
    running, scripted_model = scripted(" ".join(["слово"] * 200), delay_seconds=0.02)
    queue = running.state.engine.queue
    body = {"model": "scripted", "messages": ask(), "max_tokens": 3000}
    first = threading.Thread(target=lambda: running.client().post("/v1/chat/completions", json=body))
    first.start()
    running.wait_for(lambda: queue.running == 1)
    for stream in (True, False):
        with pytest.raises(Exception, match="timed out"), running.client() as client:
            client.post("/v1/chat/completions", json=body | {"model": model, "stream": stream}, timeout=0.4)
        running.wait_for(lambda: queue.waiting == 0, seconds=5)
    assert queue.running == 1
    first.join(30)
    assert len(scripted_model.requests) == 1, "nobody asks the model for an answer that nobody reads"


@pytest.mark.parametrize("model", ["scripted", "samovar"])
def test_a_server_that_stops_says_that_the_answer_is_not_whole(scripted: Any, connect: Any, model: str) -> None:
    running, _ = scripted(" ".join(["слово"] * 500), delay_seconds=0.02)
    client = connect(running)
    running.loop.call_soon_threadsafe(
        lambda: running.loop.call_later(0.7, lambda: running.loop.create_task(running.state.engine.drain(0)))
    )
    with pytest.raises(openai.APIError, match="stopping"):
        for _ in client.chat.completions.create(model=model, messages=ask(), stream=True, max_tokens=3000):
            pass
    with pytest.raises(openai.InternalServerError, match="stopping") as caught:
        client.chat.completions.create(model=model, messages=ask())
    assert caught.value.status_code == 503
