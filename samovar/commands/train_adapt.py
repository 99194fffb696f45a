"""``samovar train adapt``: fit an open model to a language: fewer tokens, or others, and further training."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.stops import Stops, hear, listen
from samovar.commands.terminal import BOLD, YELLOW, Terminal, one_line
from samovar.errors import UsageError
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.adapt.lora import LoraPlan
    from samovar.train.adapt.material import Material
    from samovar.train.adapt.run import Adapted


def adapt(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="metavar.path", help="adapt.model")],
    corpus: Annotated[list[Path], typer.Option("--corpus", "-c", metavar="metavar.folder", help="adapt.corpus")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.path", help="adapt.output")],
    method: Annotated[str, typer.Option("--method", metavar="trim|transfer", help="adapt.method")] = "trim",
    vocab_size: Annotated[
        int, typer.Option("--vocab-size", metavar="metavar.number", min=0, max=1_048_576, help="adapt.vocab_size")
    ] = 0,
    only_seen: Annotated[bool, typer.Option("--only-seen", help="adapt.only_seen")] = False,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", "-t", metavar="metavar.folder", help="adapt.tokenizer")
    ] = None,
    max_chars: Annotated[
        int, typer.Option("--max-chars", metavar="metavar.number", min=0, help="tokenizer.max_chars")
    ] = 100_000_000,
    language: Annotated[str, typer.Option("--language", metavar="metavar.language", help="tokenizer.language")] = "",
    keep: Annotated[
        list[Path] | None, typer.Option("--keep-text", metavar="metavar.folder", help="adapt.keep_text")
    ] = None,
    num_tokens: Annotated[
        int, typer.Option("--num-tokens", metavar="metavar.number", min=0, help="adapt.num_tokens")
    ] = 0,
    lora: Annotated[bool, typer.Option("--lora", help="adapt.lora")] = False,
    seq_len: Annotated[int, typer.Option("--seq-len", metavar="metavar.number", min=8, help="pretrain.seq_len")] = 1024,
    batch_tokens: Annotated[
        int, typer.Option("--batch-tokens", metavar="metavar.number", min=0, help="pretrain.batch_tokens")
    ] = 0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="pretrain.device")] = "auto",
    compile_model: Annotated[bool, typer.Option("--compile/--no-compile", help="pretrain.compile")] = True,
    anyway: Annotated[bool, typer.Option("--anyway", help="adapt.anyway")] = False,
    json: Json = False,
) -> None:
    """Adapt, prove, train on where asked."""
    listen(ctx)
    from samovar.commands.train_data import lay_out_for
    from samovar.commands.train_pretrain import is_first_process
    from samovar.train.adapt.lora import plan_lora
    from samovar.train.adapt.material import Material as Texts
    from samovar.train.adapt.others import read_others
    from samovar.train.adapt.run import MANIFEST, adapt_model
    from samovar.train.run_lock import hold_run

    terminal = session_of(ctx).terminal
    if num_tokens and method != "transfer" and not lora:
        raise UsageError(say("adapt.only_transfer"))
    if lora and (not num_tokens or model.is_file()):
        raise UsageError(say("adapt.lora_needs"))
    if num_tokens:
        begun = (output / MANIFEST).exists()
        _check_training(output if begun else model, num_tokens, seq_len, batch_tokens, lora=lora)
    prompt = lay_out_for(as_text(language) or session_of(ctx).settings().library.starter_pack)(
        "?", [("?", "?")], "0" * 16
    )
    prompts = tuple(message["content"] for message in prompt)
    material = Texts(tuple(corpus), max_chars, as_text(language), keep=tuple(keep or ()), prompts=prompts)

    def show(what: str) -> None:
        if not json:
            terminal.note(say(f"adapt.{what}"))

    result: dict[str, Any] = {}
    beside = output.with_name(f".{output.name}.lock")  # the result takes its place at the end
    with hold_run(output, beside) if is_first_process() else nullcontext():
        if not (num_tokens and (output / MANIFEST).exists()):  # begun before: only the training goes on
            made = adapt_model(
                model,
                material,
                output,
                method=method,
                vocab_size=vocab_size,
                tokenizer=tokenizer,
                only_seen=only_seen,
                anyway=anyway,
                say=show,
            )
            result = {
                "path": str(made.path),
                "method": method,
                **{k: v for k, v in made.report.items() if k != "old_ids"},
            }
            if not json:
                _print(terminal, made)
        others = material.others or read_others(material.keep)
        if lora:
            plan = plan_lora(num_tokens, seq_len=seq_len, batch_tokens=batch_tokens, new_rows=method == "transfer")
            texts = Texts(tuple(corpus), max_chars, others=others)
            result |= _train_lora(terminal, output, texts, plan, device, quiet=json)
        elif num_tokens:
            result |= _train_on(
                terminal, output, corpus, num_tokens=num_tokens, seq_len=seq_len, batch_tokens=batch_tokens, device=device,
                compile_model=compile_model, language=as_text(language), others=others, quiet=json,
            )  # fmt: skip
    if json:
        terminal.json(result)


def _check_training(model: Path, num_tokens: int, seq_len: int, batch_tokens: int, *, lora: bool) -> None:
    """Make sure that there will be training, before a model is adapted for it, which may take long. That the model is there at all is asked later."""
    from samovar.train.adapt.lora import check_lora, plan_lora
    from samovar.train.adapt.onward import check_onward

    plan = plan_lora(num_tokens, seq_len=seq_len, batch_tokens=batch_tokens) if lora else None
    if not (model / "config.json").is_file():
        return
    if plan is not None:
        check_lora(model, plan)
    else:
        check_onward(model, num_tokens=num_tokens, seq_len=seq_len, batch_tokens=batch_tokens)


def _train_on(
    terminal: Terminal, folder: Path, corpus: list[Path], *, others: list[str], quiet: bool, **options: Any
) -> dict[str, Any]:
    from samovar.commands.train_pretrain import run_with_bar
    from samovar.train.adapt.onward import measure_before, measure_run, open_onward

    def warn(message: str) -> None:
        terminal.note(one_line(message), style=YELLOW)

    place = folder.with_name(folder.name + "-run")
    prompts = tuple(say("pretrain.prompts").splitlines())
    trainer = open_onward(folder, corpus, place, prompts=prompts, warn=warn, **options)
    before = measure_before(trainer)
    run_with_bar(trainer, terminal, quiet=quiet)
    after = trainer.measure()
    kept = (measure_run(folder, others), measure_run(place, others, warn=warn)) if others else None
    if not quiet:
        _print_trained(terminal, before, after, kept)
        terminal.print(say("pretrain.where", folder=one_line(str(place))))
    return _list_trained(place, before, after, kept)


Pair = tuple[float | None, float]


def _print_trained(terminal: Terminal, before: float | None, after: float, kept: Pair | None) -> None:
    for key, (first, second) in {"trained": (before, after), **({"trained_others": kept} if kept else {})}.items():
        shown = "–" if first is None else current_words().number(first, 3)
        terminal.print(say(f"adapt.{key}", before=shown, after=current_words().number(second, 3)))


def _list_trained(place: Path, before: float | None, after: float, kept: Pair | None) -> dict[str, Any]:
    others = {"others_before_training": kept[0], "others_after_training": kept[1]} if kept else {}
    return {"run": str(place), "bits_before_training": before, "bits_after_training": after, **others}


def _train_lora(
    terminal: Terminal, folder: Path, material: Material, plan: LoraPlan, device: str, *, quiet: bool
) -> dict[str, Any]:
    from samovar.train.adapt.lora import LoraRun

    run = LoraRun(folder, material, folder.with_name(folder.name + "-run"), plan, device=device)
    words = current_words()
    before = run.measure() if run.step == 0 else None
    kept_before = run.measure(material.others) if run.step == 0 and material.others else None
    with (
        ProgressBar(terminal, say("pretrain.progress"), quiet=quiet) as bar,
        Stops(lambda: hear(terminal, bar)) as stops,
    ):
        for report in run.train():
            if not stops.happened:
                bar.update(report.step, plan.num_steps, say("pretrain.loss", loss=words.number(report.loss, 3)))
            elif run.step < plan.num_steps:
                run.save()
                terminal.note(say("pretrain.stopped", step=run.step), style=YELLOW)
                stops.leave()
    after = run.measure()
    kept = (kept_before, run.measure(material.others)) if material.others else None
    place = run.finish({"held-out texts": (before, after), **({"other texts": kept} if kept else {})})
    if not quiet:
        _print_trained(terminal, before, after, kept)
        terminal.print(say("adapt.where", path=one_line(str(place))))
    return _list_trained(place, before, after, kept)


def _print(terminal: Terminal, made: Adapted) -> None:
    words, report = current_words(), made.report
    trimmed = made.method == "trim"
    old, new = report["old"], report["new"]
    if trimmed:
        terminal.print(
            terminal.style(
                say(
                    "adapt.trimmed",
                    old=old["vocab_size"],
                    new=new["vocab_size"],
                    old_size=words.size(old["num_bytes"]),
                    new_size=words.size(new["num_bytes"]),
                    share=words.number(100 * (1 - new["num_bytes"] / old["num_bytes"])),
                ),
                BOLD,
            )
        )
        terminal.print(_say_reasons(report))
        terminal.print(say("adapt.same", same=report["same_lines"], total=report["num_lines"], share=words.number(100 * report["covered"], 1)))  # fmt: skip
    else:
        terminal.print(
            terminal.style(
                say(
                    "adapt.transferred",
                    old=report["old_vocab_size"],
                    new=report["new_vocab_size"],
                    copied=report["num_copied"],
                    averaged=report["num_averaged"],
                    parts=words.number(report["mean_parts"], 2),
                ),
                BOLD,
            )
        )
    _print_changes(terminal, old, new, report["others"])
    if not report["held_out"]:
        terminal.note(say("adapt.not_held_out"), style=YELLOW)
    terminal.print(say("adapt.where", path=one_line(str(made.path))))
    if not trimmed:
        terminal.note(say("adapt.next"))


def _say_reasons(report: dict[str, Any]) -> str:
    """Say how many tokens stay for which reason, and whose letters had a say."""
    words, tag = current_words(), report["language"]
    kept = ", ".join(
        say("adapt.kept_one", reason=say(f"adapt.kept_{reason}"), count=words.number(count))
        for reason, count in report["kept_for"].items()
    )
    source = "profile" if report["has_profile"] else "own_letters" if tag else "only_seen"
    return say("adapt.kept", reasons=kept, letters=say(f"adapt.by_{source}", language=tag))


def _print_changes(terminal: Terminal, old: dict[str, Any], new: dict[str, Any], others: dict[str, Any] | None) -> None:
    from samovar.train.adapt.others import MAX_LOSS

    words = current_words()

    def row(key: str, before: float | None, after: float | None, digits: int) -> tuple[str, str, str]:
        first, second = ("–" if value is None else words.number(value, digits) for value in (before, after))
        return say(f"adapt.{key}"), first, second

    speeds = old.get("speed"), new.get("speed")
    rows = [
        (say("adapt.figure"), say("adapt.before"), say("adapt.after")),
        row("words", old["fertility"]["tokens_per_word"], new["fertility"]["tokens_per_word"], 3),
        row("bits", old["bits"], new["bits"], 4),
        row("speed", *speeds, 0 if min(speed or 0.0 for speed in speeds) > 100 else 1),
    ]
    if others:
        for key, figure, digits in (("other_words", "tokens_per_word", 3), ("other_bits", "bits", 4)):
            rows.append(row(key, others["old"][figure], others["new"][figure], digits))
    terminal.table(tuple(rows), right=range(1, 3))
    if others and (others["change"] or 0.0) > MAX_LOSS:
        terminal.note(say("adapt.other_loss", share=words.number(100 * others["change"], 1)), style=YELLOW)


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("adapt", cls=Command, help="adapt.help", epilog="adapt.examples")(adapt)
