"""``samovar library ledger`` and ``verify``: what happened to every file, and whether that account and the library agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.add import describe_reason
from samovar.commands.help import Command
from samovar.commands.options import Json, Limit, as_text, complete_sources
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import DIM, GREEN, RED, Terminal, one_line
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.corpus.document import LedgerRow
    from samovar.library.store import Library


class Decision(StrEnum):
    """What was decided about an input."""

    kept = "kept"
    changed = "changed"
    dropped = "dropped"


def ledger(
    ctx: typer.Context,
    uri: Annotated[str, typer.Option("--uri", metavar="metavar.address", help="ledger.uri")] = "",
    source: Annotated[
        str, typer.Option("--source", metavar="metavar.name", help="ledger.source", autocompletion=complete_sources)
    ] = "",
    decision: Annotated[
        Decision | None, typer.Option("--decision", metavar="kept|changed|dropped", help="ledger.decision")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="metavar.name", help="ledger.reason")] = "",
    stage: Annotated[str, typer.Option("--stage", metavar="metavar.name", help="ledger.stage")] = "",
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="ledger.oldest_first")] = False,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """Rows of the ledger, the newest first."""
    session = session_of(ctx)
    terminal = session.terminal
    with session.open() as samovar:
        rows = samovar.library.ledger(
            uri=_address(uri) if uri else None,
            source=as_text(source) or None,
            decision=decision.value if decision else None,
            reason=reason or None,
            stage=stage or None,
            limit=limit or None,
            newest_first=not oldest_first,
        )
        if json:
            terminal.json_list("rows", (asdict(row) for row in rows))
            return
        num_shown = 0
        for row in rows:
            num_shown += 1
            print_row(row, terminal)
        if not num_shown:
            terminal.print(say("ledger.none"))
        elif num_shown == limit:
            terminal.note(say("ledger.more_oldest" if oldest_first else "ledger.more", count=limit))


def _address(uri: str) -> str:
    """Return an address as the ledger has it: paths absolute."""
    from samovar.commands.remove import read_target

    target = read_target(uri)
    return target.path or target.uri or uri


def print_row(row: LedgerRow, terminal: Terminal) -> None:
    """Print one row: when, what, why, where."""
    style = RED if row.decision == "dropped" else GREEN
    words = describe_reason(row.reason)
    why = f"{row.reason} ({words})" if words else row.reason
    value = f" = {one_line(row.value)}" if row.value and row.stage != "library" else ""
    source = f"  [{one_line(row.source)}]" if row.source else ""
    terminal.print(
        f"{terminal.style(row.at, DIM)}  {terminal.style(f'{row.decision:7}', style)}  {row.stage}: {one_line(why)}{value}  {one_line(row.uri)}"
        + terminal.style(source, DIM)
    )


def verify(ctx: typer.Context, json: Json = False) -> None:
    """Check the library against its ledger, its ids and its offsets; status 1 when something does not agree."""
    from samovar.library.replay import check_replay

    session = session_of(ctx)
    terminal = session.terminal
    with session.open() as samovar:
        library = samovar.library
        replay = check_replay(library)
        with ProgressBar(terminal, say("verify.checking"), quiet=json) as bar:
            damaged = list(find_damage(library, bar))
        num_documents, num_passages = library.num_documents, library.num_passages
    problems = [
        *(
            {"problem": kind, "source": source, "uri": uri}
            for kind in ("missing", "surplus", "different")
            for source, uri in getattr(replay, kind)
        ),
        *({"problem": kind, "source": "", "uri": uri} for kind, uri in damaged),
    ]
    if json:
        terminal.json(
            {"passed": not problems, "documents": num_documents, "passages": num_passages, "problems": problems}
        )
    elif not problems:
        terminal.print(
            say(
                "verify.passed",
                documents=say("count.documents", count=num_documents),
                passages=say("count.passages", count=num_passages),
            )
        )
    else:
        for problem in problems:
            terminal.print(f"{say('verify.' + problem['problem'])}: {one_line(problem['uri'])}")
        terminal.note(say("verify.failed", count=len(problems)), style=RED)
    if problems:
        raise typer.Exit(1)


def find_damage(library: Library, bar: ProgressBar) -> Iterator[tuple[str, str]]:
    """Yield (``id`` or ``offsets``, address) of every document that is not what its id or its passages say."""
    from samovar.corpus.document import hash_document

    with library.snapshot() as view:
        total = view.num_documents
        for done, document in enumerate(view.documents(with_text=True)):
            if hash_document(document.source, document.uri, document.title, document.text) != document.id:
                yield "id", document.uri
            passages = view.passages_of(document.id)
            if any(document.text[p.start : p.end] != p.text or not p.text.strip() for p in passages):
                yield "offsets", document.uri
            if done % 100 == 0:
                bar.update(done, total)


def register(group: Any) -> None:
    """Add both commands to ``samovar library``."""
    group.command("ledger", cls=Command, help="ledger.help", epilog="ledger.examples")(ledger)
    group.command("verify", cls=Command, help="verify.help", epilog="verify.examples")(verify)
