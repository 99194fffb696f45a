"""``samovar train eval``: measure a trained model and write its card."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import YELLOW, one_line
from samovar.commands.train_options import Threads
from samovar.errors import UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.audit.probe import Probe
    from samovar.commands.terminal import Terminal
    from samovar.train.evaluate import Progress, TextScore
    from samovar.train.speaker import Said, Speaker

SALT = "SAMOVAR_AUDIT_SALT"


def evaluate(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="metavar.path", help="eval.model")],
    texts: Annotated[list[Path] | None, typer.Option("--texts", metavar="metavar.file", help="eval.texts")] = None,
    grounded: Annotated[Path | None, typer.Option("--grounded", metavar="metavar.file", help="eval.grounded")] = None,
    pack: Annotated[str, typer.Option("--pack", metavar="metavar.pack", help="eval.pack")] = "",
    language: Annotated[str, typer.Option("--language", metavar="metavar.language", help="eval.language")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="metavar.number", min=1, help="eval.limit")] = 20,
    seed: Annotated[int, typer.Option("--seed", metavar="metavar.number", help="eval.seed")] = 0,
    licence: Annotated[str, typer.Option("--licence", metavar="metavar.name", help="eval.licence")] = "",
    threads: Threads = 0,
    json: Json = False,
) -> None:
    """Measure what was asked for; results and card lie in the model's folder."""
    from samovar.commands.train_pretrain import set_threads
    from samovar.train.card import EVAL, check_card, read_records, write_card
    from samovar.train.evaluate import write_results
    from samovar.train.pretrain import check_extra
    from samovar.train.shards import INDEX
    from samovar.train.speaker import is_ours, open_speaker

    check_extra()
    if not (texts or grounded or as_text(pack)):
        raise UsageError("expected something to measure: --texts FILE, --grounded FILE or --pack core")
    session = session_of(ctx)
    tag = as_text(language) or session.settings().library.starter_pack
    set_threads(threads)
    is_run = (model / "checkpoints").is_dir() or (model / "prefer.json").is_file()
    if is_run:
        check_card(model)
    elif is_ours(model):
        read_records(model / EVAL)  # damaged ones are said before anything is measured
    speaker = open_speaker(model, warn=lambda message: session.terminal.note(one_line(message), style=YELLOW))
    results: dict[str, Any] = {}
    with ProgressBar(session.terminal, say("eval.progress"), quiet=json) as bar:

        def show(done: int, total: int) -> None:
            bar.update(done, total, "", None)

        for path in texts or ():
            of = "held-out texts of" if (path / INDEX).is_file() else "texts"
            results[f"{of} {path.resolve().name}"] = asdict(_measure(speaker, path, show))
        if grounded is not None:
            results[f"grounded {grounded.name}"] = _ask(speaker, grounded, tag, limit, seed, show)
        if as_text(pack):
            results |= _examine(speaker, as_text(pack), tag, limit, seed, show)
    results = {name: {"step": speaker.step, "language": tag, **found} for name, found in results.items()}
    if is_ours(model):
        write_results(model, results)
    card = write_card(model, licence=as_text(licence)) if is_run else None
    if json:
        session.terminal.json(results)
        return
    _print(session.terminal, results)
    if card:
        session.terminal.print(say("eval.card", file=one_line(str(card))))


def _print(terminal: Terminal, results: dict[str, Any]) -> None:
    from samovar.train.card import list_figures

    words = current_words()
    for name, found in results.items():
        terminal.print(f"{name} ({found['language']})")
        for key, value, error in list_figures(found):
            shown = words.number(value, 3) if isinstance(value, float) else "–" if value is None else str(value)
            shown += f" ± {words.number(error, 3)}" if error is not None else ""
            terminal.print(f"  {key}: {shown}")


def _measure(speaker: Speaker, path: Path, show: Progress) -> TextScore:
    from samovar.train.evaluate import measure_texts, read_held_out
    from samovar.train.shards import INDEX
    from samovar.train.texts import plan_units, read_units

    if (path / INDEX).is_file():
        return measure_texts(speaker, read_held_out(path, speaker), progress=show)
    return measure_texts(speaker, (text.text for text in read_units(plan_units([path]))), progress=show)


def _ask(speaker: Speaker, path: Path, language: str, limit: int, seed: int, show: Progress) -> dict[str, Any]:
    from samovar.assistant.draft import NO_ANSWER
    from samovar.commands.train_data import lay_out_for
    from samovar.train.evaluate import read_squad, score_grounded

    questions, lay_out = read_squad(path), lay_out_for(language)
    return asdict(
        score_grounded(speaker, questions, language, lay_out, NO_ANSWER, limit=limit, seed=seed, progress=show)
    )


def _examine(speaker: Speaker, pack: str, language: str, limit: int, seed: int, show: Progress) -> dict[str, Any]:
    """Put the public half of a pack twice: the right answer among others by likelihood, and answered freely."""
    from samovar.train.evaluate import make_choices, score_answers, score_choices

    probes = list_probes(pack, language)
    chosen = score_choices(speaker, make_choices(list_answers(probes, language), limit=limit, seed=seed), progress=show)
    sample = random.Random(seed).sample(probes, min(limit, len(probes)))
    questions = [probe.questions[language][0] for probe in sample]

    def judge(number: int, said: Said) -> str:
        return _grade(sample[number], language, said)

    answered = score_answers(speaker, questions, judge, progress=show)
    return {f"audit {pack} by likelihood": asdict(chosen), f"audit {pack} answered": asdict(answered)}


def _grade(probe: Probe, language: str, said: Said) -> str:
    from samovar.audit.grade.decision import grade_reply
    from samovar.audit.outcome import Reply

    key, question = f"{probe.id}/{language}/0", probe.questions[language][0]
    reply = Reply(key, question, said.text, "stop" if said.ended else "length", "", "", "", 0.0)
    outcome = grade_reply(probe, language, reply).outcome
    return "undecided" if outcome == "missing" else outcome


def list_probes(pack: str, language: str) -> list[Probe]:
    """Return the public half of a pack's knowledge probes in a language: those not marked private, and of these with ``SAMOVAR_AUDIT_SALT``
    set only the half that the salt makes public."""
    from samovar.audit.halves import choose_half
    from samovar.audit.pack import load_pack

    probes = [probe for probe in load_pack(pack).of_kind("knowledge") if probe.half == "public"]
    if salt := os.environ.get(SALT, ""):
        probes = list(choose_half(probes, "public", salt))
    return [probe for probe in probes if language in probe.questions and language in probe.gold]


def list_answers(probes: Sequence[Probe], language: str) -> Sequence[tuple[str, str, tuple[str, ...]]]:
    """Return (question, type of answer, right answers) of probes."""
    return [
        (probe.questions[language][0], probe.gold[language].type, tuple(probe.gold[language].answers))
        for probe in probes
    ]


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("eval", cls=Command, help="eval.help", epilog="eval.examples")(evaluate)
