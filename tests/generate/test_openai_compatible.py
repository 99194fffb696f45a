"""The OpenAI-compatible model against a real local server: streaming, cancelling, retrying, and every way to go wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("openai", reason="the extra 'openai' is absent")

from samovar.errors import ModelError, ModelNotFoundError, PromptTooLongError
from samovar.generate.model import Cancel, GenerationOptions, Message, Model, Usage
from samovar.generate.openai_compatible import OpenAICompatibleModel

QUESTION = [Message("system", "Отвечай кратко."), Message("user", "Кто написал «Мёртвые души»?")]


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {"content": text} if text is not None else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def usage(prompt: int, completion: int) -> dict[str, Any]:
    tokens = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**chunk(), "choices": [], "usage": tokens}


def events(*chunks: Any, done: bool = True) -> Any:
    def answer(handler: Any) -> None:
        handler.start_events()
        for item in chunks:
            handler.event(item)
        if done:
            handler.event("[DONE]")

    return answer


GOOD = events(chunk("Николай "), chunk("Гоголь"), chunk(finish="stop"), usage(21, 3))


@pytest.fixture
def model(endpoint: Any) -> Iterator[OpenAICompatibleModel]:
    made = OpenAICompatibleModel(f"{endpoint.url}/v1/", "проба", "key-k", timeout_seconds=5, max_retries=2)
    yield made
    made.close()


def test_streams_and_sends_what_was_asked(endpoint: Any, model: OpenAICompatibleModel) -> None:
    endpoint.answer(GOOD)
    options = GenerationOptions(0.5, 0.9, 64, ("\n\n",), 7, {"type": "object"})
    pieces = list(model.stream(QUESTION, options))
    assert [piece.text for piece in pieces] == ["Николай ", "Гоголь", ""]
    assert pieces[-1].stop_reason == "stop"
    assert pieces[-1].usage == Usage(21, 3)
    seen = endpoint.seen[0]
    assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
    body = seen.json
    assert body["model"] == "проба"
    assert body["messages"] == [{"role": m.role, "content": m.content} for m in QUESTION]
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (0.5, 0.9, 64, 7)
    assert body["stop"] == ["\n\n"]
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert body["stream"] is True
    assert isinstance(model, Model)
    assert model.name == "openai:проба"


def test_takes_nothing_from_the_environment(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "из-окружения")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    endpoint.answer(GOOD)
    model = OpenAICompatibleModel(f"{endpoint.url}/v1", "m", "key", max_retries=0)
    assert list(model.stream(QUESTION))[-1].stop_reason == "stop"
    model.close()
    headers = endpoint.seen[0].headers
    assert headers["authorization"] == "Bearer key"
    assert not [name for name in headers if name.startswith(("x-stainless", "openai-"))]


def test_usage_teaches_the_token_estimate(endpoint: Any, model: OpenAICompatibleModel) -> None:
    long = [Message("user", "слово " * 100)]
    before = model.count_tokens(long)
    endpoint.answer(events(chunk("да"), chunk(finish="stop"), usage(220, 1)))
    list(model.stream(long))
    after = model.count_tokens(long)
    assert 220 < after < before


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "length"), ("content_filter", "refused"), ("tool_calls", "tool_calls"), ("странно", "error")],
)
def test_finish_reasons(endpoint: Any, model: OpenAICompatibleModel, finish: str, reason: str) -> None:
    endpoint.answer(events(chunk("а"), chunk(finish=finish)))
    assert list(model.stream(QUESTION))[-1].stop_reason == reason


def test_a_refusal_is_shown_and_marked(endpoint: Any, model: OpenAICompatibleModel) -> None:
    refusal = chunk()
    refusal["choices"][0]["delta"] = {"refusal": "Не могу."}
    endpoint.answer(events(refusal, chunk(finish="stop")))
    pieces = list(model.stream(QUESTION))
    assert (pieces[0].text, pieces[-1].stop_reason) == ("Не могу.", "refused")


def test_pieces_arrive_while_the_answer_is_being_written(endpoint: Any, model: OpenAICompatibleModel) -> None:
    go_on = threading.Event()

    def answer(handler: Any) -> None:
        handler.start_events()
        handler.wfile.write(b": ping\n\n")
        handler.event(chunk("раз"))
        assert go_on.wait(10)
        handler.event(chunk(" два"))
        handler.event(chunk(finish="stop"))
        handler.event("[DONE]")

    endpoint.answer(answer)
    stream = model.stream(QUESTION)
    assert next(stream).text == "раз"
    go_on.set()
    assert [piece.text for piece in stream] == [" два", ""]


def test_cancel_ends_the_stream_and_closes_the_connection(endpoint: Any, model: OpenAICompatibleModel) -> None:
    def answer(handler: Any) -> None:
        handler.start_events()
        handler.send_until_hung_up(chunk("ещё "))

    endpoint.answer(answer)
    cancel = Cancel()
    stream = model.stream(QUESTION, cancel=cancel)
    assert next(stream).text == "ещё "
    cancel.set()
    assert [piece.stop_reason for piece in stream][-1] == "cancelled"
    assert endpoint.hung_up.wait(5), "the server was still being listened to"


def test_cancel_while_waiting_for_the_first_byte(endpoint: Any, model: OpenAICompatibleModel) -> None:
    arrived, release = threading.Event(), threading.Event()

    def answer(handler: Any) -> None:
        arrived.set()
        handler.connection.settimeout(10)
        if handler.connection.recv(1) == b"":  # readable and empty: the client has closed
            handler.server.hung_up.set()
        release.set()

    endpoint.answer(answer)
    cancel = Cancel()
    threading.Thread(target=lambda: (arrived.wait(5), cancel.set())).start()
    assert [piece.stop_reason for piece in model.stream(QUESTION, cancel=cancel)] == ["cancelled"]
    assert release.wait(5)
    assert endpoint.hung_up.is_set()


def test_dropping_the_stream_closes_the_connection(endpoint: Any, model: OpenAICompatibleModel) -> None:
    def answer(handler: Any) -> None:
        handler.start_events()
        handler.send_until_hung_up(chunk("ещё "))

    endpoint.answer(answer)
    stream = model.stream(QUESTION)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert endpoint.hung_up.wait(5)


def test_retries_on_429_honouring_retry_after(endpoint: Any, model: OpenAICompatibleModel) -> None:
    times: list[float] = []

    def busy(handler: Any) -> None:
        times.append(time.monotonic())
        handler.reply(429, '{"error":{"message":"slow down"}}', Retry_After="1")

    def good(handler: Any) -> None:
        times.append(time.monotonic())
        GOOD(handler)

    endpoint.answer(busy, good)
    assert list(model.stream(QUESTION))[-1].stop_reason == "stop"
    assert len(endpoint.seen) == 2
    assert times[1] - times[0] >= 1.0


@pytest.mark.parametrize("status", [500, 503])
def test_retries_on_server_errors_and_gives_up_with_the_servers_words(
    endpoint: Any, model: OpenAICompatibleModel, status: int
) -> None:
    def fail(handler: Any) -> None:
        handler.reply(status, '{"error":{"message":"печка остыла"}}', retry_after_ms="1")

    endpoint.answer(fail, GOOD)
    assert list(model.stream(QUESTION))[-1].stop_reason == "stop"
    endpoint.answer(fail)
    with pytest.raises(ModelError, match=f"answered {status}: .*печка остыла"):
        list(model.stream(QUESTION))
    assert len(endpoint.seen) == 2 + 3


def test_401_names_the_setting_and_hides_the_key(endpoint: Any, model: OpenAICompatibleModel) -> None:
    endpoint.answer(lambda handler: handler.reply(401, '{"error":{"message":"bad key"}}'))
    with pytest.raises(ModelError, match=r"refused the key.*api_key") as caught:
        list(model.stream(QUESTION))
    assert "key-k" not in str(caught.value)
    assert len(endpoint.seen) == 1


def test_404_is_model_not_found(endpoint: Any, model: OpenAICompatibleModel) -> None:
    endpoint.answer(lambda handler: handler.reply(404, '{"error":{"message":"no such model"}}'))
    with pytest.raises(ModelNotFoundError, match="no such model"):
        list(model.stream(QUESTION))


def test_context_length_is_prompt_too_long(endpoint: Any, model: OpenAICompatibleModel) -> None:
    body = {"error": {"message": "maximum context length is 10 tokens", "code": "context_length_exceeded"}}
    endpoint.answer(lambda handler: handler.reply(400, json.dumps(body)))
    with pytest.raises(PromptTooLongError, match="maximum context length"):
        list(model.stream(QUESTION))


def test_too_long_by_estimate_is_refused_without_a_request(endpoint: Any) -> None:
    model = OpenAICompatibleModel(endpoint.url, "m", context_tokens=300)
    with pytest.raises(PromptTooLongError, match="set to hold 300"):
        next(model.stream([Message("user", "слово " * 200)]))
    assert endpoint.seen == []
    model.close()


@pytest.mark.parametrize("status", [200, 404, 502])
def test_an_html_page_is_an_error_that_says_so(endpoint: Any, status: int) -> None:
    model = OpenAICompatibleModel(endpoint.url, "m", max_retries=0)
    endpoint.answer(lambda handler: handler.reply(status, "<html><h1>It works!</h1></html>", "text/html"))
    with pytest.raises(ModelError, match=r"(?i)html"):
        list(model.stream(QUESTION))
    model.close()


def test_a_cut_stream_is_an_error_never_an_end(endpoint: Any, model: OpenAICompatibleModel) -> None:
    endpoint.answer(events(chunk("Нико"), done=False))
    stream = model.stream(QUESTION)
    assert next(stream).text == "Нико"
    with pytest.raises(ModelError, match="in the middle"):
        list(stream)
    assert len(endpoint.seen) == 1, "a broken answer must not be started again"


def test_a_stream_cut_inside_a_chunked_body_is_an_error(endpoint: Any, model: OpenAICompatibleModel) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        data = f"data: {json.dumps(chunk('Нико'))}\n\n".encode()
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n20\r\ndata: {")

    endpoint.answer(answer)
    with pytest.raises(ModelError, match=r"connection to .* failed"):
        list(model.stream(QUESTION))


def test_an_error_event_in_the_stream_is_raised(endpoint: Any, model: OpenAICompatibleModel) -> None:
    endpoint.answer(events(chunk("Нико"), {"error": {"message": "кончилась память"}}))
    with pytest.raises(ModelError, match="кончилась память"):
        list(model.stream(QUESTION))


def test_an_event_that_is_not_json_is_an_error(endpoint: Any, model: OpenAICompatibleModel) -> None:
    endpoint.answer(events(chunk("Нико"), "{oops"))
    with pytest.raises(ModelError, match="not JSON"):
        list(model.stream(QUESTION))


def test_silence_times_out(endpoint: Any) -> None:
    release = threading.Event()

    def answer(handler: Any) -> None:
        handler.start_events()
        handler.event(chunk("раз"))
        release.wait(10)

    endpoint.answer(answer)
    model = OpenAICompatibleModel(endpoint.url, "m", timeout_seconds=0.3, max_retries=0)
    stream = model.stream(QUESTION)
    assert next(stream).text == "раз"
    with pytest.raises(ModelError, match=r"silent for 0.3 s"):
        list(stream)
    release.set()
    model.close()


def test_nobody_listening_is_a_clear_error() -> None:
    model = OpenAICompatibleModel("http://127.0.0.1:9/v1", "m", max_retries=0)
    with pytest.raises(ModelError, match=r"connection to http://127.0.0.1:9/v1 failed"):
        list(model.stream(QUESTION))
    model.close()


def test_redirects_are_refused(endpoint: Any, model: OpenAICompatibleModel) -> None:
    endpoint.answer(lambda handler: handler.reply(307, "", Location="http://elsewhere.invalid/v1"))
    with pytest.raises(ModelError, match=r"redirects to http://elsewhere.invalid"):
        list(model.stream(QUESTION))
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize("address", ["", "localhost:8000", "ftp://host/v1", "http:///v1", "file:///etc/passwd"])
def test_an_address_must_be_http(address: str) -> None:
    with pytest.raises(ModelError, match="base_url"):
        OpenAICompatibleModel(address, "m")


def test_several_requests_at_once(endpoint: Any, model: OpenAICompatibleModel) -> None:
    def slow(handler: Any) -> None:
        handler.start_events()
        time.sleep(0.05)
        handler.event(chunk("ответ"))
        handler.event(chunk(finish="stop"))
        handler.event("[DONE]")

    endpoint.answer(slow)
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append("".join(p.text for p in model.stream(QUESTION))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == ["ответ"] * 8


def test_closing_ends_running_streams_and_refuses_new_ones(endpoint: Any) -> None:
    def answer(handler: Any) -> None:
        handler.start_events()
        handler.send_until_hung_up(chunk("ещё "))

    endpoint.answer(answer)
    model = OpenAICompatibleModel(endpoint.url, "m")
    stream = model.stream(QUESTION)
    next(stream)
    model.close()
    model.close()
    with pytest.raises(ModelError):
        list(stream)
    with pytest.raises(ModelError, match="closed"):
        next(model.stream(QUESTION))


def test_an_empty_conversation_is_refused(model: OpenAICompatibleModel) -> None:
    with pytest.raises(ModelError, match="at least one message"):
        next(model.stream([]))


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(ModelError, match="ASCII"):
        OpenAICompatibleModel("http://127.0.0.1:9/v1", "m", "ключ")
