"""``samovar export``: a trained model as a Hugging Face folder or a GGUF file, proven before it counts."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import YELLOW, Terminal, one_line
from samovar.commands.train_options import Threads
from samovar.messages import current_words, say

NAME = "export"


def export(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="metavar.folder", help="export.model")],
    to: Annotated[str, typer.Option("--to", metavar="hf|gguf", help="export.to")] = "gguf",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="metavar.path", help="export.output")] = None,
    kind: Annotated[str, typer.Option("--type", metavar="f32|f16|bf16|q8_0|q4_0", help="export.type")] = "",
    threads: Threads = 0,
    json: Json = False,
) -> None:
    """Write and prove."""
    from samovar.train.pretrain import check_extra

    check_extra()
    from samovar.commands.train_pretrain import set_threads
    from samovar.train.card import EXPORTS, read_records, record_export
    from samovar.train.export.export import export_model

    terminal = session_of(ctx).terminal
    suffix = f"-{kind or 'q8_0'}.gguf" if to == "gguf" else "-hf"
    name = model.resolve().name
    is_run = (model / "checkpoints").is_dir() or (model / "prefer.json").is_file()
    if is_run:
        read_records(model / EXPORTS)  # a damaged one is said before the work
    beside = model if model.name not in ("", "..") else model.resolve()
    place = output or beside.with_name(name + suffix)
    texts = [*say("pretrain.prompts").splitlines(), say("export.sample")]

    set_threads(threads)
    import torch

    with Stages(terminal, quiet=json) as stages:
        made = export_model(
            model, place, to=to, kind=kind, texts=texts, name=name, say=stages.show, threads=torch.get_num_threads(),
            warn=lambda message: terminal.note(one_line(message), style=YELLOW),
        )  # fmt: skip
    if is_run:
        proofs = [asdict(proof) for proof in made.proofs]
        record_export(model, made.path.name, {"step": made.step, "bytes": made.num_bytes, "proofs": proofs})
    if json:
        terminal.json({**asdict(made), "path": str(made.path), "proofs": [asdict(proof) for proof in made.proofs]})
        return
    words = current_words()
    for proof in made.proofs:
        terminal.print(
            say(
                "export.proof",
                engine=proof.engine,
                kind=proof.kind,
                same=proof.same_tokens,
                total=proof.num_tokens,
                gap=words.short(proof.mean_gap),
                largest=words.short(proof.max_gap),
                texts=proof.num_texts,
                wrong=proof.mismatches,
            )
        )
    for engine in made.skipped:
        terminal.note(say("export.unproven", engine=engine), style=YELLOW)
    terminal.print(say("export.made", path=one_line(str(made.path)), size=words.size(made.num_bytes)))
    if to == "gguf":
        terminal.note(say("export.next", path=one_line(str(made.path))))


class Stages:
    """A note for each stage of an export, and a bar with counts and the time left where the stage has them."""

    def __init__(self, terminal: Terminal, *, quiet: bool) -> None:
        self._terminal, self._quiet = terminal, quiet
        self._bar: ProgressBar | None = None
        self._what, self._started = "", 0.0

    def show(self, what: str, done: int, total: int) -> None:
        """Tell of a stage; where it is the one before, how far it has come."""
        if what != self._what:
            self._begin(what)
        if self._bar is not None and total:
            seconds = time.monotonic() - self._started
            left = seconds * (total - done) / done if done else None
            self._bar.update(done, total, say("export.trials", done=done, count=total), left)

    def _begin(self, what: str) -> None:
        self._end()
        if what == "try":
            label = say("export.trying")
        else:
            label = say("export.writing") if what == "write" else say("export.proving", engine=what)
        self._what, self._started = what, time.monotonic()
        if not self._quiet:
            self._terminal.note(label)
        self._bar = ProgressBar(self._terminal, label.rstrip("…"), quiet=self._quiet)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="export.help", epilog="export.examples")(export)
