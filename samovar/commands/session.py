"""One run of the program: its terminal, its settings with where they came from, and the rooms opened from them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, cast

from samovar.commands.terminal import Terminal

if TYPE_CHECKING:
    import typer

    from samovar.app import Samovar
    from samovar.settings import Settings


def state_home() -> Path:
    """Return the state directory as `samovar.settings.default_home` finds it, without importing the settings (150 ms)."""
    if home := os.environ.get("SAMOVAR_HOME"):
        return Path(home).expanduser()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "samovar"


@dataclass(slots=True)
class Session:
    """What a command gets as ``ctx.obj``. `home_flag` is the value of ``--home``, "" when it was not given."""

    terminal: Terminal
    home_flag: str = ""
    flags: dict[str, Any] = field(default_factory=dict)

    def settings(self, **flags: Any) -> Settings:
        """Resolve the settings; `flags` are what the command line says, in nested dicts."""
        from samovar.settings import load_settings

        self.flags = merge(self.flags, flags)
        return load_settings(**self.flags)

    def open(self, **flags: Any) -> Samovar:
        """Open Samovar with these settings."""
        from samovar.app import Samovar

        return Samovar.open(self.settings(**flags))


def session_of(ctx: typer.Context) -> Session:
    """Return the session of a command."""
    return cast(Session, ctx.obj)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings in which `above` wins; None in `above` means "not given"."""
    out = dict(below)
    for name, value in above.items():
        if isinstance(value, Mapping):
            inner = merge(out.get(name, {}), value)
            if inner:
                out[name] = inner
        elif value is not None:
            out[name] = value
    return out


class Interrupts:
    """Ctrl-C in two steps, for a ``with`` block: the first calls `on_first`, the next raises `KeyboardInterrupt`.

    Outside the main thread (where Python allows no handlers) it changes nothing.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self.count = 0
        self._previous: Any = None
        self._installed = False

    @property
    def happened(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.count > 0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        self._on_first()

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)
