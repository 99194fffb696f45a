"""Official clients of a running server, and servers with a scripted model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from serve_harness import Running

from samovar.generate.scripted import ScriptedModel

Connect = Callable[..., openai.OpenAI]
Scripted = Callable[..., tuple[Running, ScriptedModel]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Official clients of a server, closed at the end."""
    made: list[openai.OpenAI] = []

    def client(running: Running, key: str = "any", **options: Any) -> openai.OpenAI:
        options.setdefault("max_retries", 0)
        made.append(openai.OpenAI(base_url=f"{running.url}/v1", api_key=key, timeout=60, **options))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def scripted(serve: Callable[..., Running]) -> Scripted:
    """A server whose model says the replies; other arguments are the model's."""

    def start(*replies: Any, **options: Any) -> tuple[Running, ScriptedModel]:
        model = ScriptedModel(replies, **options)
        return serve(model=model), model

    return start
