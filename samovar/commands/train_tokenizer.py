"""``samovar train tokenizer``: learn a vocabulary from texts and say how well it fits them."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.help import Command
from samovar.commands.options import Json, as_text
from samovar.commands.progress import ProgressBar
from samovar.commands.session import session_of
from samovar.commands.terminal import BOLD, Terminal, one_line
from samovar.messages import current_words, say

if TYPE_CHECKING:
    from samovar.train.fertility import Fertility
    from samovar.train.texts import Unit
    from samovar.train.tokenizer import Intake, TokenizerInfo

UPDATE_SECONDS = 0.2
OURS = "samovar"
MEASURED_TEXTS = 8_000  # spread over the corpus: the report takes seconds on any size

Corpus = Annotated[list[Path], typer.Argument(metavar="metavar.folder", help="tokenizer.corpus")]
Language = Annotated[str, typer.Option("--language", metavar="metavar.language", help="tokenizer.language")]


def tokenizer(
    ctx: typer.Context,
    corpus: Corpus,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="metavar.folder", help="tokenizer.output")],
    vocab_size: Annotated[
        int, typer.Option("--vocab-size", metavar="metavar.number", min=320, max=1_048_576, help="tokenizer.vocab_size")
    ] = 32_768,
    max_chars: Annotated[
        int, typer.Option("--max-chars", metavar="metavar.number", min=0, help="tokenizer.max_chars")
    ] = 1_000_000_000,
    seed: Annotated[int, typer.Option("--seed", metavar="metavar.number", min=0, help="tokenizer.seed")] = 0,
    digits: Annotated[int, typer.Option("--digits", metavar="3|1", min=1, max=3, help="tokenizer.digits")] = 3,
    language: Language = "",
    test: Annotated[list[Path] | None, typer.Option("--test", metavar="metavar.folder", help="tokenizer.test")] = None,
    compare: Annotated[
        list[Path] | None, typer.Option("--compare", metavar="metavar.file", help="tokenizer.compare")
    ] = None,
    json: Json = False,
) -> None:
    """Train, save, report."""
    from samovar.train.fertility import open_counter
    from samovar.train.texts import check_language, plan_units, read_units, sample_texts, thin
    from samovar.train.tokenizer import train_tokenizer

    terminal = session_of(ctx).terminal
    others = {one_line(path.name): open_counter(path) for path in compare or ()}
    units = plan_units(corpus)
    tests = plan_units(test) if test else units
    if language:
        check_language(sample_texts(units), as_text(language))
    num_bytes = sum(unit.num_bytes for unit in units)
    texts = (text.text for text in thin(read_units(units), num_bytes, max_chars, seed))
    with ProgressBar(terminal, say("tokenizer.progress"), quiet=json) as bar:
        made = train_tokenizer(texts, vocab_size, output, digits=digits, progress=_Watch(bar, num_bytes))
    rows = _measure(made, others, tests)
    if json:
        terminal.json(
            {"folder": str(output), **_about(made.info), "on_training_texts": not test, "fertility": [asdict(row) for row in rows]}
        )  # fmt: skip
        return
    _print(terminal, made.info, rows)
    terminal.print(say("tokenizer.where", folder=one_line(str(output))))
    terminal.note(say("tokenizer.held_out" if test else "tokenizer.not_held_out"))


class _Watch:
    """Shows how much has been read, a few times a second."""

    def __init__(self, bar: ProgressBar, total: int) -> None:
        self._bar = bar
        self._total = total
        self._next = 0.0

    def __call__(self, intake: Intake) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + UPDATE_SECONDS
            done = min(intake.num_bytes, self._total)
            self._bar.update(done, self._total, say("count.documents", count=intake.num_documents))


def _measure(made: Any, others: dict[str, Any], units: list[Unit]) -> list[Fertility]:
    from samovar.train.fertility import by_domain, compare, count_with
    from samovar.train.texts import sample_texts

    return compare({OURS: count_with(made), **others}, by_domain(sample_texts(units, MEASURED_TEXTS)))


def _about(info: TokenizerInfo) -> dict[str, Any]:
    values = asdict(info)
    specials = [name for name in values.pop("specials") if not name.startswith("<|unused_")]
    return values | {"specials": specials}


def _print(terminal: Terminal, info: TokenizerInfo, rows: list[Fertility]) -> None:
    words = current_words()
    terminal.print(
        terminal.style(
            say("tokenizer.made", size=info.vocab_size, documents=info.num_documents, chars=info.num_chars), BOLD
        )
    )
    heading = tuple(say(f"tokenizer.column_{name}") for name in ("domain", "name", "words", "bytes", "chars"))
    terminal.table(
        (
            heading,
            *(
                (one_line(row.domain), row.tokenizer, words.number(row.tokens_per_word, 2), words.number(row.bytes_per_token, 2), words.number(row.chars_per_token, 2))
                for row in rows
            ),
        ),
        right=range(2, 5),
    )  # fmt: skip


def register(group: Any) -> None:
    """Add the command to the group ``train``."""
    group.command("tokenizer", cls=Command, help="tokenizer.help", epilog="tokenizer.examples")(tokenizer)
