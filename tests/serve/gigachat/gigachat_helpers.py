"""Clients of the dialect for a running server."""

from __future__ import annotations

import base64
from typing import Any

from gigachat import GigaChat
from serve_harness import PASSWORD, Running

from samovar.generate.model import Message, Piece, ToolCall
from samovar.generate.scripted import ScriptedModel

WAYS = ("credentials", "user and password", "user and key", "access token", "key as token")
FACTORY = "Кто открыл первую самоварную фабрику в Туле?"
FACTORY_ANSWER = "Первую самоварную фабрику в Туле открыл Назар Лисицын в 1778 году. [1]"
WEATHER = {
    "name": "weather",
    "description": "Weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def basic(name: str, secret: str) -> str:
    """Credentials as the service hands them out."""
    return base64.b64encode(f"{name}:{secret}".encode()).decode()


def ask(model: str = "GigaChat", text: str = FACTORY, **more: Any) -> dict[str, Any]:
    """A request for either version."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def client(running: Running, person: str = "", way: str = "credentials", **options: Any) -> GigaChat:
    """The official client; with accounts, one of the people by one of the `WAYS` in."""
    here: dict[str, Any] = {
        "base_url": f"{running.url}/api/v1",
        "auth_url": f"{running.url}/api/v2/oauth",
        "model": "GigaChat",
    }
    if person:
        who = running.people[person]
        if way == "credentials":
            here |= {"credentials": basic("some-client-id", who.key), "scope": "GIGACHAT_API_PERS"}
        elif way == "user and password":
            here |= {"user": who.user.name, "password": PASSWORD}
        elif way == "user and key":
            here |= {"user": who.user.name, "password": who.key}
        elif way == "access token":
            here |= {"access_token": running.state.store.tokens.issue(who.api_key.id, "GIGACHAT_API_PERS")[0]}
        else:
            here |= {"access_token": who.key}
    return GigaChat(**(here | options))


def forget_tokens(running: Running) -> None:
    """End all access tokens, as their half hour does."""
    from samovar.serve.store.tables import tokens

    with running.state.store.database.write() as connection:
        connection.execute(tokens.delete())


def weather_model() -> ScriptedModel:
    """A bare model that wants the weather looked up, then says what it was told."""

    def reply(messages: Any) -> str | Piece:
        last: Message = messages[-1]
        if last.role == "tool":
            return f"Сказано: {last.content}"
        call = ToolCall("call_1", "weather", '{"city": "Тула"}')
        return Piece("", "tool_calls", tool_calls=(call,))

    return ScriptedModel(reply)
