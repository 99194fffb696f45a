"""``samovar corpus report``: what a finished corpus holds, or how two differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from samovar.commands.corpus_build import print_summary, summary_of
from samovar.commands.corpus_card import make_card, write_page
from samovar.commands.options import Json
from samovar.commands.session import Session, session_of
from samovar.commands.terminal import one_line
from samovar.messages import current_words, say


def report(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="metavar.folder", help="corpus.folder")],
    compare: Annotated[Path | None, typer.Option("--compare", metavar="metavar.folder", help="corpus.compare")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="metavar.file", help="corpus.html")] = None,
    json: Json = False,
) -> None:
    """Print the summary of a corpus, and with another one the differences; write the page of both where `html` says."""
    from samovar.corpus.build.extra import check_extra

    check_extra()
    from samovar.corpus.build.reading import open_corpus

    session = session_of(ctx)
    made = dict(open_corpus(folder).manifest)
    other = dict(open_corpus(compare).manifest) if compare else None
    if html:
        write_page(session, folder, html, compare, quiet=json)
    if json:
        both = {"compare": summary_of(other)} if other else {}
        session.terminal.json({"folder": str(folder), **summary_of(made), **both})
        return
    print_summary(session, made)
    if other:
        _print_difference(session, made, other)
    if not html:
        make_card(session, folder)


def _print_difference(session: Session, made: dict[str, Any], other: dict[str, Any]) -> None:
    words = current_words()
    if made["output_sha256"] == other["output_sha256"]:
        session.terminal.print(say("corpus.same"))
        return
    first, second = _figures(made), _figures(other)
    names = sorted({*first, *second})
    rows = [
        [one_line(name), words.number(first.get(name, 0)), words.number(second.get(name, 0))]
        for name in names
        if first.get(name) != second.get(name)
    ]
    session.terminal.print(say("corpus.differences"))
    session.terminal.table(rows, indent="  ", right=(1, 2))


def _figures(manifest: dict[str, Any]) -> dict[str, int]:
    """Return every count of a manifest under a name of its own."""
    figures = {"documents": manifest["documents"]}
    for kind, names in manifest["sizes"].items():
        figures |= {f"{kind} {name}": about["documents"] for name, about in names.items()}
    for _, stage, decision, reason, number in manifest["counts"]:
        name = " ".join(part for part in (stage, decision, reason) if part)
        figures[name] = figures.get(name, 0) + number
    return figures
