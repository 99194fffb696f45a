"""How a long run is asked to end: Ctrl-C by a person, TERM or USR1 by a scheduler. The run finishes its step and saves; the status tells why.

A second Ctrl-C ends at once. Knows no run: it calls what it is given.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn

import typer

from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import YELLOW, Terminal
from samovar.messages import say

AGAIN = 75
"""Exit status after TERM or USR1: saved, the same command goes on (EX_TEMPFAIL of sysexits.h)."""
INTERRUPTED = 130
ONE_PRESS_SECONDS = 1.0
"""Two interrupts within this time are one: torchrun passes on the Ctrl-C that the terminal has sent to all."""


def listen(ctx: typer.Context) -> None:
    """Let a scheduler end a command from its first line on, with a word and the status `AGAIN`: see `early_stops`."""
    ctx.with_resource(early_stops(lambda: session_of(ctx).terminal.note(say("pretrain.ended"), style=YELLOW)))


@contextmanager
def early_stops(tell: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let TERM and USR1 end a command at once with the status `AGAIN`, for a ``with`` block around its start: modules are loaded and files proven,
    which may take minutes, and nothing is lost. `tell` says so. Within `Stops` they mean what that says."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []

    def leave(number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # it came in the middle of a line
            tell()
        raise SystemExit(AGAIN)

    previous = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def hear(terminal: Terminal, bar: ProgressBar, message: str = "") -> None:
    """Say at once that a run was asked to stop, and what happens next: its step may take minutes."""
    bar.stop()
    terminal.note(message or say("pretrain.stopping"), style=YELLOW)


class Stops:
    """Signals that ask to stop, for a ``with`` block: the first calls `on_first`, a later Ctrl-C raises `KeyboardInterrupt`.

    Outside the main thread (where Python allows no handlers) it changes nothing. `status` is the exit status to end with.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._previous: dict[int, Any] = {}
        self._first_press: float | None = None
        self.happened = False
        self.status = AGAIN

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == signal.SIGINT:
            if self._first_press is not None and now - self._first_press > ONE_PRESS_SECONDS:
                raise KeyboardInterrupt
            self._first_press = self._first_press or now
            self.status = self.status if self.happened else INTERRUPTED
        if not self.happened:
            self.happened = True
            with suppress(RuntimeError):  # it came in the middle of a line that was being written
                self._on_first()

    def leave(self) -> NoReturn:
        """End the command as it was asked to.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            typer.Exit: after TERM or USR1, with the status `AGAIN`.
        """
        if self.status == INTERRUPTED:
            raise KeyboardInterrupt
        raise typer.Exit(self.status)

    def __enter__(self) -> Stops:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
                if (number := getattr(signal, name, None)) is not None:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
