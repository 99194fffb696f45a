"""The `Target` protocol: one question in, one answer out, asynchronously. A failure raises; it is never an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from samovar.errors import SamovarError


@dataclass(frozen=True, slots=True)
class Answered:
    """What a target said. `finish` ``filter``: the service's own content filter refused. `version` is what the service says it is; `sources` the
    addresses of search results or citations, in order."""

    text: str
    finish: Literal["stop", "length", "filter"] = "stop"
    version: str = ""
    sources: tuple[str, ...] = ()


class TargetError(SamovarError):
    """A target failed. `retry`: trying again may help, not before `after_seconds`; `fatal`: no other question will do better (a wrong key, a
    wrong address): the run stops and keeps what it has."""

    def __init__(self, message: str, *, retry: bool = False, after_seconds: float = 0.0, fatal: bool = False) -> None:
        super().__init__(message)
        self.retry = retry
        self.after_seconds = after_seconds
        self.fatal = fatal


class Target(Protocol):
    """Something that answers. Safe to ask many questions at once from one event loop."""

    @property
    def name(self) -> str:
        """The name in reports, e.g. ``openai:gpt-…`` or ``samovar:grounded``."""

    def describe(self) -> Mapping[str, Any]:
        """Everything that decides the answers, for the evidence bundle: model, address, parameters; never a key."""

    async def ask(self, text: str, *, language: str, limit: int = 0) -> Answered:
        """Ask one question. `language` is the BCP 47 tag it is written in; `limit` the number of results wanted from a search engine.

        Raises:
            TargetError: no answer came.
        """

    async def close(self) -> None:
        """Free what is held; safe to call twice."""


def parallel_of(target: Target, connections: int) -> int:
    """How many questions a target really works on at once: one in this process says so in `parallel`, a service takes every connection. More would
    only wait, and the wait would be written down as the target's."""
    return min(connections, int(getattr(target, "parallel", connections)))


@dataclass(frozen=True, slots=True)
class Price:
    """What an answer costs, for the estimate before a run: per million tokens, in `currency`."""

    prompt: float = 0.0
    completion: float = 0.0
    currency: str = "USD"
