"""``samovar library``: what is in it, what happened to every file, and taking it elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands import exchange, ledger
from samovar.commands.help import Command, Group
from samovar.commands.options import Json, Limit, as_text, complete_sources
from samovar.commands.session import Session, session_of
from samovar.commands.terminal import BOLD, DIM, Terminal, clean, one_line
from samovar.errors import LibraryError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samovar.corpus.document import Document
    from samovar.library.records import LibraryInfo
    from samovar.library.store import Library

NAME = "library"
VALUES_SHOWN = 8  # values listed per property; a library of a thousand publishers fits on a screen
MIN_PREFIX = 6  # digits of an id that are taken for the beginning of one


def library(ctx: typer.Context, json: Json = False) -> None:
    """Without a subcommand: the same as ``info``."""
    if ctx.invoked_subcommand is None:
        show_info(session_of(ctx), json=json)


def info(ctx: typer.Context, json: Json = False) -> None:
    """Counts by source, language, licence, origin and publisher."""
    show_info(session_of(ctx), json=json)


def show_info(session: Session, *, json: bool) -> None:
    """Print the counts."""
    with session.open() as samovar:
        found = samovar.library.info()
        home = str(samovar.settings.home)
    if json:
        session.terminal.json({"home": home, **{name: _plain(value) for name, value in asdict(found).items()}})
    else:
        print_info(found, home, session.terminal)


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value


def print_info(found: LibraryInfo, home: str, terminal: Terminal) -> None:
    """Print totals, then each property with its most frequent values."""
    words = current_words()
    terminal.print(
        terminal.style(
            say(
                "library.totals",
                documents=say("count.documents", count=found.num_documents),
                passages=say("count.passages", count=found.num_passages),
                characters=say("count.characters", count=found.num_characters),
            ),
            BOLD,
        )
    )
    terminal.print(terminal.style(say("library.where", home=clean(home), size=words.size(found.size_bytes)), DIM))
    for name in ("source", "language", "licence", "origin", "publisher"):
        counts: Mapping[str, int] = getattr(found, f"by_{name}")
        if counts:
            terminal.print()
            terminal.print(terminal.style(say(f"library.by_{name}"), BOLD))
            _print_counts(counts, terminal)
    rows = [
        (say(f"library.{name}"), value)
        for name in ("first_added", "last_added", "earliest_published", "latest_published")
        if (value := getattr(found, name))
    ]
    if rows:
        terminal.print()
        terminal.table(rows)


def _print_counts(counts: Mapping[str, int], terminal: Terminal) -> None:
    words = current_words()
    rows = [(words.number(count), one_line(name) or "—") for name, count in list(counts.items())[:VALUES_SHOWN]]
    if len(counts) > VALUES_SHOWN:
        rest = sum(list(counts.values())[VALUES_SHOWN:])
        rows.append((words.number(rest), say("library.others", count=len(counts) - VALUES_SHOWN)))
    terminal.table(rows, indent="  ", right=(0,))


def list_documents(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Option("--source", metavar="metavar.name", help="library.source", autocompletion=complete_sources)
    ] = "",
    language: Annotated[str, typer.Option("--language", metavar="metavar.language", help="library.language")] = "",
    uri: Annotated[str, typer.Option("--uri", metavar="metavar.address", help="library.uri")] = "",
    limit: Limit = 50,
    offset: Annotated[int, typer.Option("--offset", metavar="metavar.number", min=0, help="library.offset")] = 0,
    json: Json = False,
) -> None:
    """Documents in the order of adding."""
    session = session_of(ctx)
    terminal = session.terminal
    with session.open() as samovar:
        found = samovar.library.documents(
            source=as_text(source) or None,
            language=language or None,
            uri=as_text(uri) or None,
            limit=limit + 1 if limit else None,
            offset=offset,
        )
        if json:
            shown = (document for number, document in enumerate(found) if not limit or number < limit)
            terminal.json_list("documents", (head_as_json(d) for d in shown), {"total": samovar.library.num_documents})
            return
        num_shown = 0
        for document in found:
            if limit and num_shown == limit:
                terminal.note(say("library.more", count=limit, offset=offset + limit))
                return
            num_shown += 1
            print_head(document, terminal)
        if not num_shown:
            terminal.print(say("library.none"))


def print_head(document: Document, terminal: Terminal) -> None:
    """Print one document on a line: id, title, where it belongs."""
    about = ", ".join(part for part in (document.source, document.language, document.published) if part)
    title = one_line(document.title) or one_line(document.uri)
    terminal.print(f"{terminal.style(document.id, DIM)}  {title}  {terminal.style(f'({one_line(about)})', DIM)}")


def head_as_json(document: Document) -> dict[str, Any]:
    """Return a document without its text."""
    record = asdict(document)
    del record["text"]
    return {**record, "metadata": dict(document.metadata)}


def show(
    ctx: typer.Context,
    document_id: Annotated[str, typer.Argument(metavar="metavar.id", help="library.id")],
    json: Json = False,
) -> None:
    """One document: provenance and text."""
    session = session_of(ctx)
    terminal = session.terminal
    with session.open() as samovar:
        document = find_document(samovar.library, document_id)
        passages = samovar.library.passages_of(document.id)
        if json:
            terminal.json(
                {
                    **head_as_json(document),
                    "text": document.text,
                    "passages": [{"start": p.start, "end": p.end} for p in passages],
                }
            )
            return
        terminal.print(terminal.style(one_line(document.title), BOLD))
        names = ("id", "source", "uri", "language", "published", "publisher", "origin", "licence", "added_at")
        terminal.table(
            [
                (say(f"document.{name}"), one_line(str(getattr(document, name))))
                for name in names
                if getattr(document, name)
            ]
        )
        terminal.table([(one_line(key), one_line(value)) for key, value in document.metadata.items()])
        terminal.print(say("library.passages", passages=say("count.passages", count=len(passages))))
        terminal.print()
        terminal.print(clean(document.text))


def find_document(store: Library, wanted: str) -> Document:
    """Return a document by its id, the beginning of it, or its address.

    Raises:
        LibraryError: there is none, or more than one.
    """
    wanted = as_text(wanted)
    heads = list(store.document_heads([wanted]).values()) or list(store.documents(uri=wanted))
    if not heads and len(wanted) >= MIN_PREFIX:
        heads = [document for document in store.documents() if document.id.startswith(wanted.lower())]
    if len(heads) > 1:
        raise LibraryError(say("library.ambiguous", id=wanted, ids=", ".join(d.id for d in heads[:5])))
    if not heads:
        raise LibraryError(say("library.no_document", id=wanted))
    return store.document(heads[0].id)


def register(app: Any) -> None:
    """Add the group."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(cls=Group, invoke_without_command=True, help="library.help", epilog="library.examples")(library)
    for name, function in (("info", info), ("list", list_documents), ("show", show)):
        group.command(name, cls=Command, help=f"library.{name}_help", epilog=f"library.{name}_examples")(function)
    ledger.register(group)
    exchange.register(group)
    app.add_typer(group, name=NAME)
