"""A part of a pack that stands for the whole: drawn by seed before anything is asked, spread alike over cultures, domains and fame.

The unit is drawn, never the question: entities of each culture (knowledge), templates, prompts and queries (other kinds). Draws are nested (a larger one
holds the smaller) and each unit's place in its stratum depends on the seed and its id alone, so that a corrected pack keeps its sample. Source
of the allocation: proportional stratified sampling (Cochran, Sampling Techniques, 3rd ed., ch. 5). Knows nothing about languages or wordings.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from samovar.audit.pack import Pack
from samovar.audit.probe import Probe
from samovar.errors import UsageError

SEED = 2026
# The strata of nomination: world fame from which on; below 3 is "little known".
FAME_STRATA = ((4, "known"), (3, "middling"))


@dataclass(frozen=True, slots=True)
class Sample:
    """What to draw: at most so many `entities` of each culture, `facets` of each entity, `prompts` of each other kind (of each culture where
    prompts have one). 0 means all."""

    entities: int = 0
    facets: int = 0
    prompts: int = 0
    seed: int = SEED

    def __post_init__(self) -> None:
        if min(self.entities, self.facets, self.prompts) < 0:
            raise UsageError(f"expected sizes of a sample from 0 (all) on, found {self}")

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not (self.entities or self.facets or self.prompts)


@dataclass(frozen=True, slots=True)
class _Unit:
    id: str
    domain: str
    stratum: str


def draw_sample(pack: Pack, probes: Iterable[Probe], sample: Sample) -> tuple[Probe, ...]:
    """Return the probes drawn, in their order."""
    probes = tuple(probes)
    if sample.is_all:
        return probes
    groups: dict[tuple[str, str], list[_Unit]] = defaultdict(list)
    facets: dict[str, list[str]] = defaultdict(list)
    for probe in probes:
        groups[_family(probe), probe.culture].append(_unit(pack, probe))
        if probe.entity:
            facets[probe.entity].append(probe.id)
    drawn: set[str] = set()
    for (family, _), units in groups.items():
        size = sample.entities if family == "entity" else sample.prompts
        drawn.update(spread(tuple(dict.fromkeys(units)), size or len(units), sample.seed))
    chosen = {e: set(sorted(ids, key=_Rank(sample.seed))[: sample.facets or None]) for e, ids in facets.items()}
    return tuple(p for p in probes if _unit(pack, p).id in drawn and (not p.entity or p.id in chosen[p.entity]))


def _family(probe: Probe) -> str:
    """Knowledge and cross-lingual probes share their entities; every other kind is drawn by itself."""
    return "entity" if probe.entity else probe.kind


def _unit(pack: Pack, probe: Probe) -> _Unit:
    if not probe.entity:
        return _Unit(probe.id, probe.domain, probe.facet)
    entity = pack.entities.get(probe.entity)
    world = entity.fame.get("world", 0) if entity else 0
    return _Unit(
        probe.entity, probe.domain, next((name for least, name in FAME_STRATA if world >= least), "little known")
    )


def spread(units: Sequence[_Unit], size: int, seed: int) -> list[str]:
    """Draw `size` units, one from each cell of domain × stratum before a second from any; the order of cells is the same for all cultures."""
    cells: dict[tuple[str, str], list[str]] = defaultdict(list)
    for unit in units:
        cells[unit.domain, unit.stratum].append(unit.id)
    rank = _Rank(seed)
    queues = {cell: sorted(ids, key=rank) for cell, ids in cells.items()}
    order = _order(cells, seed)
    rounds = max(map(len, queues.values()), default=0)
    return [queues[cell][turn] for turn in range(rounds) for cell in order if turn < len(queues[cell])][:size]


def _order(cells: Mapping[tuple[str, str], object], seed: int) -> list[tuple[str, str]]:
    """A diagonal walk: every domain once before any twice, each time in another stratum."""
    rank = _Rank(seed)
    domains = sorted({domain for domain, _ in cells}, key=rank)
    strata = sorted({stratum for _, stratum in cells}, key=rank)
    walk = [(d, strata[(j + k) % len(strata)]) for k in range(len(strata)) for j, d in enumerate(domains)]
    return [cell for cell in walk if cell in cells]


class _Rank:
    """A sort key: a fixed pseudo-random order for a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, name: str) -> bytes:
        return hashlib.sha256(f"{self._seed}\0{name}".encode()).digest()
