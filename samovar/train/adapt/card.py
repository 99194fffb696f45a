"""The model card of an adaptation: what was done to which model, and what it changed, also for other languages. English, as cards are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CARD = "README.md"
_METHODS = {
    "trim": "Vocabulary trimmed: rows of the tables of tokens were selected; that trains nothing.",
    "transfer": "Vocabulary replaced: new tokens begin as means of old ones, which is worse than the parent until it is trained on.",
}

_REASONS = {
    "special": "– special tokens",
    "bytes": "– single bytes",
    "template": "– of the chat template and prompts",
    "seen": "– used by the texts",
    "letters": "– in the letters of the language ({language})",
    "signs": "– signs of no script and numerals",
    "common": "– the commonest in Latin letters, and runs of signs",
    "needed": "– needed by merges",
    "filled": "– the earliest others, to a round number",
}


def card_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the card of an adaptation's report."""
    old, new, others = report["old"], report["new"], report.get("others")
    yield from (f"# {report['source']}, adapted", "", _METHODS[report["method"]])
    parent = report.get("origin") or report["source"]
    licence = f" ({parent}: {report['licence']})" if report.get("licence") else ""
    yield f"The terms of the parent's licence{licence} hold for this model too."
    yield from ("", "| | before | after |", "|---|---|---|")
    sizes = [
        (figures.get("vocab_size") or report.get(f"{name}_vocab_size"))
        for name, figures in (("old", old), ("new", new))
    ]
    yield _row("tokens in the vocabulary", *sizes)
    if "num_bytes" in old:
        yield _row("bytes", old["num_bytes"], new["num_bytes"])
    if "kept_for" in report:
        yield from _reason_rows(report)
    held = "held-out texts" if report["held_out"] else "texts that decided the vocabulary"
    yield _row(f"tokens/word, {held}", old["fertility"]["tokens_per_word"], new["fertility"]["tokens_per_word"])
    yield _row(f"bits per byte, {held}", old["bits"], new["bits"])
    if others:
        yield _row("tokens/word, other texts", others["old"]["tokens_per_word"], others["new"]["tokens_per_word"])
        yield _row("bits per byte, other texts", others["old"]["bits"], others["new"]["bits"])
    else:
        yield from ("", "What it costs other languages was not measured.")


def _reason_rows(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many tokens stay for which reason."""
    for reason, count in report["kept_for"].items():
        yield _row(_REASONS[reason].format(language=report["language"] or "und"), None, count)


def training_lines(
    rank: int, num_steps: int, step_tokens: int, figures: Mapping[str, tuple[float | None, float]]
) -> Iterator[str]:
    """Yield what the card says of training on afterwards; `figures` are bits per byte before and after, by the name of the texts."""
    yield from ("", "## Trained on afterwards", "")
    yield f"Low-rank additions of rank {rank} and the tables of tokens, {num_steps:,} steps of {step_tokens:,} tokens, then merged."
    if figures:
        yield from ("", "| | before | after |", "|---|---|---|")
        yield from (_row(f"bits per byte, {name}", *pair) for name, pair in figures.items())


def _row(name: str, before: Any, after: Any) -> str:
    shown = (
        "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        for value in (before, after)
    )
    return f"| {name} | {' | '.join(shown)} |"
