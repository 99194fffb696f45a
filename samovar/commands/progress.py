"""Progress on stderr: a bar with rate and time left on a terminal, a plain line now and then elsewhere.

Knows amounts and words, not what is being done.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from samovar.commands.terminal import Terminal, one_line
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 10.0  # between two lines where there is no terminal: logs stay readable


class ProgressBar:
    """One amount that grows; bytes or pieces. Nothing is shown before the first `update`."""

    def __init__(self, terminal: Terminal, label: str, *, quiet: bool = False) -> None:
        self._terminal = terminal
        self._label = label
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away; safe to call twice."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(self, done: int, total: int, detail: str = "", eta_seconds: float | None = None) -> None:
        """Show how far it has come: `detail` is what else is worth saying (rate, counts)."""
        eta = say("progress.eta", time=current_words().duration(eta_seconds)) if eta_seconds is not None else ""
        detail = "  ".join(part for part in (one_line(detail), eta) if part)
        if self._quiet:
            return
        if not self._terminal.err_is_terminal:
            self._write_line(done, total, detail)
            return
        if self._bar is None:
            self._start()
        assert self._bar is not None and self._task is not None
        self._bar.update(self._task, completed=done, total=max(total, 1), detail=detail)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        console = Console(file=self._terminal.err, no_color=not self._terminal.err_colour, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(markup=True),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task(self._label, total=None, detail="")
        self._bar.start()

    def _write_line(self, done: int, total: int, detail: str) -> None:
        if time.monotonic() - self._last_line < LINE_SECONDS:
            return
        self._last_line = time.monotonic()
        share = current_words().number(100 * done / max(total, 1))
        self._terminal.note(f"{self._label}: {share} %  {detail}")
