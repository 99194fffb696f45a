"""``samovar corpus crawl``: fetch the pages of some sites, politely, into web archives that a recipe can name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from samovar.commands.options import Json, as_text
from samovar.commands.session import session_of
from samovar.commands.terminal import one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say

MB = 10**6


def crawl(
    ctx: typer.Context,
    seeds: Annotated[list[str], typer.Argument(metavar="URL", help="corpus.seeds")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.folder", help="corpus.crawl_output")],
    contact: Annotated[str, typer.Option("--contact", metavar="metavar.contact", help="corpus.contact")],
    domains: Annotated[str, typer.Option("--domains", metavar="metavar.names", help="corpus.domains")] = "",
    max_pages: Annotated[int, typer.Option("--max-pages", metavar="metavar.number", min=1, help="corpus.max_pages")] = 10_000,
    max_mb: Annotated[int, typer.Option("--max-mb", metavar="metavar.number", min=1, help="corpus.max_mb")] = 10_000,
    delay: Annotated[float, typer.Option("--delay", metavar="metavar.number", min=0, help="corpus.delay")] = 1.0,
    allow_private: Annotated[bool, typer.Option("--allow-private", help="corpus.allow_private")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Crawl, or go on with a crawl."""
    from pydantic import ValidationError

    from samovar.corpus.build.extra import check_extra

    check_extra()
    from samovar.corpus.inputs.crawl import CrawlOptions
    from samovar.corpus.inputs.crawl import crawl as run

    session = session_of(ctx)
    names = tuple(name.strip() for name in as_text(domains).replace(",", " ").split())
    try:
        options = CrawlOptions(
            contact=as_text(contact), domains=names, max_pages=max_pages, max_bytes=max_mb * MB, delay_seconds=delay, allow_private=allow_private
        )  # fmt: skip
    except ValidationError as error:
        raise UsageError(say("corpus.bad_contact", value=one_line(contact))) from error
    session.terminal.note(say("corpus.crawling", folder=one_line(str(output))))
    made = run([as_text(seed) for seed in seeds], output, options)
    if json:
        session.terminal.json({"folder": str(output), **made.model_dump(mode="json")})
        return
    words = current_words()
    session.terminal.print(
        say(
            "corpus.crawled",
            count=made.pages,
            size=words.size(made.num_bytes),
            waiting=made.waiting,
            ended=one_line(made.ended),
        )
    )
    rows = [
        (words.number(n), one_line(reason)) for reason, n in sorted(made.refused.items(), key=lambda pair: -pair[1])
    ]
    session.terminal.table(rows, indent="  ", right=(0,))
