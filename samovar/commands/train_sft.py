"""``samovar train sft``: teach a model to answer, from dialogues; interrupted or killed, the same command goes on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.session import session_of
from samovar.commands.terminal import BOLD, YELLOW, Terminal, one_line
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.loop import Report, Trainer
    from samovar.train.sft import Tuning

SAMPLES = 3


def sft(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="metavar.folder", help="sft.model")],
    data: Annotated[list[str], typer.Option("--data", metavar="metavar.file", help="sft.data")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.folder", help="sft.output")],
    epochs: Annotated[float, typer.Option("--epochs", metavar="metavar.number", min=0.01, help="sft.epochs")] = 2.0,
    seq_len: Annotated[int, typer.Option("--seq-len", metavar="metavar.number", min=0, help="sft.seq_len")] = 0,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", metavar="metavar.number", min=0, help="sft.batch_rows")
    ] = 0,
    rate_share: Annotated[
        float, typer.Option("--rate-share", metavar="metavar.number", min=0.0001, help="sft.rate_share")
    ] = 0.3,
    device_batch: Annotated[
        int | None, typer.Option("--device-batch", metavar="metavar.number", min=1, help="pretrain.device_batch")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="metavar.number", help="pretrain.seed")] = 0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="pretrain.device")] = "auto",
    precision: Annotated[
        str, typer.Option("--precision", metavar="auto|bf16|fp32", help="pretrain.precision")
    ] = "auto",
    threads: Annotated[int, typer.Option("--threads", metavar="metavar.number", min=0, help="pretrain.threads")] = 0,
    compile_model: Annotated[bool, typer.Option("--compile/--no-compile", help="pretrain.compile")] = True,
    save_every: Annotated[
        int | None, typer.Option("--save-every", metavar="metavar.number", min=1, help="pretrain.save_every")
    ] = None,
    json: Json = False,
) -> None:
    """Tune; interrupted, the same command goes on."""
    from samovar.commands.train_pretrain import run_with_bar, set_threads
    from samovar.train.sft import open_tuning, plan_tuning

    terminal = session_of(ctx).terminal
    tuning = plan_tuning(
        model, data, epochs=epochs, seq_len=seq_len, batch_rows=batch_rows, rate_share=rate_share, seed=seed,
        device_batch=device_batch, precision=precision, compile=compile_model, save_every=save_every,
    )  # fmt: skip
    if not json:
        _describe(terminal, tuning)
    set_threads(threads)
    trainer = open_tuning(
        tuning, output, device=device, warn=lambda message: terminal.note(one_line(message), style=YELLOW)
    )
    reports = run_with_bar(trainer, terminal, quiet=json)
    if trainer.team.is_first:
        _finish(terminal, tuning, trainer, reports, output, json)
    trainer.team.leave()


def _describe(terminal: Terminal, tuning: Tuning) -> None:
    card, words = tuning.card, current_words()
    terminal.note(
        say(
            "sft.plan",
            train=card.num_train,
            held=card.num_held_out,
            rows=card.rows,
            length=tuning.plan.seq_len,
            filled=words.number(100 * card.filled),
            steps=tuning.plan.num_steps,
        )
    )
    if card.num_too_long:
        terminal.note(say("sft.too_long", count=card.num_too_long), style=YELLOW)


def _finish(
    terminal: Terminal, tuning: Tuning, trainer: Trainer, reports: list[Report], output: Path, json: bool
) -> None:
    from samovar.commands.train_pretrain import summarise
    from samovar.train.sft import answer

    words = tuning.trained.tokenizer
    samples = [
        {"question": prompt, "answer": answer(trainer.model, words, [{"role": "user", "content": prompt}])}
        for prompt in tuning.prompts[:SAMPLES]
    ]
    if json:
        facts = {"folder": str(output), **asdict(tuning.card), **summarise(reports, trainer), "samples": samples}
        terminal.json(facts)
        return
    bits = [report.bits for report in reports if report.bits == report.bits]
    if not reports:
        terminal.print(say("pretrain.nothing_left", folder=one_line(str(output))))
    elif bits:
        shown = current_words().number(bits[-1], 3)
        terminal.print(terminal.style(say("sft.done", bits=shown), BOLD))
    for sample in samples:
        terminal.print(f"> {one_line(sample['question'])[:200]}")
        terminal.print(one_line(sample["answer"]) or "…")
    terminal.print(say("sft.where", folder=one_line(str(output))))


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("sft", cls=Command, help="sft.help", epilog="sft.examples")(sft)
