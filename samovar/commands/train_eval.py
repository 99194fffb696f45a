"""``samovar train eval``: measure a trained model and write its card."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.model import LanguageModel
    from samovar.train.tokenizer import Tokenizer

SALT = "SAMOVAR_AUDIT_SALT"


def evaluate(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="metavar.folder", help="eval.model")],
    texts: Annotated[list[Path] | None, typer.Option("--texts", metavar="metavar.file", help="eval.texts")] = None,
    grounded: Annotated[Path | None, typer.Option("--grounded", metavar="metavar.file", help="eval.grounded")] = None,
    pack: Annotated[str, typer.Option("--pack", metavar="metavar.pack", help="eval.pack")] = "",
    language: Annotated[str, typer.Option("--language", metavar="metavar.language", help="eval.language")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="metavar.number", min=1, help="eval.limit")] = 20,
    seed: Annotated[int, typer.Option("--seed", metavar="metavar.number", help="eval.seed")] = 0,
    licence: Annotated[str, typer.Option("--licence", metavar="metavar.name", help="eval.licence")] = "",
    threads: Annotated[int, typer.Option("--threads", metavar="metavar.number", min=0, help="pretrain.threads")] = 0,
    json: Json = False,
) -> None:
    """Measure what was asked for; results and card lie in the model's folder."""
    from samovar.commands.train_pretrain import set_threads
    from samovar.train.card import write_card
    from samovar.train.evaluate import write_results
    from samovar.train.export.trained import open_trained
    from samovar.train.pretrain import check_extra

    check_extra()
    session = session_of(ctx)
    tag = as_text(language) or session.settings().library.starter_pack
    set_threads(threads)
    trained = open_trained(model)
    built, words = trained.build(), trained.tokenizer
    results: dict[str, Any] = {}
    with ProgressBar(session.terminal, say("eval.progress"), quiet=json) as bar:

        def show(done: int, total: int) -> None:
            bar.update(done, total, "", 0.0)

        for path in texts or ():
            results[f"texts {path.name}"] = {"bits_per_byte": _measure(built, words, path)}
        if grounded is not None:
            results[f"grounded {grounded.name}"] = _ask(built, words, grounded, tag, limit, seed, show)
        if as_text(pack):
            results[f"audit {pack}"] = _choose(built, words, as_text(pack), tag, limit, seed, show)
    if not results:
        raise UsageError("expected something to measure: --texts FILE, --grounded FILE or --pack core")
    results = {name: {"step": trained.step, "language": tag, **found} for name, found in results.items()}
    write_results(model, results)
    is_run = (model / "checkpoints").is_dir()
    card = write_card(model, licence=as_text(licence)) if is_run else None
    if json:
        session.terminal.json(results)
        return
    for name, found in results.items():
        session.terminal.print(name)
        for key, value in found.items():
            shown = (
                current_words().number(value, 3) if isinstance(value, float) else "–" if value is None else str(value)
            )
            session.terminal.print(f"  {key.replace('_', ' ')}: {shown}")
    if card:
        session.terminal.print(say("eval.card", file=one_line(str(card))))


def _measure(model: LanguageModel, words: Tokenizer, path: Path) -> float:
    from samovar.train.evaluate import measure_texts
    from samovar.train.texts import plan_units, read_units

    return measure_texts(model, words, (text.text for text in read_units(plan_units([path]))))


def _ask(
    model: LanguageModel, words: Tokenizer, path: Path, language: str, limit: int, seed: int, show: Any
) -> dict[str, Any]:
    from samovar.assistant.draft import NO_ANSWER
    from samovar.commands.train_data import lay_out_for
    from samovar.train.evaluate import read_squad, score_grounded

    score = score_grounded(
        model,
        words,
        read_squad(path),
        language,
        lay_out_for(language),
        NO_ANSWER,
        limit=limit,
        seed=seed,
        progress=show,
    )
    return asdict(score)


def _choose(
    model: LanguageModel, words: Tokenizer, pack: str, language: str, limit: int, seed: int, show: Any
) -> dict[str, Any]:
    from samovar.train.evaluate import make_choices, score_choices

    answers = list_answers(pack, language)
    return asdict(score_choices(model, words, make_choices(answers, limit=limit, seed=seed), progress=show))


def list_answers(pack: str, language: str) -> Sequence[tuple[str, str, tuple[str, ...]]]:
    """Return (question, type of answer, right answers) of the public half of a pack's knowledge probes: those not marked private, and of these
    with ``SAMOVAR_AUDIT_SALT`` set only the half that the salt makes public."""
    from samovar.audit.halves import choose_half
    from samovar.audit.pack import load_pack

    probes = [probe for probe in load_pack(pack).of_kind("knowledge") if probe.half == "public"]
    if salt := os.environ.get(SALT, ""):
        probes = list(choose_half(probes, "public", salt))
    return [
        (probe.questions[language][0], probe.gold[language].type, tuple(probe.gold[language].answers))
        for probe in probes
        if language in probe.questions and language in probe.gold
    ]


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("eval", cls=Command, help="eval.help", epilog="eval.examples")(evaluate)
