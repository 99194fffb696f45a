"""``samovar train eval``: measure a trained model and write its card."""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Iterator, Sequence
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
from samovar.errors import TrainingError, UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.audit.probe import Probe
    from samovar.commands.terminal import Terminal
    from samovar.train.evaluate import Progress
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
    from samovar.train.evaluate import distinct_name, write_results
    from samovar.train.pretrain import check_extra
    from samovar.train.shards import INDEX
    from samovar.train.speaker import is_ours, open_speaker

    check_extra()
    if not (texts or grounded or as_text(pack)):
        raise UsageError(say("eval.nothing"))
    session = session_of(ctx)
    tag = as_text(language) or session.settings().library.starter_pack
    set_threads(threads)
    is_run = (model / "checkpoints").is_dir() or (model / "prefer.json").is_file()
    known = read_records(model / EVAL) if is_ours(model) else {}
    if is_run:
        check_card(model)  # damaged files are said before anything is measured
    speaker = open_speaker(model, warn=lambda message: session.terminal.note(one_line(message), style=YELLOW))
    results: dict[str, Any] = {}
    with ProgressBar(session.terminal, say("eval.progress"), quiet=json) as bar:

        def show(done: int, total: int) -> None:
            bar.update(done, total, "", None)

        for path in texts or ():
            of = "held-out texts of" if (path / INDEX).is_file() else "texts"
            found = _measure(speaker, path, show)
            results[distinct_name(f"{of} {path.resolve().name}", found["sha256"], known | results)] = found
        if grounded is not None:
            found = _ask(speaker, grounded, tag, limit, seed, show)
            results[distinct_name(f"grounded {grounded.name}", found["sha256"], known | results)] = found
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
        terminal.print(f"{one_line(show_name(name))} ({found['language']})")
        for key, value, error in list_figures(found):
            shown = words.number(value, 3) if isinstance(value, float) else "–" if value is None else str(value)
            shown += f" ± {words.number(error, 3)}" if error is not None else ""
            terminal.print(f"  {say(f'eval.figure_{key}')}: {shown}")


def show_name(name: str) -> str:
    """Return the name of a result, as it stands in ``eval.json``, in the words of the language."""
    names = {
        r"texts (.*)": "name_texts",
        r"held-out texts of (.*)": "name_held_out",
        r"grounded (.*)": "name_grounded",
        r"audit (.*) by likelihood": "name_likelihood",
        r"audit (.*) answered": "name_answered",
    }
    for pattern, key in names.items():
        if found := re.fullmatch(pattern, name):
            return say(f"eval.{key}", name=found[1])
    return name


def _measure(speaker: Speaker, path: Path, show: Progress) -> dict[str, Any]:
    """Return the score of texts and the hash of what was read."""
    from samovar.train.evaluate import measure_texts, read_held_out
    from samovar.train.shards import INDEX
    from samovar.train.texts import plan_units, read_units

    own = (path / INDEX).is_file()
    texts = read_held_out(path, speaker) if own else (text.text for text in read_units(plan_units([path])))
    digest = hashlib.sha256()

    def read() -> Iterator[str]:
        for text in texts:
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
            yield text

    return {**asdict(measure_texts(speaker, read(), progress=show)), "sha256": digest.hexdigest()}


def _ask(speaker: Speaker, path: Path, language: str, limit: int, seed: int, show: Progress) -> dict[str, Any]:
    from samovar.assistant.draft import NO_ANSWER
    from samovar.commands.train_data import lay_out_for
    from samovar.digests import hash_file
    from samovar.train.evaluate import read_squad, score_grounded

    questions, lay_out = read_squad(path), lay_out_for(language)
    score = score_grounded(speaker, questions, language, lay_out, NO_ANSWER, limit=limit, seed=seed, progress=show)
    if not score.num_asked + score.num_twins:
        raise TrainingError(
            f"expected questions in {path} that fit into the context, found {len(questions)} and none of those that were tried fits"
        )
    return {**asdict(score), "sha256": hash_file(path)}


def _examine(speaker: Speaker, pack: str, language: str, limit: int, seed: int, show: Progress) -> dict[str, Any]:
    """Put the public half of a pack twice: the right answer among others by likelihood, and answered freely."""
    from samovar.train.evaluate import make_choices, score_answers, score_choices

    probes = list_probes(pack, language)
    if not probes:
        raise UsageError(
            f"expected a --language of the pack {pack}, found no questions in {language}; it has {list_languages(pack)}"
        )
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


def list_languages(pack: str) -> str:
    """Return the languages that a pack's knowledge probes are asked in."""
    from samovar.audit.pack import load_pack

    return ", ".join(
        sorted({language for probe in load_pack(pack).of_kind("knowledge") for language in probe.questions})
    )


def list_answers(probes: Sequence[Probe], language: str) -> Sequence[tuple[str, str, tuple[str, ...]]]:
    """Return (question, type of answer, right answers) of probes."""
    return [
        (probe.questions[language][0], probe.gold[language].type, tuple(probe.gold[language].answers))
        for probe in probes
    ]


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("eval", cls=Command, help="eval.help", epilog="eval.examples")(evaluate)
