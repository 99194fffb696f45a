"""GigaChat through its real client against a local server that speaks its dialect (v1 chat)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("gigachat", reason="the extra 'gigachat' is absent")

from samovar.errors import ModelError, ModelNotFoundError, PromptTooLongError
from samovar.generate.gigachat import GigaChatModel, StopCutter
from samovar.generate.model import Cancel, GenerationOptions, Message, Model, Usage

QUESTION = [Message("system", "Отвечай кратко."), Message("user", "Кто написал «Мёртвые души»?")]


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A v1 stream chunk: no id, object "chat.completion", usage on the last one."""
    choice = {"index": 0, "delta": {"content": text} if text is not None else {}, "finish_reason": finish}
    return {"object": "chat.completion", "created": 1, "model": "GigaChat-2", "choices": [choice], **more}


USAGE = {"usage": {"prompt_tokens": 25, "completion_tokens": 4, "total_tokens": 29}}


def events(*chunks: Any, done: bool = True) -> Any:
    def answer(handler: Any) -> None:
        if handler.path.endswith("/oauth"):
            body = {"access_token": "пропуск".encode().hex(), "expires_at": int((time.time() + 1800) * 1000)}
            handler.reply(200, json.dumps(body))
            return
        handler.start_events()
        for item in chunks:
            handler.event(item)
        if done:
            handler.event("[DONE]")

    return answer


def unless_oauth(then: Any) -> Any:
    return lambda handler: events()(handler) if handler.path.endswith("/oauth") else then(handler)


GOOD = events(chunk("Николай "), chunk("Гоголь"), chunk("", "stop", **USAGE))


@pytest.fixture
def model(endpoint: Any) -> Iterator[GigaChatModel]:
    made = GigaChatModel(
        "GigaChat-2",
        "aWQ6c2VjcmV0",
        base_url=f"{endpoint.url}/api/v1",
        auth_url=f"{endpoint.url}/api/v2/oauth",
        scope="GIGACHAT_API_PERS",
        timeout_seconds=5,
        max_retries=2,
    )
    yield made
    made.close()


def chats(endpoint: Any) -> list[Any]:
    return [seen for seen in endpoint.seen if not seen.path.endswith("/oauth")]


def test_authorises_streams_and_sends_what_was_asked(endpoint: Any, model: GigaChatModel) -> None:
    endpoint.answer(GOOD)
    pieces = list(model.stream(QUESTION, GenerationOptions(temperature=0.0, max_tokens=40)))
    assert "".join(piece.text for piece in pieces) == "Николай Гоголь"
    assert (pieces[-1].stop_reason, pieces[-1].usage) == ("stop", Usage(25, 4))
    oauth, chat = endpoint.seen
    assert oauth.headers["authorization"] == "Basic aWQ6c2VjcmV0"
    assert oauth.body == b"scope=GIGACHAT_API_PERS"
    assert chat.path == "/api/v1/chat/completions"
    assert chat.headers["authorization"] == "Bearer " + "пропуск".encode().hex()
    body = chat.json
    assert (body["model"], body["stream"], body["max_tokens"]) == ("GigaChat-2", True, 40)
    assert body["messages"] == [{"role": m.role, "content": m.content} for m in QUESTION]
    assert body["temperature"] > 0
    assert isinstance(model, Model)
    assert model.name == "gigachat:GigaChat-2"


def test_no_variable_redirects_prompts(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIGACHAT_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("GIGACHAT_AUTH_URL", "http://127.0.0.1:9/oauth")
    monkeypatch.setenv("GIGACHAT_VERIFY_SSL_CERTS", "false")
    monkeypatch.setenv("GIGACHAT_MODEL", "другая")
    endpoint.answer(GOOD)
    model = GigaChatModel("GigaChat-2", "aWQ6cw==", base_url=f"{endpoint.url}/api/v1", auth_url=f"{endpoint.url}/oauth")
    assert list(model.stream(QUESTION))[-1].stop_reason == "stop"
    assert chats(endpoint)[0].json["model"] == "GigaChat-2"
    assert model._client._settings.verify_ssl_certs is True
    model.close()


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("blacklist", "refused"), ("length", "length"), ("function_call", "tool_calls"), ("error", "error")],
)
def test_finish_reasons(endpoint: Any, model: GigaChatModel, finish: str, reason: str) -> None:
    endpoint.answer(events(chunk("Не люблю менять тему"), chunk("", finish)))
    assert list(model.stream(QUESTION))[-1].stop_reason == reason


def test_an_expired_token_is_renewed_once(endpoint: Any, model: GigaChatModel) -> None:
    states = iter([401])

    def answer(handler: Any) -> None:
        if not handler.path.endswith("/oauth") and (status := next(states, 0)):
            handler.reply(status, '{"status":401,"message":"Token has expired"}')
        else:
            GOOD(handler)

    endpoint.answer(GOOD)
    list(model.stream(QUESTION))
    endpoint.answer(answer)
    assert list(model.stream(QUESTION))[-1].stop_reason == "stop"
    assert [seen.path.rsplit("/", 1)[-1] for seen in endpoint.seen] == [
        "oauth",
        "completions",
        "completions",
        "oauth",
        "completions",
    ]


def test_wrong_credentials_are_named(endpoint: Any, model: GigaChatModel) -> None:
    endpoint.answer(lambda handler: handler.reply(401, '{"code":6,"message":"credentials doesn\'t match db data"}'))
    with pytest.raises(ModelError, match=r"refused the credentials .*match db data.*api_key"):
        list(model.stream(QUESTION))


def test_unknown_model_and_too_long_prompt(endpoint: Any, model: GigaChatModel) -> None:
    endpoint.answer(unless_oauth(lambda handler: handler.reply(404, '{"status":404,"message":"No such model"}')))
    with pytest.raises(ModelNotFoundError, match="No such model"):
        list(model.stream(QUESTION))
    endpoint.answer(unless_oauth(lambda handler: handler.reply(413, '{"status":413,"message":"too large"}')))
    with pytest.raises(PromptTooLongError):
        list(model.stream(QUESTION))


def test_429_is_retried_after_what_the_service_says(endpoint: Any, model: GigaChatModel) -> None:
    times: list[float] = []

    def busy(handler: Any) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            handler.reply(429, '{"status":429,"message":"Too many requests"}', Retry_After="1")
        else:
            GOOD(handler)

    endpoint.answer(unless_oauth(busy))
    assert list(model.stream(QUESTION))[-1].stop_reason == "stop"
    assert len(times) == 2
    assert times[1] - times[0] >= 1.0


def test_a_broken_answer_is_not_started_again(endpoint: Any, model: GigaChatModel) -> None:
    def cut(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        data = f"data: {json.dumps(chunk('Нико'))}\n\n".encode()
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n50\r\ndata: {")

    endpoint.answer(unless_oauth(cut))
    stream = model.stream(QUESTION)
    assert next(stream).text == "Нико"
    with pytest.raises(ModelError, match=r"connection to .* failed"):
        list(stream)
    assert len(chats(endpoint)) == 1


def test_an_answer_without_a_finish_is_an_error(endpoint: Any, model: GigaChatModel) -> None:
    endpoint.answer(events(chunk("Нико"), done=False))
    with pytest.raises(ModelError, match="in the middle"):
        list(model.stream(QUESTION))


def test_an_error_object_in_the_stream_is_an_error(endpoint: Any, model: GigaChatModel) -> None:
    endpoint.answer(events(chunk("Нико"), {"status": 500, "message": "Internal"}))
    with pytest.raises(ModelError, match="unexpected"):
        list(model.stream(QUESTION))


def test_cancel_closes_the_connection(endpoint: Any, model: GigaChatModel) -> None:
    def answer(handler: Any) -> None:
        handler.start_events()
        handler.send_until_hung_up(chunk("ещё "))

    endpoint.answer(unless_oauth(answer))
    cancel = Cancel()
    stream = model.stream(QUESTION, cancel=cancel)
    next(stream)
    cancel.set()
    assert [piece.stop_reason for piece in stream][-1] == "cancelled"
    assert endpoint.hung_up.wait(5)


def test_stop_strings_are_applied_here(endpoint: Any, model: GigaChatModel) -> None:
    endpoint.answer(events(chunk("раз ст"), chunk("оп два"), chunk("", "stop")))
    pieces = list(model.stream(QUESTION, GenerationOptions(stop=("стоп",))))
    assert "".join(piece.text for piece in pieces) == "раз "
    assert pieces[-1].stop_reason == "stop"


def test_a_schema_is_refused_not_ignored(model: GigaChatModel) -> None:
    with pytest.raises(ModelError, match="JSON schema"):
        next(model.stream(QUESTION, GenerationOptions(json_schema={"type": "object"})))


@given(st.lists(st.text("абс ", max_size=6), max_size=12), st.lists(st.text("абс", min_size=1, max_size=4), max_size=3))
def test_cutting_a_stream_equals_cutting_the_text(pieces: list[str], stop: list[str]) -> None:
    cutter = StopCutter(stop)
    shown = "".join(cutter.push(piece) for piece in pieces) + cutter.rest()
    text = "".join(pieces)
    cuts = [text.find(literal) for literal in stop if literal in text]
    assert cutter.stopped == bool(cuts)
    expected = text[: min(cuts)] if cuts else text
    assert text.startswith(shown)
    assert shown == expected or (cuts and len(shown) >= len(expected) and not any(s in shown for s in stop))
