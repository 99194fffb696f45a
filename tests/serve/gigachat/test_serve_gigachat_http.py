"""The dialect on the wire: exact shapes, both streams line by line, cancelling, tolerance, and that no body makes the server fail."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from gigachat_helpers import FACTORY_ANSWER, WEATHER, ask, basic, weather_model
from serve_harness import PASSWORD, Running

from samovar.generate.model import Piece, ToolCall
from samovar.generate.scripted import ScriptedModel

Serve = Callable[..., Running]
V1, V2 = "/api/v1/chat/completions", "/api/v2/chat/completions"
PATHS = (V1, V2)


def events(response: httpx.Response) -> list[tuple[str, Any]]:
    """The (name, data) of each event of a stream; comments are passed over."""
    out, name = [], ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            out.append((name, line[6:] if line[6:] == "[DONE]" else json.loads(line[6:])))
            name = ""
    return out


# -- shapes -------------------------------------------------------------------------------------------------------------
def test_a_v1_answer_has_the_services_shape(plain: Running) -> None:
    response = plain.client().post(V1, json=ask())
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    # no id
    assert set(body) == {"choices", "created", "model", "object", "usage"} and body["object"] == "chat.completion"
    [choice] = body["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"]["role"] == "assistant" and choice["message"]["content"] == FACTORY_ANSWER
    assert set(body["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens", "precached_prompt_tokens"}
    ours = choice["message"]["samovar"]
    assert ours["status"] == "answered" and ours["citations"][0]["url"].startswith(plain.url + "/document/")
    citation = ours["citations"][0]
    text = plain.samovar.library.document(citation["document_id"]).text
    assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_a_v1_stream_is_chunks_and_an_end(plain: Running) -> None:
    with plain.client().stream("POST", V1, json=ask(stream=True)) as response:
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        found = events(response)
    assert found[-1] == ("", "[DONE]") and not any(name for name, _ in found)
    chunks = [data for _, data in found[:-1]]
    assert all(set(c) <= {"choices", "created", "model", "object", "usage"} for c in chunks)
    assert chunks[0]["choices"][0]["delta"]["samovar"]["found"][0]["title"]
    assert chunks[-1]["choices"][0]["delta"]["samovar"]["status"] == "answered" and "usage" in chunks[-1]


def test_a_v2_stream_is_named_events(plain: Running) -> None:
    with plain.client().stream("POST", V2, json=ask(stream=True)) as response:
        found = events(response)
    assert [name for name, _ in found] == ["response.message.delta"] * (len(found) - 1) + ["response.message.done"]
    assert set(found[-1][1]) == {"model", "created_at", "messages", "finish_reason", "usage"}
    assert all(set(data) == {"model", "created_at", "messages"} for _, data in found[:-1])


@pytest.mark.parametrize("path", PATHS)
def test_the_draft_is_streamed_to_who_asks_for_it(serve: Serve, path: str) -> None:
    draft = "Первую самоварную фабрику в Туле открыл Назар Лисицын в 1778 году [1]."
    client = serve(model=ScriptedModel([draft])).client()

    def drafted(body: dict[str, Any]) -> str:
        with client.stream("POST", path, json=body) as response:
            deltas = [
                c["delta"] if path == V1 else c
                for _, d in events(response)
                if d != "[DONE]"
                for c in d.get("choices") or d["messages"]
            ]
        return "".join(delta.get("samovar", {}).get("draft", "") for delta in deltas)

    assert drafted(ask(stream=True, samovar={"draft": True})) == draft
    assert drafted(ask(stream=True)) == ""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[]", 400), (b"", 400), (b'"x"', 400), (b"\xff\xfe", 400), (b'{"messages":[]}', 400),
        (b'{"messages":[{"role":"wizard","content":"x"}]}', 400), (b'{"messages":[{"role":"user","content":"\\ud800"}]}', 400),
        (b'{"messages":[{"role":"user","content":" "}]}', 400), (b'{"messages":[{"role":"assistant","content":"x"}]}', 400),
        (b"[" * 100_000, 400), (b'{"model":"x/y:z","messages":[{"role":"user","content":"x"}]}', 404),
        (b'{"messages":[{"role":"user","content":"\\u0000"}],"temperature":NaN}', 400),
    ],
)  # fmt: skip
def test_errors_have_the_services_shape(plain: Running, path: str, body: bytes, status: int) -> None:
    response = plain.client().post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    assert set(response.json()) == {"status", "message"} and response.json()["status"] == status
    assert response.headers["x-request-id"]


def test_nobody_is_told_that_nobody_is_there(locked: Running) -> None:
    for method, path in (
        ("POST", V1),
        ("POST", V2),
        ("GET", "/api/v1/models"),
        ("GET", "/api/v1/files"),
        ("GET", "/api/v1/anything"),
    ):
        response = locked.client().request(method, path, json=ask() if method == "POST" else None)
        assert response.status_code == 401 and response.json()["status"] == 401
        assert response.headers["x-session-id"] and response.headers["www-authenticate"] == "Bearer"


def test_unknown_places_are_404_and_absent_ones_501(plain: Running) -> None:
    client = plain.client()
    for path in ("/api/v1/nothing", "/api/v2/nothing", "/api/v1/", "/api/v1/models/none", "/api/v1/files/none", "/api/v1/files/none/content", "/api/v1/files/%00",
                 "/api/v1/files/..%2f..%2fetc%2fpasswd/content", "/api/v1/models/%00"):  # fmt: skip
        response = client.get(path)
        assert (
            response.status_code == (400 if "%00" in path else 404)
            and response.json()["status"] == response.status_code
        )
    for method, path in (
        ("GET", "balance"),
        ("POST", "ai/check"),
        ("POST", "batches"),
        ("GET", "threads/retrieve"),
        ("GET", "assistants"),
    ):
        response = client.request(method, f"/api/v1/{path}")
        assert response.status_code == 501 and response.json()["status"] == 501


def test_another_method_than_a_place_takes_is_405(plain: Running) -> None:
    for method, path, allowed in (
        ("GET", V1, "POST"),
        ("DELETE", "/api/v1/models", "GET"),
        ("PUT", "/api/v1/files/x", "DELETE, GET"),
    ):
        response = plain.client().request(method, path)
        assert (response.status_code, response.headers["allow"], response.json()["status"]) == (405, allowed, 405)


def test_ids_that_are_no_ids_are_not_echoed(plain: Running) -> None:
    sent = {"X-Session-ID": 'a"><script>', "X-Request-ID": "x" * 500}
    headers = plain.client().get("/api/v1/models", headers=sent).headers
    uuid.UUID(headers["x-session-id"])
    assert headers["x-request-id"] and headers["x-request-id"] != sent["X-Request-ID"]


# -- tolerance ------------------------------------------------------------------------------------------------------------
def test_the_services_own_fields_are_accepted(plain: Running) -> None:
    more = {"repetition_penalty": 1.1, "update_interval": 0.1, "profanity_check": True, "flags": ["x"], "function_ranker": {"enabled": True},
            "reasoning_effort": "low", "unknown": {"a": [1]}, "n": 1, "functions": None, "storage": None, "top_p": 0}  # fmt: skip
    assert plain.client().post(V1, json=ask(**more)).json()["choices"][0]["message"]["content"] == FACTORY_ANSWER
    more = {"disable_filter": True, "filter_config": {"request_content": {"neuro": False}}, "ranker_options": {"enabled": False},
            "user_info": {"timezone": "Europe/Moscow"}, "storage": False, "model_options": {"preset": "x", "reasoning": {"effort": "low"}}}  # fmt: skip
    assert plain.client().post(V2, json=ask(**more)).json()["messages"][0]["content"][0]["text"] == FACTORY_ANSWER


def test_the_model_may_be_left_out(plain: Running) -> None:
    body = ask()
    del body["model"]
    assert plain.client().post(V1, json=body).json()["model"] == "samovar"


def test_openai_tools_are_accepted_and_answered_in_both_forms(serve: Serve) -> None:
    client = serve(model=weather_model()).client()
    body = ask("scripted", tools=[{"type": "function", "function": WEATHER}], tool_choice="auto")
    choice = client.post(V1, json=body).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    [call] = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Тула"}'} and call["id"] == "call_1"
    assert choice["message"]["function_call"] == {"name": "weather", "arguments": {"city": "Тула"}}
    body["messages"] += [choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "мороз"}]
    assert client.post(V1, json=body).json()["choices"][0]["message"]["content"] == "Сказано: мороз"


def test_the_openai_client_works_against_it(serve: Serve) -> None:
    openai = pytest.importorskip("openai")
    running = serve(model=weather_model(), accounts=True)
    with openai.OpenAI(base_url=f"{running.url}/api/v1", api_key=running.people["reader"].key, max_retries=0) as client:
        tools = [{"type": "function", "function": WEATHER}]
        got = client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "?"}], tools=tools)
        assert got.choices[0].message.tool_calls[0].function.name == "weather"
        chunks = list(
            client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "?"}], tools=tools, stream=True
            )
        )
        assert [
            c.choices[0].delta.tool_calls[0].function.arguments for c in chunks if c.choices[0].delta.tool_calls
        ] == ['{"city": "Тула"}']


def test_arguments_that_are_no_object_are_kept_as_text(serve: Serve) -> None:
    call = ToolCall("c", "weather", "Тула, пожалуйста")
    client = serve(model=ScriptedModel([Piece("", "tool_calls", tool_calls=(call,))])).client()
    message = client.post(V1, json=ask("scripted", functions=[WEATHER])).json()["choices"][0]["message"]
    assert message["function_call"]["arguments"] == {"_": "Тула, пожалуйста"}


def test_functions_are_passed_over_by_the_grounded_model_and_it_says_so(plain: Running) -> None:
    message = plain.client().post(V1, json=ask(functions=[WEATHER], temperature=1.5)).json()["choices"][0]["message"]
    assert message["content"] == FACTORY_ANSWER and len(message["samovar"]["notes"]) == 2


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "draft",
    [
        "Первую самоварную фабрику в Туле открыл Назар Лисицын в 1778 году [1].",
        "Первую самоварную фабрику в Туле открыл Назар Лисицын [7]. Её построили марсиане.",
        "Её построили марсиане из кирпича.",
        "NO_ANSWER",
        "",
    ],
)
def test_a_stream_of_a_checked_draft_is_the_plain_answer(serve: Serve, path: str, draft: str) -> None:
    client = serve(model=ScriptedModel([draft])).client()
    plain = client.post(path, json=ask()).json()
    with client.stream("POST", path, json=ask(stream=True)) as response:
        found = [data for _, data in events(response) if data != "[DONE]"]
    if path == V1:
        message = plain["choices"][0]["message"]
        text, last = message["content"], found[-1]["choices"][0]["delta"]
        streamed = "".join(data["choices"][0]["delta"].get("content", "") for data in found)
    else:
        message, last = plain["messages"][0], found[-1]["messages"][0]
        text = "".join(part.get("text", "") for part in message["content"])
        streamed = "".join(p.get("text", "") for data in found for m in data["messages"] for p in m["content"])
    assert streamed == text != ""
    ours, theirs = message["samovar"], last["samovar"]
    assert (ours["status"], ours["citations"]) == (theirs["status"], theirs["citations"])
    assert all(f"[{c['number']}]" in text for c in ours["citations"])


# -- leaving --------------------------------------------------------------------------------------------------------------
@contextmanager
def _slow(serve: Serve) -> Iterator[tuple[Running, ScriptedModel]]:
    model = ScriptedModel(["слово " * 2_000], delay_seconds=0.02)
    yield serve(model=model), model


def _send(running: Running, path: str, body: dict[str, Any]) -> socket.socket:
    """Send a request over a bare socket, which can be closed at any moment."""
    connection = socket.create_connection(("127.0.0.1", running.port))
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data)
    return connection


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("model", ["scripted", "samovar"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_stops_the_model(serve: Serve, path: str, model: str, streamed: bool) -> None:
    with _slow(serve) as (running, scripted):
        queue = running.state.engine.queue
        connection = _send(running, path, ask(model, stream=streamed))
        running.wait_for(lambda: queue.running == 1 and scripted.requests)
        if streamed:
            assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()
        running.wait_for(lambda: queue.running == 0 and queue.waiting == 0, 5)


# -- ways in --------------------------------------------------------------------------------------------------------------
def test_oauth_answers_as_the_service_does(locked: Running) -> None:
    key = locked.people["reader"].key
    headers = {"Authorization": f"Basic {basic('id', key)}", "RqUID": str(uuid.uuid4())}
    response = locked.client().post("/api/v2/oauth", headers=headers, data={"scope": "GIGACHAT_API_B2B"})
    body = response.json()
    assert response.status_code == 200 and set(body) == {"access_token", "expires_at"}
    assert 25 * 60_000 < body["expires_at"] - time.time() * 1000 <= 30 * 60_000
    assert locked.client(key=body["access_token"]).get("/api/v1/models").status_code == 200


@pytest.mark.parametrize("form", ["id:{key}", "{key}:", "{key}", ":{key}"])
@pytest.mark.parametrize("encoded", [True, False])
def test_a_key_is_found_wherever_it_is_in_the_credentials(locked: Running, form: str, encoded: bool) -> None:
    import base64

    text = form.format(key=locked.people["reader"].key)
    value = base64.b64encode(text.encode()).decode() if encoded else text
    response = locked.client().post("/api/v2/oauth", headers={"Authorization": f"Basic {value}"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic =",
        "Basic !!!",
        "Bearer x",
        "Basic " + "A" * 5_000,
        "Basic //79",
        "basic Og==",
        "Basic " + basic("reader\0", PASSWORD),
    ],
)
@pytest.mark.parametrize("path", ["/api/v2/oauth", "/api/v1/token"])
def test_credentials_that_are_none_are_401(locked: Running, path: str, header: str) -> None:
    response = locked.client().post(path, headers={"Authorization": header})
    assert response.status_code == 401 and response.json()["status"] == 401


def test_oauth_takes_no_password(locked: Running) -> None:
    response = locked.client().post("/api/v2/oauth", headers={"Authorization": f"Basic {basic('reader', PASSWORD)}"})
    assert response.status_code == 401


def test_a_disabled_user_gets_no_token(guarded: Running) -> None:
    guarded.state.store.accounts.set_disabled(guarded.people["reader"].user.id, True)
    for path, secret in (("/api/v2/oauth", guarded.people["reader"].key), ("/api/v1/token", PASSWORD)):
        response = guarded.client().post(path, headers={"Authorization": f"Basic {basic('reader', secret)}"})
        assert response.status_code == 401


def test_a_token_of_a_password_cannot_do_what_an_admin_can(locked: Running) -> None:
    header = {"Authorization": f"Basic {basic('admin', PASSWORD)}"}
    token = locked.client().post("/api/v1/token", headers=header).json()["tok"]
    assert locked.client(key=token).get("/api/v1/models").status_code == 200
    assert locked.client(key=token).get("/api/samovar/users").status_code == 403


def test_passwords_may_not_be_tried_for_ever(serve: Serve) -> None:
    client = serve(accounts=True, logins_per_minute=3).client(
        headers={"Authorization": f"Basic {basic('reader', 'wrong')}"}
    )
    answers = [client.post("/api/v1/token") for _ in range(5)]
    assert [a.status_code for a in answers] == [401, 401, 401, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1 and answers[-1].json()["status"] == 429


def test_a_malformed_form_is_no_failure(locked: Running) -> None:
    header = {"Authorization": f"Basic {basic('id', locked.people['reader'].key)}"}
    for kind, data in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("application/json", b"{}"),
        ("", b"\xff"),
    ):
        response = locked.client().post("/api/v2/oauth", headers=header | {"Content-Type": kind}, content=data)
        assert response.status_code in (200, 400)
    response = locked.client().post("/api/v2/oauth", headers=header, data={"scope": "x" * 100})
    assert response.status_code == 400


# -- files on the wire ----------------------------------------------------------------------------------------------------
def test_a_file_comes_back_as_something_to_save(running: Running) -> None:
    client = running.client()
    page = b"<html><body><script>alert(1)</script><p>Some words that are long enough to be kept as a text.</p></body></html>"
    file = client.post(
        "/api/v1/files", files={"file": ("имя\u202e.html", page, "text/html")}, data={"purpose": "general"}
    ).json()
    assert file["object"] == "file" and file["samovar"]["status"] == "ready" and file["filename"] == "имя.html"
    response = client.get(f"/api/v1/files/{file['id']}/content")
    assert response.content == page and response.headers["content-type"] == "application/octet-stream"
    assert (
        response.headers["content-disposition"].startswith("attachment")
        and response.headers["x-content-type-options"] == "nosniff"
    )
    assert client.delete(f"/api/v1/files/{file['id']}").json() == {
        "id": file["id"],
        "object": "file",
        "deleted": True,
        "access_policy": "private",
    }


# Starlette leaves a cut-off part to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"), (b"--x--", "multipart/form-data; boundary=x"), (b"{}", "application/json"), (b"x", ""),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncut', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; filename="a.txt"\r\n\r\nx\r\n--x--\r\n', "multipart/form-data; boundary=x"),
        (b"x" * 99, "multipart/form-data"),
    ],
)  # fmt: skip
def test_forms_without_a_file_are_400(plain: Running, content: bytes, kind: str) -> None:
    response = plain.client().post("/api/v1/files", content=content, headers={"Content-Type": kind})
    assert response.status_code == 400 and response.json()["status"] == 400
