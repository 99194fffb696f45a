"""``samovar train sft``: teach a model to answer, from dialogues; interrupted or killed, the same command goes on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.session import session_of
from samovar.commands.stops import listen
from samovar.commands.terminal import BOLD, YELLOW, Terminal, one_line
from samovar.commands.train_options import Compile, Device, DeviceBatch, Precision, SaveEvery, Shard, Threads
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
    device_batch: DeviceBatch = None,
    seed: Annotated[int, typer.Option("--seed", metavar="metavar.number", help="sft.seed")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = 0,
    compile_model: Compile = True,
    shard: Shard = "auto",
    save_every: SaveEvery = None,
    json: Json = False,
) -> None:
    """Tune; interrupted, the same command goes on."""
    listen(ctx)
    from samovar.commands.train_pretrain import is_first_process, run_with_bar, set_threads
    from samovar.train.run_lock import hold_team
    from samovar.train.sft import open_tuning, plan_tuning

    terminal = session_of(ctx).terminal

    def warn(message: str) -> None:
        terminal.note(one_line(message), style=YELLOW)

    tuning = plan_tuning(
        model, data, epochs=epochs, seq_len=seq_len, batch_rows=batch_rows, rate_share=rate_share, seed=seed,
        device_batch=device_batch, precision=precision, compile=compile_model, shard=shard,
        save_every=save_every, warn=warn if is_first_process() else lambda message: None,
    )  # fmt: skip
    if not json and is_first_process():
        _describe(terminal, tuning)
    set_threads(threads)
    with hold_team(output, device):
        trainer = open_tuning(tuning, output, device=device, warn=warn)
        reports = run_with_bar(trainer, terminal, quiet=json)
        samples = _answer(tuning, trainer) if trainer.team.is_first or trainer.placement.sharded else []
        if trainer.team.is_first:
            _finish(terminal, tuning, trainer, reports, samples, output, json)
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


def _answer(tuning: Tuning, trainer: Trainer) -> list[dict[str, str]]:
    """Return some held-out questions with the model's answers; with sharded weights it is all processes' work."""
    from samovar.train.sft import answer

    words, steady = tuning.trained.tokenizer, trainer.placement.sharded
    return [
        {
            "question": prompt,
            "answer": answer(trainer.model, words, [{"role": "user", "content": prompt}], steady=steady),
        }
        for prompt in tuning.prompts[:SAMPLES]
    ]


def _finish(
    terminal: Terminal,
    tuning: Tuning,
    trainer: Trainer,
    reports: list[Report],
    samples: list[dict[str, str]],
    output: Path,
    json: bool,
) -> None:
    from samovar.commands.train_pretrain import last_bits, summarise

    if json:
        facts = {"folder": str(output), **asdict(tuning.card), **summarise(reports, trainer), "samples": samples}
        terminal.json(facts)
        return
    bits = last_bits(reports)
    if not reports:
        terminal.print(say("pretrain.nothing_left", folder=one_line(str(output))))
    elif bits is not None:
        shown = current_words().number(bits, 3)
        terminal.print(terminal.style(say("sft.done", bits=shown), BOLD))
    for sample in samples:
        terminal.print(f"> {one_line(sample['question'])[:200]}")
        terminal.print(one_line(sample["answer"]) or "…")
    terminal.print(say("sft.where", folder=one_line(str(output))))


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("sft", cls=Command, help="sft.help", epilog="sft.examples")(sft)
