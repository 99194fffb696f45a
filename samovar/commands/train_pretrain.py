"""``samovar train pretrain``: train a model from token shards by one dial; interrupted or killed, the same command goes on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.progress import ProgressBar
from samovar.commands.session import Interrupts, session_of
from samovar.commands.terminal import BOLD, YELLOW, Terminal, one_line
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.config import RunConfig
    from samovar.train.loop import Report, Trainer

SPARKS = "▁▂▃▄▅▆▇█"
CURVE_POINTS = 48


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
    device_batch: Annotated[
        int | None, typer.Option("--device-batch", metavar="metavar.number", min=1, help="pretrain.device_batch")
    ] = None,
    matrix_lr: Annotated[
        float | None, typer.Option("--matrix-lr", metavar="metavar.number", help="pretrain.matrix_lr")
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="pretrain.dry_run")] = False,
    json: Json = False,
) -> None:
    """Train; interrupted, the same command goes on."""
    from samovar.train.pretrain import check_extra, describe_plan, open_trainer, plan_pretraining

    check_extra()
    terminal = session_of(ctx).terminal
    plan = plan_pretraining(
        tokens, tokenizer, depth=depth, seq_len=seq_len, num_tokens=num_tokens, ratio=ratio, batch_tokens=batch_tokens, seed=seed,
        device_batch=device_batch, matrix_lr=matrix_lr, precision=precision, compile=compile_model, save_every=save_every,
    )  # fmt: skip
    if not json:
        terminal.note(_describe(plan))
    if dry_run:
        terminal.json(describe_plan(plan)) if json else None
        return
    set_threads(threads)
    trainer = open_trainer(
        plan, tokens, tokenizer, output, device=device, prompts=tuple(say("pretrain.prompts").splitlines()),
        warn=lambda message: terminal.note(one_line(message), style=YELLOW),
    )  # fmt: skip
    reports = run_with_bar(trainer, terminal, quiet=json)
    if json and trainer.team.is_first:
        terminal.json({"folder": str(output), **describe_plan(plan), **summarise(reports, trainer)})
    elif trainer.team.is_first:
        _print(terminal, reports, output)
    trainer.team.leave()


def set_threads(threads: int) -> None:
    """Use so many threads of the CPU; 0 means all cores, unless OMP_NUM_THREADS says otherwise."""
    import os

    import torch

    if threads:
        torch.set_num_threads(threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _describe(plan: RunConfig) -> str:
    from samovar.train.pretrain import describe_plan

    facts, words = describe_plan(plan), current_words()
    return say(
        "pretrain.plan",
        parameters=words.number(facts["parameters"] / 1e6, 1),
        layers=facts["layers"],
        width=facts["hidden_size"],
        steps=facts["steps"],
        batch=facts["batch_tokens"],
        tokens=words.number(facts["tokens"] / 1e6, 1),
        flops=f"{facts['flops']:.1e}",
        disk=words.size(facts["checkpoint_bytes"]),
    )


def run_with_bar(trainer: Trainer, terminal: Terminal, *, quiet: bool) -> list[Report]:
    """Run to the end with a bar; Ctrl-C finishes the step, saves and stops with `KeyboardInterrupt`."""
    words = current_words()
    if trainer.step and not quiet:
        terminal.note(say("pretrain.resumed", step=trainer.step))
    watch = open_tensorboard(trainer)
    reports: list[Report] = []
    quiet = quiet or not trainer.team.is_first
    with ProgressBar(terminal, say("pretrain.progress"), quiet=quiet) as bar, Interrupts(bar.stop) as interrupts:
        for report in trainer.run():
            reports.append(report)
            watch(report)
            left = (trainer.plan.num_steps - report.step) * report.seconds / report.step
            if not interrupts.happened:
                bar.update(report.step, trainer.plan.num_steps, _detail(report, reports), left)
            if not math.isnan(report.bits) and not quiet:
                terminal.note(
                    say(
                        "pretrain.bits",
                        step=report.step,
                        bits=words.number(report.bits, 3),
                        loss=words.number(report.loss, 3),
                    )
                )
            if interrupts.happened:
                trainer.save()
                terminal.note(say("pretrain.stopped", step=report.step), style=YELLOW)
                raise KeyboardInterrupt
    return reports


def open_tensorboard(trainer: Trainer) -> Any:
    """Return a function that shows a report in TensorBoard, where it is installed; otherwise one that does nothing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return lambda report: None
    if not trainer.team.is_first:
        return lambda report: None
    writer: Any = SummaryWriter(str(trainer.folder / "tb"), purge_step=trainer.step)

    def write(report: Report) -> None:
        for name in ("loss", "bits", "grad_norm", "tokens_per_s", "mfu", "rate"):
            value = getattr(report, name)
            if not math.isnan(value):
                writer.add_scalar(name, value, report.step)

    return write


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


def summarise(reports: list[Report], trainer: Trainer) -> dict[str, Any]:
    """Return the numbers that sum a run up."""
    bits = [report.bits for report in reports if not math.isnan(report.bits)]
    last = reports[-1] if reports else None
    return {
        "step": trainer.step,
        "loss": last.loss if last else None,
        "bits_per_byte": bits[-1] if bits else None,
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
    bits = [report.bits for report in reports if not math.isnan(report.bits)]
    shown = words.number(bits[-1], 3) if bits else "–"
    time = words.duration(reports[-1].seconds)
    done = say("pretrain.done", bits=shown, loss=words.number(reports[-1].loss, 3), time=time)
    terminal.print(terminal.style(done, BOLD))
    terminal.print(say("pretrain.where", folder=one_line(str(output))))


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("pretrain", cls=Command, help="pretrain.help", epilog="pretrain.examples")(pretrain)
