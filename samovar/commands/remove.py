"""``samovar remove``: documents, files, folders, addresses or whole sources out of the library."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.indexing import index_changes
from samovar.commands.options import Json, as_text, check_targets, complete_sources
from samovar.commands.session import session_of
from samovar.commands.terminal import Terminal, one_line
from samovar.errors import LibraryError, UsageError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.corpus.document import Document
    from samovar.library.store import Library

SHOWN = 10  # titles listed before the question whether to go on
_ID = re.compile(r"[0-9a-f]{32}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

NAME = "remove"


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing to remove: `name` as typed, and the argument of `Writer.remove` it means; `path` takes what lies in it."""

    name: str
    document_id: str | None = None
    uri: str | None = None
    path: str | None = None

    def takes(self, document: Document) -> bool:
        """Whether a document falls under it (for the preview; the store decides by the same rule)."""
        if self.path is not None:
            return document.uri == self.path or document.uri.startswith(
                tuple(self.path + mark for mark in ("/", "!/", "#"))
            )
        return document.id == self.document_id if self.document_id else document.uri == self.uri


def remove(
    ctx: typer.Context,
    targets: Annotated[list[str] | None, typer.Argument(metavar="metavar.removals", help="remove.targets")] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="metavar.name", help="remove.source", autocompletion=complete_sources)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="remove.yes")] = False,
    json: Json = False,
) -> None:
    """Show what would go, ask, remove, and bring the index up to date."""
    session = session_of(ctx)
    source = as_text(source)
    if not targets and not source:
        raise UsageError(say("remove.nothing_named"))
    check_targets(targets)
    removals = [read_target(target) for target in targets or ()]
    with session.open() as samovar:
        library = samovar.library
        matched = list(find_documents(library, removals, source))
        _check_found(library, removals, matched, source)
        if not yes:
            confirm(matched, session.terminal)
        num_removed = 0
        with library.writer() as writer:
            for item in removals or [Removal("")]:
                num_removed += writer.remove(
                    source=source or None, document_id=item.document_id, uri=item.uri, path=item.path
                )
        if json:
            session.terminal.json({"removed": num_removed, "document_ids": [document.id for document in matched]})
        else:
            session.terminal.print(say("remove.done", documents=say("count.documents", count=num_removed)))
        index_changes(samovar, session.terminal, quiet=json)


def read_target(target: str) -> Removal:
    """Tell what a target is: a document's id, an address, or a path."""
    from samovar.library.plan import address_of, is_url

    if os.path.lexists(Path(target).expanduser()):
        return Removal(target, path=address_of(Path(target).expanduser()))
    if _ID.fullmatch(target):
        return Removal(target, document_id=target)
    if is_url(target) or (_SCHEME.match(target) and not target.startswith((".", "/", "~"))):
        return Removal(target, uri=as_text(target))
    return Removal(target, path=address_of(Path(target).expanduser()))


def find_documents(library: Library, removals: list[Removal], source: str) -> Iterator[Document]:
    """Yield the heads of the documents that would go."""
    if len(removals) == 1 and removals[0].document_id:
        found = library.document_heads([removals[0].document_id])
        yield from (document for document in found.values() if source in ("", document.source))
        return
    for document in library.documents(source=source or None):
        if not removals or any(item.takes(document) for item in removals):
            yield document


def _check_found(library: Library, removals: list[Removal], matched: list[Document], source: str) -> None:
    for item in removals:
        if not any(item.takes(document) for document in matched):
            raise LibraryError(say("remove.not_found", name=one_line(as_text(item.name))))
    if not matched:
        known = ", ".join(library.info().by_source) or "—"
        raise LibraryError(say("remove.no_source", name=source, known=known))


def confirm(matched: list[Document], terminal: Terminal) -> None:
    """Ask whether to go on.

    Raises:
        UsageError: there is nobody to ask.
        typer.Exit: the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError(say("remove.needs_yes", documents=say("count.documents", count=len(matched))))
    for document in matched[:SHOWN]:
        terminal.note(f"  {one_line(document.title) or one_line(document.uri)}  ({one_line(document.uri)})")
    if len(matched) > SHOWN:
        terminal.note("  …")
    terminal.err.write(say("remove.question", documents=say("count.documents", count=len(matched))) + " ")
    terminal.err.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D leaves the cursor behind the question
        terminal.err.write("\n")
    if answer.strip().lower() not in say("answer.yes").split():
        terminal.note(say("remove.kept"))
        raise typer.Exit(0)


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="remove.help", epilog="remove.examples")(remove)
