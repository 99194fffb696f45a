"""How often the documents of each source of a corpus come in the tokens: the weights of its recipe, or others.

A weight of 2.5 is every document twice and half of them once more, drawn by a hash of the document; 0.5 is half of them, 0 none. The
weights below 1 of a recipe have thinned out the corpus when it was built and are not applied again (see `samovar.corpus.stream`). What is held
out comes once whatever its weight. Knows no tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from samovar.corpus.stream import MAX_WEIGHT
from samovar.errors import CorpusError, TrainingError, UsageError
from samovar.train.texts import CORPUS, Unit, is_corpus, number_of, strip_corpus

if TYPE_CHECKING:
    from samovar.corpus.build.reading import Corpus

OPTION = "weights"
"""Of a split: the weights that are not 1, as JSON; so tokens without weights are the same plan as before there were any."""


def parse_weights(text: str) -> dict[str, float]:
    """Return the weights of ``books=2.5,web=1``.

    Raises:
        UsageError: it is not of this form, or a weight is out of range.
    """
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = part.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if not equals or not name.strip() or not 0 <= weight <= MAX_WEIGHT:
            raise UsageError(
                f"expected weights like books=2.5,web=1 from 0 to {MAX_WEIGHT}, found {part!r}: correct --weights"
            )
        found[name.strip()] = weight
    return found


def choose_weights(paths: Sequence[Path], given: Mapping[str, float], *, by_recipe: bool = True) -> dict[str, float]:
    """Return the weight of each source of the corpora among `paths` that is not 1: as `given`, else what their recipes say (or 1).

    Raises:
        UsageError: a weight is of no source, or two corpora disagree about one.
        TrainingError: a corpus cannot be read.
    """
    known: dict[str, float] = {}
    for corpus in _corpora(paths):
        for name, about in corpus.manifest["sources"].items():
            weight = max(1.0, float(about.get("weight", 1))) if by_recipe else 1.0
            if name not in given and known.setdefault(name, weight) != weight:
                raise UsageError(
                    f"expected one weight of the source {name}, found {known[name]:g} and {weight:g} in two corpora: say  --weights {name}=…"
                )
            known.setdefault(name, weight)
    if strange := sorted(set(given) - set(known)):
        names = ", ".join(known) or "a built corpus, which has sources"
        raise UsageError(f"expected weights of {names}, found one of {', '.join(strange)}: correct its name")
    return {name: weight for name, weight in sorted({**known, **given}.items()) if weight != 1}


def weigh_units(units: Sequence[Unit], weights: Mapping[str, float]) -> list[Unit]:
    """Return units whose splits carry the weights, where they are of a corpus."""
    return [_weigh(unit, weights) for unit in units] if weights else list(units)


def _weigh(unit: Unit, weights: Mapping[str, float]) -> Unit:
    said = {OPTION: json.dumps(dict(sorted(weights.items())))}
    return Unit(
        tuple(
            replace(split, options={**split.options, **said}) if split.kind == CORPUS else split
            for split in unit.splits
        )
    )


def weights_of(unit: Unit) -> dict[str, float]:
    """Return the weights that a unit carries."""
    return {
        name: weight for split in unit.splits for name, weight in json.loads(split.options.get(OPTION, "{}")).items()
    }


def count_copies(key: str, weight: float) -> int:
    """Return how often a document comes: the whole part of the weight, and once more by the hash of its key."""
    whole = int(weight)
    return whole + (number_of(f"weight:{key}") < (weight - whole) * 2.0**64)


def mean_weight(paths: Sequence[Path], weights: Mapping[str, float]) -> float:
    """Return how much longer the weights make the corpora among `paths`, by the characters of their sources."""
    chars: dict[str, int] = {}
    for corpus in _corpora(paths) if weights else ():
        for name, size in corpus.manifest.get("sizes", {}).get("source", {}).items():
            chars[name] = chars.get(name, 0) + int(size.get("chars", 0))
    total = sum(chars.values())
    return sum(count * weights.get(name, 1.0) for name, count in chars.items()) / total if total else 1.0


def _corpora(paths: Sequence[Path]) -> list[Corpus]:
    from samovar.corpus.build.reading import open_corpus

    try:
        return [open_corpus(root) for root in map(strip_corpus, paths) if is_corpus(root)]
    except CorpusError as error:
        raise TrainingError(f"the texts cannot be read: {error}") from error
