"""Options that several training commands share, with the keys of their help texts."""

from __future__ import annotations

from typing import Annotated

import typer

DeviceBatch = Annotated[
    int | None, typer.Option("--device-batch", metavar="metavar.number", min=1, help="pretrain.device_batch")
]
Seed = Annotated[int, typer.Option("--seed", metavar="metavar.number", help="pretrain.seed")]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="pretrain.device")]
Precision = Annotated[str, typer.Option("--precision", metavar="auto|bf16|fp32", help="pretrain.precision")]
Threads = Annotated[int, typer.Option("--threads", metavar="metavar.number", min=0, max=1024, help="pretrain.threads")]
Compile = Annotated[bool, typer.Option("--compile/--no-compile", help="pretrain.compile")]
Shard = Annotated[str, typer.Option("--shard", metavar="auto|on|off", help="pretrain.shard")]
SaveEvery = Annotated[
    int | None, typer.Option("--save-every", metavar="metavar.number", min=1, help="pretrain.save_every")
]
