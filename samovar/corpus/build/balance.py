"""Pass "caps": shares of sources, then caps of hosts, languages and sources, each over what the one before left. One task.

Holds two bytes for each document, and 48 bytes for each of those whose hosts (or languages, or sources) lie in one range: a cap on a host
or language that has more documents than a range holds them all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import Rows, join_keys, read_arrow, split_keys, write_arrow
from samovar.corpus.build.caps import cap_groups, shuffle, thin
from samovar.corpus.build.cleaning_pass import HOST, ID_HASH, LANGUAGE
from samovar.corpus.build.recipe import Recipe
from samovar.corpus.build.repeats import host_hash
from samovar.corpus.build.workplace import Workplace

if TYPE_CHECKING:
    import numpy as np

RANGE_ROWS = 4_000_000
_STAYS, _NEAR = -1, -2
Groups = Callable[[int, "np.ndarray[Any, Any]"], "np.ndarray[Any, Any]"]
Caps = Callable[["np.ndarray[Any, Any]"], "np.ndarray[Any, Any]"]


def has_balance(recipe: Recipe) -> bool:
    """Whether there is anything to do."""
    caps = recipe.caps
    some = caps.host or caps.language or caps.languages or any(s.weight < 1 or s.max_documents for s in recipe.source)
    return recipe.has("caps") and bool(some)


class Population:
    """All documents that are left, split by split: whether each still stays, and if not, for which of the `reasons` (with their values)."""

    def __init__(self, place: Workplace, near_parts: int) -> None:
        import numpy as np

        self._facts = Rows(place.folder, "clean", "facts.npy")
        self._seed = place.recipe.seed
        sizes = [len(self._facts.of_split(shard)) for shard in range(len(place.splits))]
        self.starts = [0, *np.cumsum(sizes, dtype=np.int64).tolist()]
        self.why = np.full(self.starts[-1], _STAYS, np.int16)
        self.reasons: list[tuple[str, str]] = []
        for number in range(near_parts):
            table = read_arrow(place.folder.file("near", number, "left_out.arrow"))
            shards, rows = split_keys(table.column("key").to_numpy())
            self.why[np.asarray(self.starts, np.int64)[shards] + rows] = _NEAR

    def _staying(self, shard: int) -> np.ndarray[Any, Any]:
        """Return the numbers of those of a split that stay."""
        import numpy as np

        start, end = self.starts[shard : shard + 2]
        return np.asarray(start + np.flatnonzero(self.why[start:end] == _STAYS))

    def thin(self, shards: list[int], share: float) -> None:
        """Leave so much of some splits."""
        for shard in shards:
            here = self._staying(shard)
            order = shuffle(self._facts.of_split(shard)[here - self.starts[shard], ID_HASH], self._seed)
            self.why[here[~thin(order, share)]] = len(self.reasons)
        self.reasons.append(("weight", f"{share:g}"))

    def cap(self, groups: Groups, caps: Caps, reason: str, value: str) -> None:
        """Leave of each group only so many. `groups` returns the groups of rows of a split, `caps` what is allowed to groups."""
        parts = 1 + len(self.why) // RANGE_ROWS
        for part in range(parts):
            self._cap_range(groups, caps, part, parts)
        self.reasons.append((reason, value))

    def _cap_range(self, groups: Groups, caps: Caps, part: int, parts: int) -> None:
        import numpy as np

        numbers, names, orders = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
        for shard in range(len(self.starts) - 1):
            here = self._staying(shard)
            facts = self._facts.of_split(shard)[here - self.starts[shard]]
            own = groups(shard, facts).astype(np.uint64)
            if parts > 1:
                some = shuffle(own, 0) % np.uint64(parts) == np.uint64(part)
                here, facts, own = here[some], facts[some], own[some]
            numbers.append(here)
            names.append(own)
            orders.append(shuffle(facts[:, ID_HASH], self._seed))
        of = np.concatenate(names)
        kept = cap_groups(of, np.concatenate(orders), caps(of))
        self.why[np.concatenate(numbers)[~kept]] = len(self.reasons)


def balance(place: Workplace, near_parts: int) -> tuple[list[Path], dict[str, Any]]:
    """Do the task. Writes who is left out (key, and `why`, a number of the summary's reasons); returns files and summary."""
    import numpy as np
    import pyarrow as pa

    people = Population(place, near_parts)
    apply_caps(place, people)
    keys, whys = [np.zeros(0, np.uint64)], [np.zeros(0, np.int16)]
    for shard in range(len(place.splits)):
        start, end = people.starts[shard : shard + 2]
        gone = np.flatnonzero(people.why[start:end] >= 0)
        keys.append(join_keys(shard, gone))
        whys.append(people.why[start:end][gone])
    path = place.folder.file("caps", 0, "left_out.arrow")
    write_arrow(path, pa.table({"key": np.concatenate(keys), "why": np.concatenate(whys)}))
    return [path], {"kept": int((people.why == _STAYS).sum()), "reasons": people.reasons}


def apply_caps(place: Workplace, people: Population) -> None:
    """Apply what the recipe says, in its fixed order."""
    import numpy as np

    recipe = place.recipe
    caps = recipe.caps
    splits = [split.source for split in place.splits]
    for source in recipe.source:
        if source.weight < 1:
            people.thin([shard for shard, name in enumerate(splits) if name == source.name], source.weight)
    if caps.host:
        people.cap(lambda _, facts: facts[:, HOST], lambda of: np.full(len(of), caps.host), "host_cap", str(caps.host))
    if caps.language or caps.languages:

        def allowed(of: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            found = np.full(len(of), caps.language)
            for tag, cap in caps.languages.items():
                found[of == np.uint64(host_hash(tag))] = cap
            return found

        people.cap(lambda _, facts: facts[:, LANGUAGE], allowed, "language_cap", "")
    if any(source.max_documents for source in recipe.source):
        names = {source.name: n for n, source in enumerate(recipe.source)}
        limits = np.array([source.max_documents for source in recipe.source])
        people.cap(
            lambda shard, facts: np.full(len(facts), names[splits[shard]]),
            lambda of: limits[of.astype(np.int64)],
            "source_cap",
            "",
        )
