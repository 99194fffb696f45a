"""Drop texts that are no prose, by named rules over measured signals: keep, or drop with the rule's name and the value.

A policy is a set of rules ``{signal, min, max}``; the neutral one is in ``corpus/data/stages.toml``, and a language's pack changes
thresholds or switches rules off (``packs/<language>/corpus.toml``). Knows no language. Sources: `samovar.corpus.stages.signals`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.rules import Table, load_language, load_neutral
from samovar.corpus.stages.scan import batches_of, shared_scan
from samovar.corpus.stages.signals import SIGNALS, Floats, measure
from samovar.errors import UsageError

_COLUMNS = {name: column for column, name in enumerate(SIGNALS)}


class Threshold(StageOptions):
    """A rule changed in a recipe: other limits, or `off`."""

    signal: str = ""
    min: float | None = None
    max: float | None = None
    off: bool | None = None


class QualityOptions(StageOptions):
    """`policy` names a set of rules (``default``, ``strict``, ``none``); `rules` changes some of them by name or adds more; `drop` false only
    measures. `keep_signals` keeps the numbers with the document."""

    policy: str = "default"
    rules: Mapping[str, Threshold] = Field(default_factory=dict)
    drop: bool = True
    keep_signals: bool = True

    @model_validator(mode="after")
    def _check_rules(self) -> QualityOptions:
        try:
            list_rules("und", self)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return self


@dataclass(frozen=True, slots=True)
class Rule:
    """A text is dropped when `signal` is below `low` or above `high`. Texts of fewer than `from_words` words are let through."""

    name: str
    signal: str
    low: float
    high: float
    from_words: float = 0


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
    unspaced = load_neutral()["unspaced"]
    if language.partition("-")[0] in unspaced["languages"]:
        _change(tables, {name: {"off": True} for name in unspaced["rules_off"] if name in tables})
    _change(tables, load_language(language).get("quality", {}).get(options.policy, {}))
    _change(tables, {name: rule.model_dump(exclude_defaults=True) for name, rule in options.rules.items()})
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
            values = self._measure([item.text for item in batch])
            if self._options.keep_signals:
                for item, row in zip(batch, np.round(values, 4).tolist(), strict=True):
                    item.signals.update(zip(SIGNALS, row, strict=True))
            broken = self._find_broken(batch, values) if self._options.drop else {}
            for number, item in enumerate(batch):
                if (rule := broken.get(number)) is None:
                    kept.append(item)
                else:
                    value = values[number, _COLUMNS[rule.signal]]
                    notes.drop(item.uri, self.name, rule.name, f"{rule.signal} {value:.4g}", item.text)
        return kept

    def _measure(self, texts: list[str]) -> Floats:
        """Return [n, signals]."""
        values = np.empty((len(texts), len(SIGNALS)))
        for scan, numbers in shared_scan().scans(texts):
            found, asked = measure(scan), np.flatnonzero(numbers >= 0)
            values[numbers[asked]] = np.stack([found[name] for name in SIGNALS], axis=1)[asked]
        return values

    def _find_broken(self, items: list[Item], values: Floats) -> dict[int, Rule]:
        """Return the first rule that each text breaks, by its number; those that break none are not in it."""
        broken: dict[int, Rule] = {}
        languages = [item.language for item in items]
        for language in set(languages):
            rules = self._rules_for(language)
            if not rules:
                continue
            numbers = np.array([number for number, other in enumerate(languages) if other == language])
            low, high, least = np.array([(rule.low, rule.high, rule.from_words) for rule in rules]).T
            found = values[numbers][:, [_COLUMNS[rule.signal] for rule in rules]]
            breaks = ((found < low) | (found > high)) & (values[numbers, _COLUMNS["words"]][:, None] >= least)
            for place in np.flatnonzero(breaks.any(axis=1)).tolist():
                broken[int(numbers[place])] = rules[int(breaks[place].argmax())]
        return broken

    def _rules_for(self, language: str) -> list[Rule]:
        if language not in self._rules:
            self._rules[language] = list_rules(language, self._options)
        return self._rules[language]
