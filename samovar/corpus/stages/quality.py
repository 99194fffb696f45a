"""Drop texts that are no prose, by named rules over measured signals: keep, or drop with the rule's name and the value.

A policy is a set of rules ``{signal, min, max}``; the neutral one is in ``corpus/data/stages.toml``, and a language's pack changes
thresholds or switches rules off (``packs/<language>/corpus.toml``). Knows no language. Sources: `samovar.corpus.stages.signals`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.rules import Table, load_language, load_neutral
from samovar.corpus.stages.scan import batches_of, scan_texts
from samovar.corpus.stages.signals import SIGNALS, measure
from samovar.errors import UsageError


class Threshold(StageOptions):
    """A rule changed in a recipe: other limits, or `off`."""

    signal: str = ""
    min: float | None = None
    max: float | None = None
    off: bool = False


class QualityOptions(StageOptions):
    """`policy` names a set of rules (``default``, ``strict``, ``none``); `rules` changes some of them by name or adds more; `drop` false only
    measures. `keep_signals` keeps the numbers with the document."""

    policy: str = "default"
    rules: Mapping[str, Threshold] = Field(default_factory=dict)
    drop: bool = True
    keep_signals: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """A text is dropped when `signal` is below `low` or above `high`. Texts of fewer than `from_words` words are let through."""

    name: str
    signal: str
    low: float
    high: float
    from_words: float = 0

    def breaks(self, signals: Mapping[str, float]) -> bool:
        """Tell whether a text with these signals breaks the rule."""
        value = signals[self.signal]
        return (value < self.low or value > self.high) and signals["words"] >= self.from_words


def list_rules(language: str, options: QualityOptions | None = None) -> list[Rule]:
    """Return the rules that hold for a language, in the order they are tried: neutral, over them the pack's, over them the recipe's.

    Raises:
        UsageError: an unknown policy, or a rule over an unknown signal.
    """
    options = options or QualityOptions()
    known = load_neutral()["quality"]
    if options.policy not in known:
        raise UsageError(
            f"quality policy: expected one of {', '.join(known)}, found {options.policy!r}: correct the recipe"
        )
    tables: dict[str, dict[str, object]] = {name: dict(rule) for name, rule in known[options.policy].items()}
    _change(tables, load_language(language).get("quality", {}).get(options.policy, {}))
    _change(tables, {name: rule.model_dump(exclude_unset=True) for name, rule in options.rules.items()})
    return [_make_rule(name, table) for name, table in tables.items() if not table.get("off")]


def _change(tables: dict[str, dict[str, object]], changes: Table) -> None:
    for name, change in changes.items():
        tables.setdefault(name, {}).update(change)


def _make_rule(name: str, table: Mapping[str, object]) -> Rule:
    signal = str(table.get("signal", ""))
    if signal not in SIGNALS:
        raise UsageError(
            f"quality rule {name}: expected a signal ({', '.join(SIGNALS)}), found {signal!r}: correct the recipe"
        )

    def number(key: str, default: float) -> float:
        value = table.get(key)
        return float(value) if isinstance(value, int | float) else default

    return Rule(name, signal, number("min", -1.0), number("max", float("inf")), number("from_words", 0.0))


class Quality:
    """Measure each item and drop those that break a rule of their language's policy; the first broken rule is the reason."""

    name = "quality"

    def __init__(self, options: QualityOptions | None = None) -> None:
        self._options = options or QualityOptions()
        self._rules: dict[str, list[Rule]] = {}
        list_rules("und", self._options)  # a wrong recipe is an error now, not after an hour

    def apply(self, items: list[Item], notes: Notes) -> list[Item]:
        """Return the items that break no rule; all have their signals."""
        kept: list[Item] = []
        for batch in batches_of(items, lambda item: len(item.text)):
            values = measure(scan_texts([item.text for item in batch]))
            columns = {name: column.tolist() for name, column in values.items()}
            for number, item in enumerate(batch):
                signals = {name: column[number] for name, column in columns.items()}
                if self._options.keep_signals:
                    item.signals.update((name, round(value, 4)) for name, value in signals.items())
                if self._passes(item, signals, notes):
                    kept.append(item)
        return kept

    def _passes(self, item: Item, signals: Mapping[str, float], notes: Notes) -> bool:
        rules = self._rules.get(item.language)
        if rules is None:
            rules = self._rules[item.language] = list_rules(item.language, self._options)
        if self._options.drop:
            for rule in rules:
                if rule.breaks(signals):
                    notes.drop(item.uri, self.name, rule.name, f"{rule.signal} {signals[rule.signal]:.4g}", item.text)
                    return False
        return True
