"""The prompt for a grounded answer: system rules, a little history, the question, numbered passages as quoted data."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from samovar.assistant.prompts import prompt
from samovar.generate.model import Message

_TAG = re.compile(r"<\s*(/?)\s*passage", re.IGNORECASE)
_CONTROL = re.compile(r"<\|([^|<>]{1,40})\|>|\[(/?)INST\]")


@dataclass(frozen=True, slots=True)
class Shown:
    """One passage as it goes into the prompt."""

    number: int
    title: str
    text: str
    prior: float


def defuse(text: str) -> str:
    """Break what could close our tags or pass for a chat template's control tokens; letters stay readable."""
    text = _TAG.sub(r"<\1 passage", text)
    return _CONTROL.sub(lambda m: m.group().replace("<|", "< |").replace("[", "[ "), text)


def render(question: str, shown: Sequence[Shown], key: str) -> str:
    """Return the user message: the question, then the passages between tags that carry a key nobody could have written beforehand."""
    lines = [question, ""]
    for p in shown:
        lines += [f'<passage n="{p.number}" key="{key}" title="{defuse(p.title)}">', defuse(p.text), f'</passage key="{key}">', ""]
    return "\n".join(lines).rstrip()


def make_messages(
    question: str, language: str, shown: Sequence[Shown], history: Sequence[Message], key: str | None = None
) -> list[Message]:
    """Return system message, history and user message."""
    content = render(question, shown, key or secrets.token_hex(4))
    return [
        Message("system", prompt("answer", language)),
        *history,
        Message(
            "user", content, tuple(p.text for p in shown), question=question, language=language, priors=tuple(p.prior for p in shown)
        ),
    ]
