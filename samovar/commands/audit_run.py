"""``samovar audit run`` and ``grade``: ask a target every question of a pack, keep the raw answers, judge them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import Interrupts, Session, session_of
from samovar.commands.terminal import YELLOW, one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.audit.collect import CollectReport
    from samovar.audit.evidence import Grading
    from samovar.audit.outcome import Question
    from samovar.audit.pack import Pack
    from samovar.audit.sample import Sample
    from samovar.audit.targets.target import Price, Target

SALT = "SAMOVAR_AUDIT_SALT"
SHOWN_CHANGES = 20
INTERRUPTED = 130
SLOW_SECONDS = 2.0  # a first answer that took longer says enough

Folder = Annotated[Path | None, typer.Argument(metavar="metavar.folder", help="audit.folder")]


def run(
    ctx: typer.Context,
    target: Annotated[str, typer.Option("--target", "-t", metavar="metavar.name", help="audit.target")],
    pack: Annotated[str, typer.Option("--pack", metavar="metavar.pack", help="audit.pack")] = "core",
    kinds: Annotated[str, typer.Option("--kinds", metavar="metavar.names", help="audit.kinds")] = "",
    languages: Annotated[str, typer.Option("--languages", metavar="ru,en", help="audit.languages")] = "",
    paraphrases: Annotated[int, typer.Option("--paraphrases", metavar="metavar.number", min=0, help="audit.paraphrases")] = 0,
    sample: Annotated[int, typer.Option("--sample", metavar="metavar.number", min=0, help="audit.sample")] = 0,
    prompts: Annotated[int, typer.Option("--prompts", metavar="metavar.number", min=0, help="audit.prompts")] = 0,
    facets: Annotated[int, typer.Option("--facets", metavar="metavar.number", min=0, help="audit.facets")] = 0,
    half: Annotated[str, typer.Option("--half", metavar="public|private", help="audit.half")] = "",
    connections: Annotated[int, typer.Option("--connections", metavar="metavar.number", min=1, max=1_000, help="audit.connections")] = 8,
    per_minute: Annotated[float, typer.Option("--per-minute", metavar="metavar.number", min=0, help="audit.per_minute")] = 0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", metavar="metavar.number", min=1, help="audit.max_tokens")] = 256,
    price: Annotated[str, typer.Option("--price", metavar="metavar.price", help="audit.price")] = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="metavar.folder", help="audit.out")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="audit.yes")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Ask, keep, judge."""
    from samovar.audit.collect import CollectOptions
    from samovar.audit.evidence import grade_folder, registration
    from samovar.audit.folders import find_folder
    from samovar.audit.pack import load_pack
    from samovar.audit.sample import Sample
    from samovar.audit.targets import load_target
    from samovar.audit.targets.target import parallel_of

    session = session_of(ctx)
    settings = session.settings()
    priced = read_price(price)
    loaded = load_pack(as_text(pack))
    drawn = Sample(entities=sample, facets=facets, prompts=prompts or sample)
    questions, chosen = choose(loaded, kinds, languages, paraphrases, half, drawn)
    asked = load_target(as_text(target), settings, max_tokens=max_tokens, connections=connections)
    folder = out or find_folder(settings.home, asked.name, questions)
    about = registration(loaded) | chosen
    options = CollectOptions(connections=parallel_of(asked, connections), per_minute=per_minute)
    work = _Work(session, asked, loaded, questions, folder, options, about, yes, json, priced, max_tokens)
    report = asyncio.run(work.run())
    grading = grade_folder(folder) if report.asked + report.kept else None
    _show(session, report, grading, asked.name, json)


def choose(
    pack: Pack, kinds: str, languages: str, paraphrases: int, half: str, sample: Sample
) -> tuple[list[Question], dict[str, Any]]:
    """Return the questions chosen on the command line, and what belongs into the description of the run.

    Raises:
        UsageError: a kind, language or half there is not, or nothing is left to ask.
    """
    import os

    from samovar.audit.halves import choose_half, fingerprint
    from samovar.audit.probe import KINDS
    from samovar.audit.questions import make_questions
    from samovar.audit.sample import draw_sample

    wanted = _names(kinds, KINDS, "--kinds")
    tags = _names(languages, pack.languages, "--languages")
    probes = [p for p in pack.probes if not wanted or p.kind in wanted]
    salt = os.environ.get(SALT, "")
    if half:
        [side] = _names(half, ("public", "private"), "--half")[:1] or [""]
        probes = list(choose_half(probes, "private" if side == "private" else "public", salt))
    else:
        probes = [p for p in probes if p.half == "public"]
    drawn = draw_sample(pack, probes, sample)
    questions = make_questions(drawn, languages=tags, paraphrases=paraphrases)
    if not questions:
        raise UsageError(say("audit.nothing", pack=one_line(pack.name)))
    chosen = {"kinds": wanted, "languages": tags, "paraphrases": paraphrases, "half": half, "salt": fingerprint(salt) if half else ""}  # fmt: skip
    if not sample.is_all:
        chosen["sample"] = asdict(sample) | {"probes": len(drawn), "of": len(probes)}
    return questions, chosen


def _names(text: str, known: Sequence[str], option: str) -> list[str]:
    names = [name.strip() for name in text.replace(" ", ",").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(say("audit.unknown_name", option=option, name=one_line(name), known=", ".join(known)))
    return names


def read_price(text: str) -> Price | None:
    """Read ``0.5,1.5`` or ``0.5,1.5,EUR``: per million tokens of prompt and completion. Raises `UsageError`."""
    from samovar.audit.targets.target import Price

    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    try:
        return Price(float(parts[0]), float(parts[1]), *parts[2:3])
    except (ValueError, IndexError) as error:
        raise UsageError(say("audit.bad_price", value=one_line(text))) from error


class _Work:
    """One run inside one event loop: estimate, ask whether to go on, collect."""

    def __init__(
        self,
        session: Session,
        target: Target,
        pack: Pack,
        questions: list[Question],
        folder: Path,
        options: Any,
        about: Mapping[str, Any],
        yes: bool,
        quiet: bool,
        price: Price | None,
        max_tokens: int,
    ) -> None:
        self.session, self.target, self.pack, self.questions, self.folder = session, target, pack, questions, folder
        self.options, self.about, self.yes, self.quiet, self.price, self.max_tokens = (
            options, about, yes, quiet, price, max_tokens
        )  # fmt: skip
        self.stopped = False

    async def run(self) -> CollectReport:
        from samovar.audit.collect import Progress, collect
        from samovar.audit.evidence import freeze_pack

        try:
            await self._announce()
            freeze_pack(self.pack, self.folder)
            bar = ProgressBar(self.session.terminal, say("audit.run_progress"), quiet=self.quiet)

            def show(p: Progress) -> None:
                detail = say("audit.rate", rate=current_words().number(p.rate, 1), missing=p.missing)
                bar.update(p.done, p.total, detail, p.eta_seconds)

            with Interrupts(self._stop), bar:
                return await collect(
                    self.target, self.questions, self.folder, options=self.options, about=self.about, progress=show, stop=lambda: self.stopped
                )  # fmt: skip
        finally:
            await self.target.close()

    def _stop(self) -> None:
        self.stopped = True

    async def _announce(self) -> None:
        """Say what is to come, and ask where somebody can answer."""
        from samovar.audit.collect import ANSWERS, read_replies
        from samovar.audit.estimate import estimate_run

        done = {r.key: r.seconds for r in read_replies(self.folder / ANSWERS) if r.finish != "error"}
        todo = [q for q in self.questions if q.key not in done]
        if not todo:
            return
        each = sum(done.values()) / len(done) if done else await self._try(todo[0])
        made = estimate_run(
            todo, seconds_each=each, connections=self.options.connections, per_minute=self.options.per_minute, max_tokens=self.max_tokens, price=self.price
        )  # fmt: skip
        note, words = self.session.terminal.note, current_words()
        note(say("audit.estimate", target=one_line(self.target.name), questions=made.questions, kept=len(done), time=words.duration(made.seconds), each=words.number(each, 2)))  # fmt: skip
        note(say("audit.tokens", prompt=made.prompt_tokens, completion=made.completion_tokens))
        if self.price is not None:
            note(say("audit.cost", cost=words.number(made.cost, 2), currency=one_line(self.price.currency)))
        if not self.yes:
            self._confirm()

    async def _try(self, question: Question) -> float:
        """Ask one question to see that the target answers, and how fast (the first answer of a quick one pays for connecting). Nothing is kept."""
        import time

        seconds = 0.0
        for _ in range(2):
            began = time.perf_counter()
            await self.target.ask(question.text, language=question.language, limit=self.options.limit)
            seconds = time.perf_counter() - began
            if seconds > SLOW_SECONDS:
                break
        return seconds

    def _confirm(self) -> None:
        if not sys.stdin.isatty():
            raise UsageError(say("audit.needs_yes"))
        terminal = self.session.terminal
        terminal.err.write(say("audit.question") + " ")
        terminal.err.flush()
        if sys.stdin.readline().strip().casefold() not in say("audit.answers_yes").split():
            terminal.note(say("audit.not_started"))
            raise typer.Exit(1)


def _show(session: Session, report: CollectReport, grading: Grading | None, target: str, json: bool) -> None:
    terminal = session.terminal
    outcomes = grading.outcomes if grading else {}
    if json:
        rows = asdict(report) | {"folder": str(report.folder), "target": target, "outcomes": outcomes}
        terminal.json(rows)
    else:
        outcome_table(session, outcomes)
        terminal.print(
            say("audit.done", asked=report.asked, kept=report.kept, total=report.total, missing=report.missing)
        )
        terminal.print(say("audit.where", folder=one_line(str(report.folder))))
    if report.stopped:
        interrupted = report.stopped == "interrupted"
        reason = say("audit.interrupted") if interrupted else say("audit.stopped", reason=one_line(report.stopped))
        terminal.note(reason, style=YELLOW)
        raise typer.Exit(INTERRUPTED if interrupted else 1)
    if not json:
        terminal.note(say("audit.next", folder=one_line(str(report.folder))))


def outcome_table(session: Session, outcomes: Mapping[str, Mapping[str, int]]) -> None:
    """Print outcomes by kind of probe."""
    from samovar.audit.outcome import OUTCOMES

    words = current_words()
    head = ["", *(say(f"audit.outcome.{o}") for o in OUTCOMES)]
    rows = [[kind, *(words.number(counts.get(o, 0)) for o in OUTCOMES)] for kind, counts in outcomes.items()]
    session.terminal.table([head, *rows], right=range(1, 7))


def grade(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """Judge the answers of a run anew, and say what changed."""
    from samovar.audit.evidence import grade_folder
    from samovar.audit.folders import latest_run

    session = session_of(ctx)
    place = folder or latest_run(session.settings().home)
    made = grade_folder(place)
    changes = made.changes or ()
    if json:
        session.terminal.json(
            {"folder": str(place), "num": made.num, "outcomes": made.outcomes, "changes": None if made.changes is None else [asdict(c) for c in changes]}
        )  # fmt: skip
        return
    outcome_table(session, made.outcomes)
    if made.changes is None:
        session.terminal.print(say("audit.graded", count=made.num))
        return
    session.terminal.print(say("audit.regraded", count=made.num, changed=len(changes)))
    for c in changes[:SHOWN_CHANGES]:
        session.terminal.print(
            f"{one_line(c.key)}  {c.before} → {c.after}  ({one_line(c.rule_before)} → {one_line(c.rule_after)})  {one_line(c.text)[:80]}"
        )
    if len(changes) > SHOWN_CHANGES:
        session.terminal.print(say("audit.more_changes", count=len(changes) - SHOWN_CHANGES))
