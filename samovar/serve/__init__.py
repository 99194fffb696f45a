"""The serving room: HTTP APIs, web app, accounts and conversations on top of the assistant. Imports nothing until a name is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ChatService": "chat", "Engine": "engine", "Principal": "principal", "ServerState": "state", "authorise": "access", "create_app": "server",
    "serve": "server",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
