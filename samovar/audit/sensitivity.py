"""What the grader's own errors could do to a gap: shares corrected by its sensitivity and specificity, language by language.

The correction is shown beside the raw gap, never instead of it. The errors come from the grader's validation on a labelled set, as
``{language: {"sensitivity": [right, of], "specificity": [right, of]}}``. Sources: see `samovar.audit.stats.adjust.rogan_gladen`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samovar.audit.analysis import Graded, entity_means, is_correct
from samovar.audit.stats.adjust import rogan_gladen
from samovar.audit.stats.estimate import NOTHING, Estimate, from_t
from samovar.errors import UsageError

Errors = Mapping[str, Mapping[str, tuple[float, float]]]
Shares = Mapping[str, Mapping[str, tuple[float, float, int]]]
"""Culture → language → (share graded right, squared standard error of it, number of entities)."""
ERRORS = "grader_errors.json"


@dataclass(frozen=True, slots=True)
class Corrected:
    """A culture's share of right answers as graded and after correction, and its gap to the others before (`raw`) and after (`gap`).

    Both gaps average over languages in the same way, so that what the correction adds to the interval can be seen.
    """

    culture: str
    graded: float
    corrected: float
    raw: Estimate
    gap: Estimate

    @property
    def holds(self) -> bool:
        """Whether the correction changes no conclusion: the same sign, and 0 on the same side of the interval."""
        beyond = [e.low > 0 or e.high < 0 for e in (self.raw, self.gap)]
        return beyond[0] == beyond[1] and (not beyond[0] or (self.raw.value > 0) == (self.gap.value > 0))


def read_errors(path: Path) -> Errors:
    """Read the grader's validation. Raises `UsageError` for another shape."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return {
            language: {name: (float(rates[name][0]), float(rates[name][1])) for name in ("sensitivity", "specificity")}
            for language, rates in data.get("languages", data).items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"expected the grader's errors by language in {path}, found: {error!r}") from error


def find_errors(folder: Path) -> Errors | None:
    """Return the grader's validation for a run: the one in its pack, or the one shipped with the grader; None without either."""
    from samovar.audit.evidence import PACK
    from samovar.audit.pack import pack_folder

    places = (folder / PACK / ERRORS, pack_folder("core") / ERRORS)
    return next((read_errors(place) for place in places if place.is_file()), None)


def correct_gaps(graded: Graded, errors: Errors) -> tuple[Corrected, ...]:
    """Return the corrected shares and gaps of every culture; empty when a language of the run has no validation.

    The interval joins the sampling error of the entities (scaled by the correction) and the validation's own error (delta method).
    """
    languages = [t for t in graded.pack.languages if any(r.question.language == t for r in graded.of("knowledge"))]
    if not languages or any(tag not in errors for tag in languages):
        return ()
    shares: dict[str, dict[str, tuple[float, float, int]]] = {}
    for culture in graded.pack.cultures:
        for tag in languages:
            rows = [r for r in graded.of("knowledge") if r.probe.culture == culture and r.question.language == tag]
            values = list(entity_means(rows, is_correct).values())
            if len(values) < 2:
                return ()
            mean = float(np.mean(values))
            shares.setdefault(culture, {})[tag] = (mean, float(np.var(values, ddof=1) / len(values)), len(values))
    return correct_shares(shares, errors)


def correct_shares(shares: Shares, errors: Errors) -> tuple[Corrected, ...]:
    """Return every culture's share and gap after correction."""
    perfect = dict.fromkeys(("sensitivity", "specificity"), (1.0, 1.0))
    exact = {tag: perfect for by_language in shares.values() for tag in by_language}
    made = []
    for culture, own in shares.items():
        graded = float(np.mean([s[0] for s in own.values()]))
        corrected = float(np.mean([_corrected(s[0], errors[tag]) for tag, s in own.items()]))
        raw, gap = _gap(culture, shares, exact, validated=False), _gap(culture, shares, errors)
        made.append(Corrected(culture, graded, corrected, raw, gap))
    return tuple(made)


def _gap(culture: str, shares: Shares, errors: Errors, *, validated: bool = True) -> Estimate:
    """The gap of one culture; `validated`: with the error of the grader's validation in its interval."""
    own, others = shares[culture], [c for c in shares if c != culture]
    value = variance = 0.0
    for tag, (share, squared, _) in own.items():
        youden = _rate(errors[tag]["sensitivity"]) + _rate(errors[tag]["specificity"]) - 1
        rest = float(np.mean([_corrected(shares[c][tag][0], errors[tag]) for c in others]))
        gap = _corrected(share, errors[tag]) - rest
        sampling = squared + sum(shares[c][tag][1] for c in others) / len(others) ** 2
        validation = gap**2 * sum(_variance(errors[tag][name]) for name in ("sensitivity", "specificity"))
        value += gap / len(own)
        # entities are the same in every language: their errors are taken as wholly correlated, i.e. not averaged away
        variance += (sampling + validation * validated) / youden**2 / len(own)
    n = sum(next(iter(s.values()))[2] for s in shares.values())
    return from_t(value, math.sqrt(variance), n - len(shares), n) if variance > 0 else NOTHING


def _corrected(share: float, rates: Mapping[str, tuple[float, float]]) -> float:
    return rogan_gladen(share * 1_000, 1_000, rates["sensitivity"], rates["specificity"]).value


def _rate(pair: tuple[float, float]) -> float:
    return pair[0] / pair[1]


def _variance(pair: tuple[float, float]) -> float:
    p = (pair[0] + 1) / (pair[1] + 2)
    return p * (1 - p) / (pair[1] + 2)
