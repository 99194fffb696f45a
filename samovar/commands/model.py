"""``samovar model``: which models there are, fetching one, choosing one."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.ask import complete_models
from samovar.commands.help import Command, Group
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import Session, session_of
from samovar.commands.terminal import BOLD, DIM, GREEN, YELLOW, Terminal, clean, one_line
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.generate.registry import ModelInfo


NAME = "model"


def complete_catalogue(incomplete: str) -> list[str]:
    """Return names of the catalogue, for the shell."""
    from samovar.generate.catalogue import read_catalogue

    return [entry.name for entry in read_catalogue() if entry.name.startswith(incomplete)]


def model(ctx: typer.Context, json: Json = False) -> None:
    """Without a subcommand: the same as ``list``."""
    if ctx.invoked_subcommand is None:
        show_models(session_of(ctx), json=json)


def list_(ctx: typer.Context, json: Json = False) -> None:
    """The built-in model, the catalogue, and what lies in the models folder."""
    show_models(session_of(ctx), json=json)


def show_models(session: Session, *, json: bool) -> None:
    """Print the models with a mark at the one in use."""
    from samovar.generate.registry import list_models

    settings = session.settings()
    infos = list_models(settings.home)
    current = settings.generate.model
    if json:
        records = [{**asdict(info), "path": str(info.path or ""), "current": info.name == current} for info in infos]
        session.terminal.json({"models": records, "current": current})
        return
    for info in infos:
        print_model(info, session.terminal, current=info.name == current)
    if all(info.name != current for info in infos):
        session.terminal.print(say("model.other", name=clean(current)))
    session.terminal.note(say("model.hint"))


def print_model(info: ModelInfo, terminal: Terminal, *, current: bool) -> None:
    """Print one model: name and state, then what is known about it."""
    words = current_words()
    state = (
        say("model.current") if current else say("model.installed") if info.installed else say("model.not_installed")
    )
    mark = "*" if current else " "
    terminal.print(
        f"{mark} {terminal.style(info.name, BOLD)}  {terminal.style(state, GREEN if info.installed else DIM)}"
    )
    facts = [info.licence, ", ".join(info.languages), words.size(info.size_bytes) if info.size_bytes else ""]
    if info.kind == "catalogue" and not info.sha256:
        facts.append(say("model.unpinned"))
    for line in (one_line(info.title), one_line(" · ".join(fact for fact in facts if fact)), one_line(info.note)):
        if line:
            terminal.print(terminal.style(f"    {line}", DIM))


def pull(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="metavar.name", help="model.pull_name", autocompletion=complete_catalogue)
    ],
    json: Json = False,
) -> None:
    """Download, verify, and say how to use it."""
    from samovar.generate.pull import pull_model

    session = session_of(ctx)
    words = current_words()
    started = time.monotonic()
    first: list[int] = []  # bytes that were there already: they say nothing about the rate

    def show(done: int, total: int) -> None:
        first[:] = first or [done]
        rate = (done - first[0]) / max(time.monotonic() - started, 1e-3)
        eta = (total - done) / rate if rate > 0 else None
        detail = f"{words.size(done)} / {words.size(total)}  {say('progress.rate', amount=words.size(rate))}"
        bar.update(done, total, detail, eta)

    with ProgressBar(session.terminal, say("model.pulling"), quiet=json) as bar:
        path = pull_model(
            as_text(name), session.settings().home, endpoint=os.environ.get("HF_ENDPOINT") or None, progress=show
        )
    if json:
        session.terminal.json({"path": str(path), "size_bytes": path.stat().st_size})
        return
    session.terminal.print(say("model.pulled", path=clean(str(path))))
    session.terminal.note(say("model.use_hint", command=f"samovar model use {path.stem}"))


def use(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="metavar.name", help="model.use_name", autocompletion=complete_models)],
    json: Json = False,
) -> None:
    """Write the choice into the settings file."""
    from samovar.generate.registry import use_model

    session = session_of(ctx)
    path = use_model(session.settings().home, as_text(name))
    chosen = session.settings().generate.model
    if json:
        session.terminal.json({"model": chosen, "file": str(path)})
        return
    session.terminal.print(say("model.used", name=clean(chosen), path=clean(str(path))))
    if chosen.startswith("openai:") and not session.settings().generate.base_url:
        session.terminal.note(say("model.needs_address", name="SAMOVAR_GENERATE__BASE_URL"), style=YELLOW)
    if os.environ.get("SAMOVAR_GENERATE__MODEL"):
        session.terminal.note(say("model.shadowed", name="SAMOVAR_GENERATE__MODEL"))


def register(app: Any) -> None:
    """Add the group."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, invoke_without_command=True, help="model.help", epilog="model.examples")(model)
    for name, function in (("list", list_), ("pull", pull), ("use", use)):
        group.command(name, cls=Command, help=f"model.{name}_help", epilog=f"model.{name}_examples")(function)
    app.add_typer(group, name=NAME)
