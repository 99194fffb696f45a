"""``samovar train pretrain``: train a model from token shards by one dial; interrupted or killed, the same command goes on."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.compiler import quiet_compiler
from samovar.commands.curves import open_curves
from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.stops import Stops, hear, listen
from samovar.commands.terminal import BOLD, YELLOW, Terminal, one_line
from samovar.commands.train_options import Compile, Device, DeviceBatch, Precision, SaveEvery, Seed, Shard, Threads
from samovar.commands.train_plan import describe_size
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.config import RunConfig
    from samovar.train.loop import Report, Trainer

SPARKS = "▁▂▃▄▅▆▇█"
CURVE_POINTS = 48
COMPILING_STEPS, PACE_STEPS = 3, 30
MANY_PASSES = 4.0
"""Reading texts up to four times is nearly as good as new texts; after that it is worth less and less. Source: Muennighoff et al. 2023 (arXiv:2305.16264)."""
WORSE = 1.02


def pretrain(
    ctx: typer.Context,
    tokens: Annotated[Path, typer.Argument(metavar="metavar.folder", help="pretrain.tokens")],
    tokenizer: Annotated[Path, typer.Option("--tokenizer", "-t", metavar="metavar.folder", help="prepare.tokenizer")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.folder", help="pretrain.output")],
    depth: Annotated[
        int, typer.Option("--depth", "-d", metavar="metavar.number", min=1, max=64, help="pretrain.depth")
    ] = 4,
    ratio: Annotated[float, typer.Option("--ratio", metavar="metavar.number", min=0.01, help="pretrain.ratio")] = 20.0,
    num_tokens: Annotated[
        int, typer.Option("--num-tokens", metavar="metavar.number", min=0, help="pretrain.num_tokens")
    ] = 0,
    seq_len: Annotated[int, typer.Option("--seq-len", metavar="metavar.number", min=8, help="pretrain.seq_len")] = 1024,
    batch_tokens: Annotated[
        int, typer.Option("--batch-tokens", metavar="metavar.number", min=0, help="pretrain.batch_tokens")
    ] = 0,
    device_batch: DeviceBatch = None,
    matrix_lr: Annotated[
        float | None, typer.Option("--matrix-lr", metavar="metavar.number", help="pretrain.matrix_lr")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = 0,
    compile_model: Compile = True,
    shard: Shard = "auto",
    save_every: SaveEvery = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="pretrain.dry_run")] = False,
    json: Json = False,
) -> None:
    """Train; interrupted, the same command goes on."""
    listen(ctx)
    from samovar.train.pretrain import check_extra, describe_plan, open_trainer, plan_pretraining
    from samovar.train.run_lock import hold_team

    check_extra()
    terminal = session_of(ctx).terminal
    plan = plan_pretraining(
        tokens, tokenizer, depth=depth, seq_len=seq_len, num_tokens=num_tokens, ratio=ratio, batch_tokens=batch_tokens, seed=seed,
        device_batch=device_batch, matrix_lr=matrix_lr, precision=precision, compile=compile_model, shard=shard,
        save_every=save_every,
    )  # fmt: skip
    if not json and is_first_process():
        terminal.note(describe_size(describe_plan(plan)))
    if dry_run:
        terminal.json(describe_plan(plan)) if json else None
        return
    set_threads(threads)
    with hold_team(output, device):
        trainer = open_trainer(
            plan, tokens, tokenizer, output, device=device,
            warn=lambda message: terminal.note(one_line(message), style=YELLOW),
        )  # fmt: skip
        passes = count_passes(plan, trainer)
        if passes > MANY_PASSES and trainer.team.is_first and not json:
            shown = current_words().number(passes, 1)
            terminal.note(
                say("pretrain.many_passes", passes=shown, enough=f"{plan.num_tokens / passes * MANY_PASSES:.0f}"),
                style=YELLOW,
            )
        reports = run_with_bar(trainer, terminal, quiet=json)
        if json and trainer.team.is_first:
            terminal.json({"folder": str(output), **describe_plan(plan), **summarise(reports, trainer)})
        elif trainer.team.is_first:
            _print(terminal, reports, output)
        trainer.team.leave()


def count_passes(plan: RunConfig, trainer: Trainer) -> float:
    """Return how often a run reads each of its tokens."""
    return plan.num_tokens / (trainer.sources.train.num_sequences * plan.seq_len)


def is_first_process() -> bool:
    """Tell whether this is the only process, or the one of torchrun's that speaks; asks the environment, loads nothing."""
    return os.environ.get("RANK", "0") == "0"


def set_threads(threads: int) -> None:
    """Use so many threads of the CPU; 0 means all cores, unless OMP_NUM_THREADS says otherwise."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def run_with_bar(trainer: Trainer, terminal: Terminal, *, quiet: bool) -> list[Report]:
    """Run to the end with a bar; asked to stop it says so at once, finishes the step and saves.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        typer.Exit: after TERM or USR1, with the status `samovar.commands.stops.AGAIN`.
        TrainingError: another process of the run has ended.
    """
    from samovar.train.loop import can_compile

    words = current_words()
    quiet = quiet or not trainer.team.is_first
    if trainer.step and not quiet:
        terminal.note(say("pretrain.resumed", step=trainer.step))
    reports: list[Report] = []
    last = trainer.plan.num_steps
    with ProgressBar(terminal, say("pretrain.progress"), quiet=quiet) as bar:

        def stop() -> None:
            trainer.ask_to_stop()
            if trainer.team.is_first:
                compiling = trainer.plan.compile and can_compile() and not reports
                hear(terminal, bar, say("pretrain.stopping_compile") if compiling else "")

        with Stops(stop) as stops, trainer.team.watching(), open_curves(trainer) as watch, quiet_compiler():
            for report in trainer.run():
                reports.append(report)
                watch(report)
                left = estimate_left(reports, trainer.plan.batch_tokens, last)
                if not stops.happened:
                    bar.update(report.step, last, _detail(report, reports), left)
                if not math.isnan(report.bits) and not quiet:
                    bits, loss = words.number(report.bits, 3), words.number(report.loss, 3)
                    terminal.note(say("pretrain.bits", step=report.step, bits=bits, loss=loss))
    if trainer.step < last:
        if trainer.team.is_first:
            terminal.note(say("pretrain.stopped", step=trainer.step), style=YELLOW)
        trainer.team.leave()
        stops.leave()
    return reports


def estimate_left(reports: list[Report], batch_tokens: int, last: int) -> float | None:
    """Return the seconds left at the pace of the last steps; None during the first ones, in which the model is compiled."""
    if len(reports) <= COMPILING_STEPS:
        return None
    recent = sorted(batch_tokens / report.tokens_per_s for report in reports[-PACE_STEPS:])
    return (last - reports[-1].step) * recent[len(recent) // 2]


def _detail(report: Report, reports: list[Report]) -> str:
    words = current_words()
    parts = [
        say("pretrain.loss", loss=words.number(report.loss, 3)),
        draw_curve([r.loss for r in reports], 16),
        say("pretrain.speed", speed=words.number(report.tokens_per_s)),
    ]
    if not math.isnan(report.mfu):
        parts.append(say("pretrain.mfu", share=words.number(100 * report.mfu)))
    return "  ".join(parts)


def draw_curve(values: list[float], width: int = CURVE_POINTS) -> str:
    """Return a curve of block characters, at most `width` wide: means of equal parts, the highest of them full."""
    if not values:
        return ""
    parts = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    means = [sum(part) / len(part) for part in parts if part]
    low, high = min(means), max(means)
    return "".join(SPARKS[int((len(SPARKS) - 1) * (mean - low) / (high - low or 1.0))] for mean in means)


def last_bits(reports: list[Report]) -> float | None:
    """Return the newest figure of bits per byte, if there is one."""
    return next((report.bits for report in reversed(reports) if not math.isnan(report.bits)), None)


def best_report(reports: list[Report]) -> Report | None:
    """Return the report with the fewest bits per byte, if any was measured."""
    measured = [report for report in reports if not math.isnan(report.bits)]
    return min(measured, key=lambda report: report.bits, default=None)


def summarise(reports: list[Report], trainer: Trainer) -> dict[str, Any]:
    """Return the numbers that sum a run up; where there was nothing left to do, those of its curve."""
    from samovar.train.loop import read_reports

    reports = reports or read_reports(trainer.folder)
    last = reports[-1] if reports else None
    return {
        "step": trainer.step,
        "loss": last.loss if last else None,
        "bits_per_byte": last_bits(reports),
        "tokens_per_s": sorted(r.tokens_per_s for r in reports)[len(reports) // 2] if reports else None,
        "seconds": trainer.seconds,
        "rollbacks": trainer.num_rollbacks,
    }


def _print(terminal: Terminal, reports: list[Report], output: Path) -> None:
    words = current_words()
    if not reports:
        terminal.print(say("pretrain.nothing_left", folder=one_line(str(output))))
        return
    terminal.print(draw_curve([report.loss for report in reports]))
    bits = last_bits(reports)
    shown = "–" if bits is None else words.number(bits, 3)
    time = words.duration(reports[-1].seconds)
    best = best_report(reports)
    if best is not None and bits is not None and bits > WORSE * best.bits:
        was = words.number(best.bits, 3)
        terminal.print(terminal.style(say("pretrain.was_better", bits=was, step=best.step, now=shown), YELLOW))
    done = say("pretrain.done", bits=shown, loss=words.number(reports[-1].loss, 3), time=time)
    terminal.print(terminal.style(done, BOLD))
    terminal.print(say("pretrain.where", folder=one_line(str(output))))


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("pretrain", cls=Command, help="pretrain.help", epilog="pretrain.examples")(pretrain)
