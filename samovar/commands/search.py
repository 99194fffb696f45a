"""``samovar search``: ranked passages with highlighted snippets, filters, and the account of every score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.answers import title_of
from samovar.commands.help import Command
from samovar.commands.indexing import open_searcher
from samovar.commands.options import Json, Sources, as_text, check_date, check_dates, check_sources
from samovar.commands.quoting import snippet_line
from samovar.commands.said import in_own_words
from samovar.commands.session import session_of
from samovar.commands.terminal import BOLD, CYAN, DIM, Terminal, clean, one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.search.hit import Hit
    from samovar.search.searcher import SearchResult

Names = list[str] | None

NAME = "search"


def search(
    ctx: typer.Context,
    query: Annotated[list[str], typer.Argument(metavar="metavar.query", help="search.query")],
    k: Annotated[int | None, typer.Option("-k", metavar="metavar.number", min=1, max=1000, help="search.k")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="search.explain")] = False,
    source: Sources = None,
    language: Annotated[Names, typer.Option("--language", metavar="metavar.language", help="option.language")] = None,
    origin: Annotated[Names, typer.Option("--origin", metavar="metavar.country", help="search.origin")] = None,
    licence: Annotated[Names, typer.Option("--licence", metavar="metavar.name", help="search.licence")] = None,
    publisher: Annotated[Names, typer.Option("--publisher", metavar="metavar.name", help="search.publisher")] = None,
    published_from: Annotated[str, typer.Option("--from", metavar="metavar.date", help="search.from")] = "",
    published_to: Annotated[str, typer.Option("--to", metavar="metavar.date", help="search.to")] = "",
    diversity: Annotated[bool, typer.Option("--diversity/--no-diversity", help="search.diversity")] = True,
    json: Json = False,
) -> None:
    """Search and print."""
    session = session_of(ctx)
    text = as_text(" ".join(query)).strip()
    if not text:
        raise UsageError(say("search.empty"))
    dates = check_date("--from", published_from), check_date("--to", published_to)
    check_dates(*dates)
    with session.open() as samovar:
        from samovar.search.query import Filters

        check_sources(samovar.library, source)
        filters = Filters(
            sources=tuple(source or ()),
            languages=tuple(language or ()),
            origins=tuple(origin or ()),
            licences=tuple(licence or ()),
            publishers=tuple(publisher or ()),
            published_from=dates[0],
            published_to=dates[1],
        )
        result = open_searcher(samovar, session.terminal).search(
            text, k=k, filters=filters, diversity=None if diversity else False
        )
        if json:
            from samovar.search.as_json import result_as_json

            session.terminal.json(result_as_json(result))
        else:
            print_result(result, session.terminal, explain=explain)


def print_result(result: SearchResult, terminal: Terminal, *, explain: bool) -> None:
    """Print the hits, what was corrected before them, what is worth knowing after them."""
    for typed, searched in result.corrections:
        terminal.print(terminal.style(say("search.corrected", typed=clean(typed), searched=clean(searched)), DIM))
    for hit in result.hits:
        print_hit(hit, terminal, explain=explain)
    if not result.hits:
        terminal.print(say("search.nothing"))
    for note in result.notes:
        terminal.note(clean(in_own_words(note)))
    words = current_words()
    found = say("count.candidates", count=result.total_candidates)
    terminal.note(say("search.took", found=found, time=words.number(result.seconds * 1000, 1)))


def print_hit(hit: Hit, terminal: Terminal, *, explain: bool) -> None:
    """Print one hit: title, snippet, address, and its score's components when asked for."""
    document, passage = hit.document, hit.passage
    about = ", ".join(one_line(part) for part in (document.publisher, document.published, document.source) if part)
    head = f"{terminal.style(f'{hit.rank}.', BOLD, CYAN)} {terminal.style(title_of(hit), BOLD)}"
    terminal.print(f"{head}  {terminal.style(f'({about})', DIM)}" if about else head)
    terminal.print("   " + snippet_line(passage.text, passage.start, hit.snippet, hit.highlights, terminal))
    terminal.print(terminal.style(f"   {one_line(document.uri)}", DIM))
    if explain:
        print_account(hit, terminal)


def print_account(hit: Hit, terminal: Terminal) -> None:
    """Print the components of a score and their sum."""
    rows = [(f"{part.value:+.6f}", one_line(part.name)) for part in hit.explain]
    terminal.table([*rows, (f"={hit.score:.6f}", say("search.score"))], indent="      ", right=(0,))


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="search.help", epilog="search.examples")(search)
