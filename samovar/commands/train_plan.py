"""``samovar train plan``: what a pretraining run would be, how long it would take and what it would cost, before there are any tokens."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.session import session_of
from samovar.errors import UsageError
from samovar.messages import current_words, say


def plan(
    ctx: typer.Context,
    depth: Annotated[
        int, typer.Option("--depth", "-d", metavar="metavar.number", min=1, max=64, help="pretrain.depth")
    ] = 20,
    vocab_size: Annotated[
        int, typer.Option("--vocab-size", metavar="metavar.number", min=256, help="plan.vocab_size")
    ] = 65_536,
    ratio: Annotated[float, typer.Option("--ratio", metavar="metavar.number", min=0.01, help="pretrain.ratio")] = 20.0,
    num_tokens: Annotated[
        int, typer.Option("--num-tokens", metavar="metavar.number", min=0, help="pretrain.num_tokens")
    ] = 0,
    seq_len: Annotated[int, typer.Option("--seq-len", metavar="metavar.number", min=8, help="pretrain.seq_len")] = 2048,
    batch_tokens: Annotated[
        int, typer.Option("--batch-tokens", metavar="metavar.number", min=0, help="pretrain.batch_tokens")
    ] = 0,
    gpus: Annotated[str, typer.Option("--gpus", metavar="metavar.number", help="plan.gpus")] = "1,8,64",
    gpu: Annotated[str, typer.Option("--gpu", metavar="metavar.name", help="plan.gpu")] = "H100",
    mfu: Annotated[float, typer.Option("--mfu", metavar="metavar.number", help="plan.mfu")] = 40.0,
    tokens_per_s: Annotated[
        float, typer.Option("--tokens-per-s", metavar="metavar.number", help="plan.tokens_per_s")
    ] = 0.0,
    price: Annotated[float, typer.Option("--price", metavar="metavar.number", help="plan.price")] = 3.0,
    json: Json = False,
) -> None:
    """Calculate; nothing is read or written."""
    from samovar.train.pretrain import check_extra, describe_plan

    check_extra()
    from samovar.train.forecast import forecast
    from samovar.train.size import plan_run

    terminal = session_of(ctx).terminal
    run = plan_run(depth, vocab_size, seq_len=seq_len, num_tokens=num_tokens, ratio=ratio, batch_tokens=batch_tokens)
    rows = [
        asdict(forecast(run, count, gpu=gpu, mfu=mfu, price=price, tokens_per_s=tokens_per_s))
        for count in read_counts(gpus)
    ]
    facts = describe_plan(run)
    if json:
        terminal.json({**facts, "gpu": gpu, "mfu": None if tokens_per_s else mfu, "price": price, "expected": rows})
        return
    terminal.print(describe_size(facts))
    for row in rows:
        terminal.print(_line(row, gpu))
    terminal.print(say("plan.measured", speed=current_words().number(tokens_per_s)) if tokens_per_s else say("plan.assumed", mfu=current_words().number(mfu)))  # fmt: skip


def read_counts(text: str) -> list[int]:
    """Return the numbers of a list like ``1,8,64``.

    Raises:
        UsageError: it is none.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(say("plan.no_counts", value=text)) from error


def describe_size(facts: dict[str, Any]) -> str:
    """Return the line that says how large a run is."""
    words = current_words()
    return say(
        "pretrain.plan",
        parameters=words.number(facts["parameters"] / 1e6, 1),
        layers=facts["layers"],
        width=facts["hidden_size"],
        steps=facts["steps"],
        batch=facts["batch_tokens"],
        tokens=words.number(facts["tokens"] / 1e6, 1),
        flops=words.short(facts["flops"]),
        disk=words.size(facts["checkpoint_bytes"]),
    )


def _line(row: dict[str, Any], gpu: str) -> str:
    words = current_words()
    remarks: list[str] = []
    line = say(
        "plan.row",
        gpus=row["gpus"],
        gpu=gpu,
        hours=words.number(row["hours"], 1),
        cost=words.number(row["cost"]),
        memory=words.size(row["memory_bytes"]),
    )
    if row["sharded"]:
        remarks.append(say("plan.sharded"))
    if not row["fits"]:
        remarks.append(say("plan.no_room"))
    if not row["divides"]:
        remarks.append(say("plan.uneven"))
    return "; ".join([line, *remarks])


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("plan", cls=Command, help="plan.help", epilog="plan.examples")(plan)
