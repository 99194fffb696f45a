"""``samovar train prepare``: encode texts into the token shards that training reads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import YELLOW, Terminal, one_line
from samovar.commands.train_tokenizer import Language
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.prepare import Estimate
    from samovar.train.shards import Index


def prepare(
    ctx: typer.Context,
    corpus: Annotated[list[Path], typer.Argument(metavar="metavar.folder", help="prepare.corpus")],
    tokenizer: Annotated[Path, typer.Option("--tokenizer", "-t", metavar="metavar.folder", help="prepare.tokenizer")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.folder", help="prepare.output")],
    workers: Annotated[
        int, typer.Option("--workers", metavar="metavar.number", min=0, max=4096, help="prepare.workers")
    ] = 0,
    validation: Annotated[
        int, typer.Option("--validation", metavar="metavar.number", min=0, max=500, help="prepare.validation")
    ] = 10,
    weights: Annotated[str, typer.Option("--weights", metavar="metavar.weights", help="prepare.weights")] = "",
    no_weights: Annotated[bool, typer.Option("--no-weights", help="prepare.no_weights")] = False,
    language: Language = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="prepare.anyway")] = False,
    json: Json = False,
) -> None:
    """Encode; interrupted, the same command goes on."""
    from samovar.train.prepare import default_workers
    from samovar.train.prepare import prepare as prepare_tokens
    from samovar.train.weights import parse_weights

    terminal = session_of(ctx).terminal
    started = time.monotonic()

    def announce(estimate: Estimate) -> None:
        if not json:
            terminal.note(_describe(estimate))

    with ProgressBar(terminal, say("prepare.progress"), quiet=json) as bar:

        def show(done: int, total: int, tokens: int) -> None:
            seconds = time.monotonic() - started
            bar.update(done, total, say("prepare.tokens", count=tokens), seconds * (total - done) / max(1, done))

        index = prepare_tokens(
            corpus, tokenizer, output, workers=workers or default_workers(), validation_permille=validation,
            weights=parse_weights(as_text(weights)), by_recipe=not no_weights, language=as_text(language), anyway=anyway, progress=show, begin=announce,
        )  # fmt: skip
    if json:
        terminal.json({"folder": str(output), "sha256": index.sha256, **index.as_json()})
    else:
        _print(terminal, index, output)


def _describe(estimate: Estimate) -> str:
    words = current_words()
    return say(
        "prepare.estimate",
        size=words.size(estimate.num_bytes),
        tokens=estimate.num_tokens,
        ratio=words.number(estimate.bytes_per_token, 2),
        disk=words.size(estimate.disk_bytes),
    )


def _print(terminal: Terminal, index: Index, output: Path) -> None:
    words = current_words()
    for split, shards in index.splits.items():
        terminal.print(
            say(
                f"prepare.made_{split}",
                tokens=index.total(split),
                documents=index.total(split, "num_documents"),
                size=words.size(index.total(split, "num_bytes")),
                files=len(shards),
            )
        )
    for source, about in index.sources.items() if index.weights else ():
        weight = words.number(index.weights.get(source, 1.0), 2)
        terminal.print(
            say(
                "prepare.source",
                source=one_line(source),
                weight=weight,
                documents=about["num_documents"],
                different=about["different"],
                tokens=about["num_tokens"],
            )
        )
    if index.skipped:
        reasons = ", ".join(f"{one_line(reason)} {words.number(count)}" for reason, count in index.skipped.items())
        terminal.note(say("prepare.skipped", count=sum(index.skipped.values()), reasons=reasons), style=YELLOW)
    terminal.print(say("prepare.where", folder=one_line(str(output)), sha256=index.sha256[:12]))


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("prepare", cls=Command, help="prepare.help", epilog="prepare.examples")(prepare)
