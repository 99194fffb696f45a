"""``samovar train``: from a corpus to an own model. The subcommands stand in files of their own, ``train_<name>.py``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer

from samovar.commands.help import Group

NAME = "train"
SUBCOMMANDS = ("tokenizer", "prepare", "plan", "pretrain", "adapt", "data", "sft", "prefer", "eval")
"""In the order of the work; each a module that offers ``register(group)``."""


def register(app: Any) -> None:
    """Add the group."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, help="train.help", epilog="train.examples")(_nothing)
    for name in SUBCOMMANDS:
        module = f"samovar.commands.train_{name}"
        if find_spec(module) is not None:
            import_module(module).register(group)
    app.add_typer(group, name=NAME)


def _nothing() -> None:
    """The group itself does nothing."""
