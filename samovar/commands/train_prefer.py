"""``samovar train prefer``: teach a model which of two answers is the better one; interrupted or killed, the same command goes on."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.stops import Stops, hear, listen
from samovar.commands.terminal import BOLD, YELLOW, Terminal, one_line
from samovar.commands.train_options import Threads
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.prefer.dpo import PreferReport
    from samovar.train.prefer.run import PreferRun


def prefer(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="metavar.folder", help="prefer.model")],
    data: Annotated[list[str], typer.Option("--data", metavar="metavar.file", help="prefer.data")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.folder", help="sft.output")],
    method: Annotated[str, typer.Option("--method", metavar="dpo|ipo", help="prefer.method")] = "dpo",
    beta: Annotated[float, typer.Option("--beta", metavar="metavar.number", help="prefer.beta")] = 0.1,
    anchor: Annotated[float, typer.Option("--anchor", metavar="metavar.number", help="prefer.anchor")] = 0.0,
    rate: Annotated[float, typer.Option("--rate", metavar="metavar.number", help="prefer.rate")] = 0.0,
    epochs: Annotated[float, typer.Option("--epochs", metavar="metavar.number", help="prefer.epochs")] = 2.0,
    batch_pairs: Annotated[
        int, typer.Option("--batch-pairs", metavar="metavar.number", min=0, help="prefer.batch_pairs")
    ] = 0,
    seq_len: Annotated[int, typer.Option("--seq-len", metavar="metavar.number", min=0, help="prefer.seq_len")] = 0,
    lora: Annotated[bool, typer.Option("--lora", help="prefer.lora")] = False,
    device_batch: Annotated[
        int, typer.Option("--device-batch", metavar="metavar.number", min=0, help="prefer.device_batch")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", metavar="metavar.number", help="prefer.seed")] = 0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="pretrain.device")] = "auto",
    precision: Annotated[
        str, typer.Option("--precision", metavar="auto|bf16|fp32", help="pretrain.precision")
    ] = "auto",
    threads: Threads = 0,
    save_every: Annotated[
        int, typer.Option("--save-every", metavar="metavar.number", min=0, help="prefer.save_every")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="prefer.dry_run")] = False,
    json: Json = False,
) -> None:
    """Tune; interrupted, the same command goes on."""
    listen(ctx)
    from samovar.train.prefer.parent import check_extra

    check_extra()
    from samovar.commands.train_pretrain import set_threads
    from samovar.train.prefer.run import open_prefer
    from samovar.train.run_lock import hold_run

    terminal = session_of(ctx).terminal
    set_threads(threads)
    with nullcontext() if dry_run else hold_run(output):
        run = open_prefer(
            model, data, output, seq_len=seq_len, device=device, precision=precision, method=method, beta=beta, rate=rate,
            anchor=anchor, epochs=epochs, batch_pairs=batch_pairs, seed=seed, lora=lora, device_batch=device_batch,
            save_every=save_every, dry_run=dry_run, warn=lambda message: terminal.note(one_line(message), style=YELLOW),
        )  # fmt: skip
        if not json:
            _describe(terminal, run)
        if dry_run:
            terminal.json(run.describe()) if json else None
            return
        was_finished = run.finished
        facts = run.finish() if was_finished else _tune(terminal, run, quiet=json)
        if json:
            terminal.json({"folder": str(output), **facts})
            return
        if was_finished:
            terminal.note(say("pretrain.nothing_left", folder=one_line(str(output))))
        _print(terminal, facts, output)


def _describe(terminal: Terminal, run: PreferRun) -> None:
    words, plan, needs, left = current_words(), run.plan, run.needs(), run.left_out
    terminal.note(
        say(
            "prefer.plan",
            train=len(run.train_pairs),
            held=len(run.held_pairs),
            steps=plan.num_steps,
            batch=plan.batch_pairs,
            method=plan.method,
            beta=words.number(plan.beta, 2),
            rate=words.short(plan.rate),
            length=run.longest,
            memory=words.size(needs["memory_bytes"]),
            disk=words.size(needs["disk_bytes"]),
        )
    )
    if left["same"]:
        terminal.note(say("prefer.same", count=left["same"], rows=one_line(", ".join(run.pairs.same_at))), style=YELLOW)
    if left["repeated"]:
        terminal.note(say("prefer.repeated", count=left["repeated"]))
    if run.pairs.num_opposed:
        terminal.note(say("prefer.opposed", count=run.pairs.num_opposed), style=YELLOW)
    if left["too_long"]:
        terminal.note(say("prefer.too_long", count=left["too_long"], length=plan.seq_len), style=YELLOW)
    if left["special_tokens"]:
        terminal.note(say("prefer.special", count=left["special_tokens"]), style=YELLOW)


def _tune(terminal: Terminal, run: PreferRun, *, quiet: bool) -> dict[str, Any]:
    words = current_words()
    if run.begin_at and not quiet:
        terminal.note(say("pretrain.resumed", step=run.begin_at))
    with ProgressBar(terminal, say("prefer.scoring"), quiet=quiet) as bar:
        run.score_parent(lambda done, total: bar.update(done, total, "", 0.0))
    with (
        ProgressBar(terminal, say("pretrain.progress"), quiet=quiet) as bar,
        Stops(lambda: hear(terminal, bar)) as stops,
    ):

        def watch(report: PreferReport) -> bool:
            left = (run.plan.num_steps - report.step) * report.seconds / report.step
            detail = say(
                "prefer.step",
                loss=words.number(report.loss, 3),
                accuracy=words.number(100 * report.accuracy),
                margin=words.number(report.margin, 3),
            )
            if not stops.happened:
                bar.update(report.step, run.plan.num_steps, detail, left)
            return stops.happened

        if not run.train(watch):
            terminal.note(say("pretrain.stopped", step=run.step), style=YELLOW)
            stops.leave()
    return run.finish()


def _print(terminal: Terminal, facts: dict[str, Any], output: Path) -> None:
    words = current_words()
    before, after = facts["before"], facts["after"]

    def share(value: float | None) -> str:
        return "–" if value is None else words.number(100 * value, 1)

    rows = [
        (say("prefer.figure", count=after["num_pairs"]), say("adapt.before"), say("adapt.after")),
        (say("prefer.accuracy"), share(before["accuracy"]), share(after["accuracy"])),
        (say("prefer.per_token"), share(before["accuracy_per_token"]), share(after["accuracy_per_token"])),
        (say("prefer.margin"), words.number(before["margin"], 2), words.number(after["margin"], 2)),
        (say("prefer.chosen"), words.number(before["chosen"], 1), words.number(after["chosen"], 1)),
        (say("prefer.rejected"), words.number(before["rejected"], 1), words.number(after["rejected"], 1)),
    ]
    terminal.table(tuple(rows), right=range(1, 3))
    if learnt := facts.get("training"):
        shown = {name: share(learnt[name]) for name in ("before", "after", "moved")}
        terminal.print(say("prefer.training", count=learnt["num_pairs"], **shown))
    low, high = (words.number(100 * after[name], 1) for name in ("low", "high"))
    terminal.print(
        terminal.style(say("prefer.done", accuracy=share(after["accuracy"]), low=low, high=high, moved=share(after["moved"])), BOLD)
    )  # fmt: skip
    terminal.print(say("prefer.where", folder=one_line(str(output))))


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("prefer", cls=Command, help="prefer.help", epilog="prefer.examples")(prefer)
