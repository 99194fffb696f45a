"""``samovar export``: a trained model as a Hugging Face folder or a GGUF file, proven before it counts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json
from samovar.commands.session import session_of
from samovar.commands.terminal import YELLOW, one_line
from samovar.messages import current_words, say

NAME = "export"


def export(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="metavar.folder", help="export.model")],
    to: Annotated[str, typer.Option("--to", metavar="hf|gguf", help="export.to")] = "gguf",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="metavar.path", help="export.output")] = None,
    kind: Annotated[str, typer.Option("--type", metavar="f32|f16|bf16|q8_0|q4_0", help="export.type")] = "",
    json: Json = False,
) -> None:
    """Write and prove."""
    from samovar.train.pretrain import check_extra

    check_extra()
    from samovar.train.card import record_export
    from samovar.train.export.export import export_model

    terminal = session_of(ctx).terminal
    suffix = f"-{kind or 'q8_0'}.gguf" if to == "gguf" else "-hf"
    place = output or model.with_name(model.resolve().name + suffix)
    texts = [*say("pretrain.prompts").splitlines(), say("export.sample")]

    def show(what: str) -> None:
        if not json:
            terminal.note(say("export.writing") if what == "write" else say("export.proving", engine=what))

    made = export_model(model, place, to=to, kind=kind, texts=texts, name=model.resolve().name, say=show)
    if (model / "checkpoints").is_dir():
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
                gap=f"{proof.mean_gap:.2g}",
                largest=f"{proof.max_gap:.2g}",
                texts=proof.num_texts,
                wrong=proof.mismatches,
            )
        )
    for engine in made.skipped:
        terminal.note(say("export.unproven", engine=engine), style=YELLOW)
    terminal.print(say("export.made", path=one_line(str(made.path)), size=words.size(made.num_bytes)))
    if to == "gguf":
        terminal.note(say("export.next", path=one_line(str(made.path))))


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="export.help", epilog="export.examples")(export)
