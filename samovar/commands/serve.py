"""``samovar serve``: the web application and the HTTP APIs, until it is told to stop."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.ask import Model
from samovar.commands.help import Command
from samovar.commands.indexing import open_searcher
from samovar.commands.options import Json
from samovar.commands.session import session_of
from samovar.commands.terminal import Terminal
from samovar.errors import MissingExtraError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.app import Samovar
    from samovar.settings import Settings

NAME = "serve"
EXTRA = "serve"
NEEDED = (
    "fastapi",
    "uvicorn",
    "httptools",
    "sqlalchemy",
    "alembic",
    "nicegui",
    "mcp",
    "prometheus_client",
    "pwdlib",
    "nh3",
)


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option("--host", metavar="metavar.host", help="serve.host")] = None,
    port: Annotated[
        int | None, typer.Option("--port", "-p", metavar="metavar.number", min=0, max=65535, help="serve.port")
    ] = None,
    accounts: Annotated[bool | None, typer.Option("--accounts/--no-accounts", help="serve.accounts")] = None,
    model: Model = "",
    browser: Annotated[bool | None, typer.Option("--open/--no-open", help="serve.open")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="serve.quiet")] = False,
    json: Json = False,
) -> None:
    """Check, open everything where it can be seen, listen, say where; return when told to stop."""
    check_extra(f"samovar {NAME}")
    session = session_of(ctx)
    settings = session.settings(
        serve={"host": host or None, "port": port, "accounts": accounts}, generate={"model": model or None}
    )
    from samovar.serve.listening import bind
    from samovar.serve.logs import configure
    from samovar.serve.server import serve as run

    prepare(settings, session.terminal)
    configure(quiet=quiet)
    with bind(settings.serve.host, settings.serve.port) as listener, session.open() as samovar:
        warm_up(samovar, session.terminal)
        run(
            settings,
            samovar=samovar,
            listener=listener,
            on_ready=lambda url: announce(url, settings, session.terminal, json=json, browser=browser),
        )
    session.terminal.note(say("serve.stopped"))


def check_extra(feature: str) -> None:
    """Refuse to start without the packages of the extra. Raises `MissingExtraError`."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in NEEDED):
        raise MissingExtraError(EXTRA, feature)


def prepare(settings: Settings, terminal: Terminal) -> None:
    """Refuse what must not be started, before anything slow; say what is missing."""
    from samovar.serve.server import check_start
    from samovar.serve.store.store import Store

    with Store.open(settings) as store:
        num_users = store.accounts.count()
    check_start(settings, num_users)
    if settings.serve.accounts and not num_users:
        terminal.note(say("serve.no_accounts", command="samovar user add NAME --role admin"))


def warm_up(samovar: Samovar, terminal: Terminal) -> None:
    """Open index and model, so that a failure is a message here and the first question need not wait."""
    open_searcher(samovar, terminal)
    name = samovar.settings.generate.model
    if name != "extractive":
        terminal.note(say("serve.loading", name=name))
    _ = samovar.assistant


def announce(url: str, settings: Settings, terminal: Terminal, *, json: bool, browser: bool | None) -> None:
    """Say where it listens; open the page where a person sits."""
    shown = settings.serve.public_url or url
    if json:
        terminal.json({"url": shown, "pid": os.getpid()}, line=True)
    else:
        terminal.print(say("serve.ready", url=shown))
    terminal.flush()
    terminal.note(say("serve.hint"))
    if browser or (browser is None and not json and terminal.out_is_terminal and has_display()):
        open_page(url)


def has_display() -> bool:
    """Whether a browser would have a screen to open on (elsewhere it might take over this terminal)."""
    if sys.platform.startswith(("win", "darwin")):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_page(url: str) -> None:
    """Open the browser, in a thread: some take seconds."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="serve.help", epilog="serve.examples")(serve)
