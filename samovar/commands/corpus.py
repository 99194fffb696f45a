"""``samovar corpus``: from raw sources to a documented corpus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from samovar.commands import corpus_build, corpus_crawl, corpus_report
from samovar.commands.help import Command, Group

NAME = "corpus"


def register(app: Any) -> None:
    """Add the group."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, help="corpus.help", epilog="corpus.examples")(_nothing)
    commands: dict[str, Callable[..., None]] = {
        "build": corpus_build.build,
        "plan": corpus_build.plan,
        "report": corpus_report.report,
        "crawl": corpus_crawl.crawl,
    }
    for name, function in commands.items():
        group.command(name, cls=Command, help=f"corpus.{name}_help", epilog=f"corpus.{name}_examples")(function)
    app.add_typer(group, name=NAME)


def _nothing() -> None:
    """The group itself does nothing."""
