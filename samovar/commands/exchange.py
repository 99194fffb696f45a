"""``samovar library export`` and ``import``: the library as plain files, and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.indexing import index_changes
from samovar.commands.options import Json
from samovar.commands.session import session_of
from samovar.commands.terminal import clean
from samovar.messages import say


def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="metavar.folder", help="exchange.export_folder")],
    json: Json = False,
) -> None:
    """Write Parquet and JSON Lines with full provenance; the manifest comes last."""
    from samovar.library.exchange import export_library

    session = session_of(ctx)
    with session.open() as samovar:
        manifest = export_library(samovar.library, folder.expanduser())
    if json:
        session.terminal.json({"folder": str(folder), **asdict(manifest)})
        return
    session.terminal.print(
        say(
            "exchange.exported",
            documents=say("count.documents", count=manifest.num_documents),
            passages=say("count.passages", count=manifest.num_passages),
            rows=say("count.rows", count=manifest.num_ledger_rows),
            folder=clean(str(folder)),
        )
    )


def import_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="metavar.folder", help="exchange.import_folder")],
    json: Json = False,
) -> None:
    """Read an export. The library is opened without the starter articles: an empty one must become the exported one."""
    from samovar.library.exchange import import_library
    from samovar.library.store import Library

    session = session_of(ctx)
    settings = session.settings()
    with Library.open(settings.home) as library:
        result = import_library(library, folder.expanduser())
    with session.open() as samovar:
        index_changes(samovar, session.terminal, quiet=json)
    if json:
        session.terminal.json(asdict(result))
        return
    session.terminal.print(
        say(
            "exchange.imported",
            added=say("count.documents", count=result.added),
            unchanged=say("count.documents", count=result.unchanged),
            passages=say("count.passages", count=result.passages),
        )
    )


def register(group: Any) -> None:
    """Add both commands to ``samovar library``."""
    group.command("export", cls=Command, help="exchange.export_help", epilog="exchange.export_examples")(export)
    group.command("import", cls=Command, help="exchange.import_help", epilog="exchange.import_examples")(import_)
