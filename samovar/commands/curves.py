"""A run's curve in the viewers people use, where they are installed: TensorBoard (files in the run's folder) and trackio (its local database).

Neither is needed, and neither is given anything to send: curves stay on this machine. Knows no training, only its reports.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samovar.train.loop import Report, Trainer

FIGURES = ("loss", "bits", "grad_norm", "tokens_per_s", "mfu", "rate")
PROJECT = "samovar"
AFAR = ("SPACE_ID", "SERVER_URL", "WEBHOOK_URL", "BUCKET_ID", "DATASET_ID")
"""Of trackio's settings (TRACKIO_…) those that name a place elsewhere: with one of them set we do not use it."""
Watch = Callable[["Report"], None]


@contextmanager
def open_curves(trainer: Trainer) -> Iterator[Watch]:
    """Give a function that shows a report wherever there is something to show it; only the first process of a run shows any."""
    with ExitStack() as stack:
        openers = (open_tensorboard, open_trackio) if trainer.team.is_first else ()
        watches = [watch for opener in openers if (watch := opener(trainer, stack)) is not None]

        def show(report: Report) -> None:
            for watch in watches:
                watch(report)

        yield show


def list_figures(report: Report) -> dict[str, float]:
    """Return what a report has measured."""
    return {name: value for name in FIGURES if not math.isnan(value := getattr(report, name))}


def open_tensorboard(trainer: Trainer, stack: ExitStack) -> Watch | None:
    """Return a function that writes event files into the run's folder ``tb``; None without TensorBoard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    writer: Any = SummaryWriter(str(trainer.folder / "tb"), purge_step=trainer.step)
    stack.callback(writer.close)

    def write(report: Report) -> None:
        for name, value in list_figures(report).items():
            writer.add_scalar(name, value, report.step)

    return write


def open_trackio(trainer: Trainer, stack: ExitStack) -> Watch | None:
    """Return a function that logs to trackio's local database (``trackio show``); None without trackio, or where it would send the curve away."""
    if any(os.environ.get(f"TRACKIO_{name}") for name in AFAR):
        return None
    try:
        trackio: Any = import_module("trackio")
    except ImportError:
        return None
    folder = trainer.folder.resolve()
    name = f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"
    with redirect_stdout(io.StringIO()):  # it greets on the stream that results are written to
        run = trackio.init(
            project=PROJECT, name=name, resume="allow", embed=False, auto_log_gpu=False, auto_log_cpu=False
        )

    def finish() -> None:
        with redirect_stdout(io.StringIO()):
            trackio.finish()

    stack.callback(finish)
    return lambda report: run.log(list_figures(report), step=report.step)
