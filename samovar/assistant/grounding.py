"""The prompt for a grounded answer: system rules, a little history, the question, numbered passages as quoted data."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from samovar.assistant.prompts import prompt
from samovar.generate.model import Message

KEY_BYTES = 8  # 64 bits: no document written beforehand can hold the key of a run
# what could pass for our tags or for a chat template's control tokens; letters may be parted by invisible characters
_SKIP = r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]*"
_PASSAGE = _SKIP.join("passage")
_TAG = re.compile(rf"[<＜‹﹤]({_SKIP}[/／]?{_SKIP}{_PASSAGE})", re.IGNORECASE)
_CONTROL = re.compile(
    r"<(?=[|｜])|(?<=[|｜])>|<(?=/?(?:s|bos|eos|pad|unk|sys|think|system|assistant|user|tool_call|tool_response|im_start|im_end"
    r"|start_of_turn|end_of_turn)>)|<(?=<)|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
_INSTEAD = {"<": "‹", ">": "›", "[": "("}
_GAP = re.compile(r"\s*\n\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Shown:
    """One passage as it goes into the prompt."""

    number: int
    title: str
    text: str
    prior: float


def defuse(text: str) -> str:
    """Break what could close our tags or pass for a chat template's control tokens; letters stay readable."""
    text = _CONTROL.sub(lambda m: _INSTEAD[m.group()], text)
    return _TAG.sub(r"‹.\1", text)


def render(question: str, shown: Sequence[Shown], key: str) -> str:
    """Return the user message: the question, then the passages between tags that carry a key nobody could have written beforehand."""
    lines = [question, ""]
    for p in shown:
        text = _GAP.sub("\n\n", defuse(p.text.replace(key, "")).strip())
        lines += [
            f'<passage n="{p.number}" key="{key}" title="{_attribute(p.title)}">',
            text,
            f'</passage key="{key}">',
            "",
        ]
    return "\n".join(lines).rstrip()


def _attribute(title: str) -> str:
    """A title that cannot leave its quotes."""
    return " ".join(defuse(title).replace('"', "'").replace("<", "‹").replace(">", "›").split())


def make_messages(
    question: str, language: str, shown: Sequence[Shown], history: Sequence[Message], key: str | None = None
) -> list[Message]:
    """Return system message, history and user message."""
    content = render(question, shown, key or secrets.token_hex(KEY_BYTES))
    return [
        Message("system", prompt("answer", language)),
        *history,
        Message(
            "user",
            content,
            tuple(p.text for p in shown),
            question=question,
            language=language,
            priors=tuple(p.prior for p in shown),
            titles=tuple(p.title for p in shown),
        ),
    ]
