"""The program itself: global options, version, and the help page when nothing is asked."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from samovar.commands.help import Group


def _show_version(value: bool) -> None:
    if value:
        from samovar import __version__

        typer.echo(f"samovar {__version__}")
        raise typer.Exit


def start(
    ctx: typer.Context,
    lang: Annotated[str, typer.Option("--lang", metavar="ru|en", help="option.lang")] = "",
    home: Annotated[str, typer.Option("--home", metavar="metavar.folder", help="option.home")] = "",
    version: Annotated[
        bool, typer.Option("--version", help="option.version", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Show the help page when no command is named (`lang` and `home` are read before the commands are built)."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def register(app: Any) -> None:
    """Make this the root of the program."""
    app.callback(cls=Group, invoke_without_command=True, help="program.help", epilog="program.examples")(start)
