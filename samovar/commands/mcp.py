"""``samovar mcp``: the assistant as tools for another program's model, on stdin and stdout."""

from __future__ import annotations

from typing import Any

import typer

from samovar.commands.ask import Model
from samovar.commands.help import Command
from samovar.commands.serve import check_extra, warm_up
from samovar.commands.session import session_of
from samovar.messages import say

NAME = "mcp"


def mcp(ctx: typer.Context, model: Model = "") -> None:
    """Open everything, then speak the protocol until stdin ends. Notes go to stderr: stdout belongs to the protocol."""
    check_extra(f"samovar {NAME}")
    from samovar.serve.logs import configure
    from samovar.serve.mcp_server import serve_stdio

    session = session_of(ctx)
    configure(quiet=True)
    with session.open(generate={"model": model or None}) as samovar:
        warm_up(samovar, session.terminal)
        session.terminal.note(say("mcp.ready"))
        serve_stdio(samovar)


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="mcp.help", epilog="mcp.examples")(mcp)
