"""What can be measured: chat endpoints, models in this process, our own assistant, search engines. `load_target` makes one from its name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Answered": "target", "Target": "target", "TargetError": "target", "load_target": "registry", "target_kinds": "registry",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
