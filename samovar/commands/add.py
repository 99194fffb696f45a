"""``samovar add``: files, folders, globs and addresses into the library."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.indexing import index_changes
from samovar.commands.options import Json, as_text, check_date, check_targets, complete_sources
from samovar.commands.progress import ProgressBar
from samovar.commands.session import Interrupts, Session, session_of
from samovar.commands.terminal import BOLD, YELLOW, Terminal
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.app import Samovar
    from samovar.library.progress import AddReport, Progress, Provenance

REASONS_SHOWN = 5

NAME = "add"


def add(
    ctx: typer.Context,
    targets: Annotated[list[str], typer.Argument(metavar="metavar.targets", help="add.targets")],
    source: Annotated[
        str, typer.Option("--source", metavar="metavar.name", help="add.source", autocompletion=complete_sources)
    ] = "",
    licence: Annotated[str, typer.Option("--licence", metavar="metavar.name", help="add.licence")] = "",
    publisher: Annotated[str, typer.Option("--publisher", metavar="metavar.name", help="add.publisher")] = "",
    origin: Annotated[str, typer.Option("--origin", metavar="metavar.country", help="add.origin")] = "",
    language: Annotated[str, typer.Option("--language", metavar="metavar.language", help="add.language")] = "",
    published: Annotated[str, typer.Option("--published", metavar="metavar.date", help="add.published")] = "",
    json: Json = False,
) -> None:
    """Add, then bring the search index up to date; Ctrl-C keeps what is done."""
    session = session_of(ctx)
    check_targets(targets)
    from samovar.library.progress import Provenance

    overrides = Provenance(
        licence=as_text(licence),
        publisher=as_text(publisher),
        origin=as_text(origin),
        language=as_text(language),
        published=check_date("--published", published),
    )
    with session.open() as samovar:
        report, interrupted = _run(samovar, session, targets, as_text(source), overrides, quiet=json)
        if json:
            session.terminal.json({**asdict(report), "interrupted": interrupted})
        else:
            print_report(report, session.terminal, as_text(source), interrupted=interrupted)
        if interrupted:
            raise KeyboardInterrupt
        if index_changes(samovar, session.terminal, quiet=json) and report.documents and not json:
            session.terminal.note(say("add.searchable"))
        if report.reasons and not (report.kept or report.changed or report.unchanged):
            raise typer.Exit(1)


def _run(
    samovar: Samovar, session: Session, targets: Sequence[str], source: str, overrides: Provenance, *, quiet: bool
) -> tuple[AddReport, bool]:
    """Add under a progress bar; return the report and whether it was interrupted."""
    from samovar.library.add import Adder

    terminal = session.terminal
    library = samovar.library
    with ProgressBar(terminal, say("add.reading"), quiet=quiet) as bar:

        def stopping() -> None:
            bar.stop()
            terminal.note(say("add.stopping"))

        with Interrupts(stopping) as interrupts:
            adder = Adder(
                library,
                samovar.settings.library,
                overrides=overrides,
                progress=lambda progress: None if interrupts.happened else _show(bar, progress),
                stop=lambda: interrupts.happened,
            )
            report = adder.run(targets, source or None)
            return report, interrupts.happened


def _show(bar: ProgressBar, progress: Progress) -> None:
    words = current_words()
    parts = [
        say("add.progress_files", done=progress.files_done, count=progress.files_total),
        say("count.documents", count=progress.documents),
    ]
    if progress.bytes_per_second > 0:
        parts.append(say("progress.rate", amount=words.size(progress.bytes_per_second)))
    # files count as well as bytes: a folder of empty files has no bytes to measure by
    done, total = (
        (progress.bytes_done, progress.bytes_total)
        if progress.bytes_total
        else (progress.files_done, progress.files_total)
    )
    bar.update(done, total, ", ".join(parts), progress.eta_seconds)


def print_report(report: AddReport, terminal: Terminal, source: str, *, interrupted: bool) -> None:
    """Print what was done, and the most frequent reasons for what was left out."""
    words = current_words()
    if not report.files and not report.reasons:
        terminal.print(say("add.nothing"))
        return
    terminal.print(
        terminal.style(
            say(
                "add.summary",
                documents=say("count.documents", count=report.documents),
                time=words.duration(report.seconds),
            ),
            BOLD,
        )
    )
    rows = [(name, getattr(report, name)) for name in ("kept", "changed", "unchanged", "dropped")]
    terminal.table(
        [(say(f"add.{name}"), words.number(count)) for name, count in rows if count], indent="  ", right=(1,)
    )
    if report.removed:
        terminal.print("  " + say("add.removed", documents=say("count.documents", count=report.removed)))
    if report.reasons:
        print_reasons(report, terminal, source)
    if interrupted:
        terminal.note(say("add.interrupted"), style=YELLOW)


def print_reasons(report: AddReport, terminal: Terminal, source: str) -> None:
    """Print why things were left out, the most frequent reasons first, and how to see them all."""
    words = current_words()
    reasons = sorted(((count, reason) for reason, count in report.reasons.items() if count), reverse=True)
    if not reasons:
        return
    terminal.print(say("add.reasons"))
    terminal.table(
        [(words.number(count), reason, describe_reason(reason)) for count, reason in reasons[:REASONS_SHOWN]],
        indent="  ",
        right=(0,),
    )
    if len(reasons) > REASONS_SHOWN:
        terminal.print("  …")
    terminal.note(
        say(
            "add.see_ledger",
            command="samovar library ledger --decision dropped"
            + (f" --source {shlex.quote(source)}" if source else ""),
        )
    )


def describe_reason(reason: str) -> str:
    """Return a ledger's reason in words, "" where there are none for it."""
    words = current_words()
    key = f"reason.{reason}"
    return words.say(key) if words.has(key) else ""


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="add.help", epilog="add.examples")(add)
