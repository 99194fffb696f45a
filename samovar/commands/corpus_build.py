"""``samovar corpus build`` and ``plan``: do what a recipe says, or say what would be done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from samovar.commands.corpus_card import make_card
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import Interrupts, Session, session_of
from samovar.commands.terminal import BOLD, YELLOW, Terminal, one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.corpus.build.estimate import Estimate
    from samovar.corpus.build.progress import Progress
    from samovar.corpus.build.recipe import Recipe

REASONS_SHOWN = 12
RecipeFile = Annotated[Path, typer.Argument(metavar="metavar.recipe", help="corpus.recipe")]
Workers = Annotated[int, typer.Option("--workers", metavar="metavar.number", min=0, max=10_000, help="corpus.workers")]


def build(
    ctx: typer.Context,
    recipe: RecipeFile,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="metavar.folder", help="corpus.output")
    ] = None,
    workers: Workers = 0,
    engine: Annotated[str, typer.Option("--engine", metavar="local|ray", help="corpus.engine")] = "local",
    address: Annotated[str, typer.Option("--address", metavar="metavar.host", help="corpus.address")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="corpus.fresh")] = False,
    keep_work: Annotated[bool, typer.Option("--keep-work", help="corpus.keep_work")] = False,
    json: Json = False,
) -> None:
    """Build; interrupted, the same command goes on."""
    from samovar.corpus.build.extra import check_extra

    check_extra()
    from samovar.corpus.build.build import build_corpus
    from samovar.corpus.build.recipe import load_recipe
    from samovar.corpus.build.runner import StoppedError

    session = session_of(ctx)
    loaded = load_recipe(recipe)
    place = output or Path(loaded.name)
    chosen = _engine(engine, address)
    with _Bars(session.terminal, quiet=json) as bars, Interrupts(bars.stopping) as interrupts:
        try:
            made = build_corpus(
                loaded, place, workers=workers, engine=chosen, address=as_text(address), fresh=fresh, keep_work=keep_work, card=True,
                watch=bars.show, stop=lambda: interrupts.happened,
            )  # fmt: skip
        except StoppedError:
            bars.stop()
            session.terminal.note(say("corpus.interrupted"), style=YELLOW)
            raise KeyboardInterrupt from None
    make_card(session, place, quiet=json)
    if json:
        session.terminal.json({"folder": str(place), **summary_of(made)})
    else:
        print_summary(session, made)
        session.terminal.print(say("corpus.where", folder=one_line(str(place))))
        session.terminal.note(say("corpus.next", folder=one_line(str(place))))


def _engine(name: str, address: str) -> Literal["local", "ray"]:
    if address and name != "ray":
        raise UsageError(say("corpus.address_without_ray"))
    if name == "ray":
        return "ray"
    if name != "local":
        raise UsageError(say("corpus.unknown_engine", name=one_line(name)))
    return "local"


class _Bars:
    """A bar for each pass, one after the other."""

    def __init__(self, terminal: Terminal, *, quiet: bool) -> None:
        self._terminal = terminal
        self._quiet = quiet
        self._bar: ProgressBar | None = None
        self._stage = ""
        self._stopped = False

    def show(self, progress: Progress) -> None:
        """Show how far a pass has come."""
        if self._stopped:
            return
        if progress.stage != self._stage:
            self.stop()
            self._stage = progress.stage
            self._bar = ProgressBar(self._terminal, say(f"corpus.pass.{progress.stage}"), quiet=self._quiet)
        assert self._bar is not None
        self._bar.update(progress.bytes_done, progress.num_bytes, _detail(progress), progress.eta_seconds)

    def stopping(self) -> None:
        """Make room for messages: nothing more is shown."""
        self.stop()
        self._stopped = True

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _detail(progress: Progress) -> str:
    words = current_words()
    parts = [say("corpus.tasks", done=progress.tasks_done, total=progress.tasks)]
    if progress.records_done + progress.records_now:
        parts.append(say("corpus.rate", rate=words.number(progress.records_per_second)))
    if progress.stage == "read" and progress.bytes_per_second:
        parts.append(say("progress.rate", amount=words.size(progress.bytes_per_second)))
    dropped = sum(n for key, n in progress.counts.items() if key.endswith(" dropped"))
    if dropped:
        parts.append(say("corpus.dropped", count=dropped))
    return ", ".join(parts)


def summary_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what ``--json`` says: the manifest without its long parts."""
    return {key: value for key, value in manifest.items() if key not in ("recipe", "fingerprint", "files", "format")}


def print_summary(session: Session, manifest: dict[str, Any]) -> None:
    """Print what a corpus holds and what was dropped, by stage and reason."""
    words, terminal = current_words(), session.terminal
    chars = sum(s["chars"] for s in manifest["sizes"].get("source", {}).values())
    terminal.print(
        terminal.style(
            say("corpus.summary", documents=say("count.documents", count=manifest["documents"]), characters=say("count.characters", count=chars)),
            BOLD,
        )
    )  # fmt: skip
    head = [say("corpus.source"), say("corpus.seen"), say("corpus.kept"), say("corpus.left_out")]
    rows = [
        [one_line(name), words.number(s["seen"]), words.number(s["kept"]), words.number(s["dropped"])]
        for name, s in manifest["sources"].items()
    ]
    terminal.table([head, *rows], indent="  ", right=(1, 2, 3))
    reasons: dict[tuple[str, str], int] = {}
    for _, stage, decision, reason, number in manifest["counts"]:
        if decision == "dropped":
            reasons[stage, reason] = reasons.get((stage, reason), 0) + number
    if reasons:
        terminal.print(say("corpus.reasons"))
        shown = sorted(reasons.items(), key=lambda pair: -pair[1])[:REASONS_SHOWN]
        terminal.table(
            [(words.number(n), stage, one_line(reason)) for (stage, reason), n in shown], indent="  ", right=(0,)
        )
        if len(reasons) > REASONS_SHOWN:
            terminal.print("  …")
    for name, about in manifest["sources"].items():
        if not about["seen"]:
            terminal.note(say("corpus.empty_source", name=one_line(name)), style=YELLOW)
    if not manifest["documents"] and reasons:
        terminal.note(say("corpus.nothing_kept"), style=YELLOW)


def plan(ctx: typer.Context, recipe: RecipeFile, workers: Workers = 0, json: Json = False) -> None:
    """Say what a build would do: the effective recipe, the inputs, an estimate of the time."""
    from samovar.corpus.build.extra import check_extra

    check_extra()
    from samovar.corpus.build.estimate import estimate_build
    from samovar.corpus.build.recipe import load_recipe

    session = session_of(ctx)
    loaded = load_recipe(recipe)
    made = estimate_build(loaded, workers)
    if json:
        session.terminal.json({"recipe": loaded.as_json(), **made.as_json()})
        return
    _print_plan(session, loaded, made)


def _print_plan(session: Session, recipe: Recipe, made: Estimate) -> None:
    words, terminal = current_words(), session.terminal
    terminal.print(say("corpus.stages", stages=", ".join(recipe.stages)))
    head = [
        say("corpus.source"),
        say("corpus.kind"),
        say("corpus.files"),
        say("corpus.splits"),
        say("corpus.size"),
        say("corpus.time"),
    ]
    rows = [
        [
            one_line(s.name),
            s.kind,
            words.number(s.files),
            words.number(s.splits),
            words.size(s.num_bytes),
            words.duration(s.seconds),
        ]
        for s in made.sources
    ]
    terminal.table([head, *rows], indent="  ", right=(2, 3, 4, 5))
    terminal.print(
        say(
            "corpus.estimate", time=words.duration(made.seconds), workers=made.workers, disk=words.size(made.disk_bytes)
        )
    )
