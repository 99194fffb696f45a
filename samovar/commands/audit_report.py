"""``samovar audit report``, ``compare`` and ``gaps``: what runs say, how two differ, and what a library lacks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import Session, session_of
from samovar.commands.terminal import BOLD, one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.audit.overlap import Item
    from samovar.audit.report.data import Report
    from samovar.audit.sensitivity import Errors

Simulations = Annotated[
    int, typer.Option("--simulations", metavar="metavar.number", min=50, max=100_000, help="audit.simulations")
]
Folders = Annotated[list[Path] | None, typer.Argument(metavar="metavar.folder", help="audit.folders")]


def report(
    ctx: typer.Context,
    folders: Folders = None,
    panel: Annotated[list[Path] | None, typer.Option("--panel", metavar="metavar.folder", help="audit.panel")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="metavar.folder", help="audit.report_out")] = None,
    library: Annotated[bool, typer.Option("--library", help="audit.library")] = False,
    grader_errors: Annotated[
        Path | None, typer.Option("--grader-errors", metavar="metavar.file", help="audit.grader_errors")
    ] = None,
    simulations: Simulations = 1_000,
    json: Json = False,
) -> None:
    """Write report.html and report.json of one run or several."""
    from samovar.audit.folders import latest_run
    from samovar.audit.report.data import as_json, make_report
    from samovar.audit.report.page import write_report

    session = session_of(ctx)
    chosen = list(folders or [latest_run(session.settings().home)])
    overlap = read_library(session, chosen[0], json) if library else []
    with ProgressBar(session.terminal, say("audit.selftest_progress"), quiet=json) as bar:
        made = make_report(
            chosen, panel or (), num_simulations=simulations, errors=read_validation(chosen[0], grader_errors), overlap=overlap, progress=bar.update
        )  # fmt: skip
    page, data = write_report(made, out or chosen[0], language=current_words().lang)
    for system in made.systems:
        if system.run.unanswered:
            session.terminal.note(
                say("audit.unanswered", count=system.run.unanswered, target=one_line(system.run.name))
            )
    if json:
        session.terminal.json({"html": str(page), "json": str(data), "report": as_json(made)})
        return
    _summarise(session, made)
    session.terminal.print(say("audit.written", html=one_line(str(page)), json=one_line(str(data))))


def read_validation(folder: Path, named: Path | None) -> Errors | None:
    """Return the grader's validation: the file named, the one in the run's pack, or the one shipped with the grader; None without."""
    from samovar.audit.sensitivity import find_errors, read_errors

    return read_errors(named) if named is not None else find_errors(folder)


def read_library(session: Session, folder: Path, quiet: bool) -> list[Item]:
    """Return which answers of a run's pack stand in the library."""
    from samovar.audit.evidence import read_run
    from samovar.audit.overlap import find_overlap

    pack = read_run(folder).pack
    with session.open() as samovar, ProgressBar(session.terminal, say("audit.overlap_progress"), quiet=quiet) as bar:
        return find_overlap(pack, samovar.searcher, progress=bar.update)


def _summarise(session: Session, made: Report) -> None:
    from samovar.audit.report.lines import summary

    for name, rows in summary(made, current_words().lang):
        session.terminal.print(session.terminal.style(one_line(name), BOLD))
        session.terminal.table(([one_line(cell) for cell in row] for row in rows), indent="  ", right=(2,))


def compare(
    ctx: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="metavar.folder", help="audit.first")],
    second: Annotated[Path, typer.Argument(metavar="metavar.folder", help="audit.second")],
    json: Json = False,
) -> None:
    """Say what changed between two runs of the same questions."""
    from samovar.audit.compare import compare as compare_runs
    from samovar.audit.evidence import read_graded
    from samovar.audit.report.data import plain
    from samovar.audit.report.lines import comparison

    terminal = session_of(ctx).terminal
    made = compare_runs(read_graded(first)[1], read_graded(second)[1])
    if json:
        terminal.json(plain(made))
        return
    title, rows, note = comparison(made, current_words().lang)
    terminal.print(one_line(title))
    terminal.table(rows, right=range(2, 7))
    terminal.print(note)


def gaps(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Argument(metavar="metavar.folder", help="audit.folder")] = None,
    culture: Annotated[str, typer.Option("--culture", metavar="metavar.name", help="audit.culture")] = "",
    language: Annotated[str, typer.Option("--language", metavar="metavar.language", help="audit.language")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="metavar.number", min=0, help="audit.limit")] = 30,
    json: Json = False,
) -> None:
    """List what a run missed, with the kind of document that would help."""
    from samovar.audit.evidence import read_graded
    from samovar.audit.folders import latest_run
    from samovar.audit.gaps import find_gaps

    session = session_of(ctx)
    _, graded = read_graded(folder or latest_run(session.settings().home))
    _check(culture, graded.pack.cultures, "--culture")
    _check(language, graded.pack.languages, "--language")
    made = find_gaps(graded, culture=as_text(culture), language=as_text(language))
    if json:
        session.terminal.json({"entities": [asdict(m) for m in made.entities], "domains": [asdict(c) for c in made.domains]})  # fmt: skip
        return
    words = current_words()
    for cell in made.domains:
        session.terminal.print(
            say("audit.gap_domain", culture=cell.culture, domain=cell.domain, missed=cell.missed, entities=cell.entities, share=words.number(100 * cell.share))
        )  # fmt: skip
    session.terminal.print()
    shown = made.entities[: limit or None]
    session.terminal.table(
        (one_line(m.name), m.culture, m.domain, f"{words.number(100 * m.share)} %", ", ".join(m.facets), say(f"audit.document.{m.document.replace(' ', '_')}"))
        for m in shown
    )  # fmt: skip
    session.terminal.print(say("audit.gap_total", count=len(made.entities), shown=len(shown)))


def _check(name: str, known: Any, option: str) -> None:
    if name and name not in known:
        raise UsageError(say("audit.unknown_name", option=option, name=one_line(name), known=", ".join(known)))
