"""The assistant room: questions in, answers with exact citations out. Imports nothing until a name is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Answer": "answer", "Assistant": "assistant", "CheckedSentence": "answer", "Citation": "answer", "Conversation": "conversation",
    "Delta": "answer", "Done": "answer", "Found": "answer", "Turn": "assistant", "answer_as_json": "as_json",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
