"""The design of a run as the self-test simulates it: how many entities, facets, answers, pairs, prompts and reference systems it really has.

Kinds that a run did not ask keep the sizes of the shipped packs; no verdict is printed for them anyway. Knows nothing about outcomes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from samovar import __version__
from samovar.audit.analysis import Graded
from samovar.audit.gate import Gate
from samovar.audit.pack import Pack
from samovar.audit.probe import Probe
from samovar.audit.questions import make_questions
from samovar.audit.selftest import SelfTest, run_selftest
from samovar.audit.simulate import Design, plain_design

SELFTEST = "selftest.json"
FEWEST_ENTITIES = 3
LIST_LENGTH = 10


def design_of_run(graded: Graded, num_panel: int) -> Design:
    """Return the design of a run: what was asked and answered, whatever the answers were."""
    return _design(graded.pack, [r.probe for r in graded.rows], num_panel)


def design_of_pack(pack: Pack, num_panel: int = 4) -> Design:
    """Return the design of a run that asks everything in a pack."""
    return _design(pack, [pack.by_id[q.probe] for q in make_questions(pack.probes)], num_panel)


def _design(pack: Pack, asked: Iterable[Probe], num_panel: int) -> Design:
    entities: dict[str, set[str]] = defaultdict(set)
    facets: dict[str, set[str]] = defaultdict(set)
    answers: Counter[str] = Counter()
    units: dict[str, set[str]] = defaultdict(set)
    queries: dict[str, set[str]] = defaultdict(set)
    for probe in asked:
        units[probe.kind].add(probe.id)
        if probe.kind == "sources" and probe.culture:
            queries[probe.culture].add(probe.id)
        if probe.kind == "knowledge":
            entities[probe.culture].add(probe.entity)
            facets[probe.entity].add(probe.id)
            answers[probe.id] += 1
    usual = plain_design()
    fame = _fame(pack, entities)
    sizes: dict[str, Any] = {"panel": num_panel}
    for name, kind in (("pairs", "refusal"), ("prompts", "list"), ("fidelity", "fidelity"), ("queries", "sources")):
        sizes[name] = len(units[kind]) or getattr(usual, name)
    sizes["queries_each"] = max(2, min(map(len, queries.values()), default=usual.queries_each))
    if fame is None:
        return plain_design(**sizes)
    num_facets = max(1, round(float(np.mean([len(f) for f in facets.values()]))))
    repeats = max(1, round(float(np.mean(list(answers.values())))))
    return Design(fame, facets=num_facets, paraphrases=repeats, list_length=LIST_LENGTH, **sizes)


def _fame(pack: Pack, entities: Mapping[str, set[str]]) -> Any:
    """Fame [cultures, entities], as many entities as the smallest culture has, spread over its strata; None when too few."""
    rows = []
    for culture in pack.cultures:
        known = [
            float(np.nanmean(pack.fame_of(e))) for e in entities.get(culture, ()) if np.isfinite(pack.fame_of(e)).any()
        ]
        rows.append(sorted(known))
    fewest = min(map(len, rows), default=0)
    if fewest < FEWEST_ENTITIES or len(rows) < 2:
        return None
    return np.array([[row[i * len(row) // fewest] for i in range(fewest)] for row in rows])


# -- the self-test of a design, kept beside the run --------------------------------------------------------------------
def selftest_of(
    design: Design,
    place: Path | None = None,
    *,
    num: int = 1_000,
    seed: int = 2026,
    progress: Callable[[int, int, str], None] | None = None,
) -> SelfTest:
    """Return the self-test of a design; one that was made before with the same design, size, seed and version is read from `place`."""
    stamp = {"samovar": __version__, "num": num, "seed": seed, "design": _plain(design)}
    if place is not None and (found := _read(place, stamp)) is not None:
        return found
    made = run_selftest(design, num=num, seed=seed, progress=progress)
    if place is not None:
        rows = {"stamp": stamp, "seconds": made.seconds, "gates": [asdict(g) for g in made.gates]}
        temporary = place.with_suffix(".tmp")
        temporary.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", "utf-8")
        temporary.replace(place)
    return made


def _plain(design: Design) -> dict[str, Any]:
    return {**asdict(design), "fame": design.fame.tolist()}


def _read(place: Path, stamp: Mapping[str, Any]) -> SelfTest | None:
    try:
        rows = json.loads(place.read_text("utf-8"))
        if rows["stamp"] != json.loads(json.dumps(stamp)):
            return None
        return SelfTest(tuple(Gate(**g) for g in rows["gates"]), float(rows["seconds"]), int(stamp["seed"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
