"""Pass "near": near duplicates over the whole corpus, then shares and caps. One task; it holds numbers, not texts.

Which document of a cluster stays is decided as for exact duplicates; its cluster counts the exact duplicates of its members too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from samovar.corpus.build.arrays import read_range, write_arrow
from samovar.corpus.build.caps import cap_groups, shuffle, thin
from samovar.corpus.build.cleaning_pass import HOST, ID_HASH, IDENTITY, LANGUAGE, LENGTH
from samovar.corpus.build.duplicates import SHOWN, Members, choose, fetch_uris
from samovar.corpus.build.repeats import host_hash
from samovar.corpus.build.tasks import ROW_BITS
from samovar.corpus.build.workplace import Workplace

if TYPE_CHECKING:
    import numpy as np

_ALL = (0, 2**64 - 1)


class Population:
    """All documents that are left: their keys, the numbers of ``facts.npy``, and whether each still stays."""

    def __init__(self, place: Workplace) -> None:
        import numpy as np

        self.place = place
        tables = [np.load(place.folder.file("clean", shard, "facts.npy")) for shard in range(len(place.splits))]
        self.facts = np.concatenate([np.zeros((0, 5), np.uint64), *tables])
        sizes = [len(table) for table in tables]
        self.shards = np.repeat(np.arange(len(sizes)), sizes)
        starts = np.cumsum([0, *sizes[:-1]])
        rows = np.arange(len(self.facts)) - np.repeat(starts, sizes) if sizes else np.zeros(0, np.int64)
        self.keys = (self.shards.astype(np.uint64) << np.uint64(ROW_BITS)) | rows.astype(np.uint64)
        self.stays = np.ones(len(self.keys), bool)
        self.reasons: list[str] = []
        self.reason = np.full(len(self.keys), -1, np.int16)
        self.values: dict[int, str] = {}

    def drop(self, gone: np.ndarray[Any, Any], reason: str, value: str) -> None:
        """Leave out those of the still staying documents that `gone` marks."""
        gone = gone & self.stays
        self.values[len(self.reasons)] = value
        self.reason[gone] = len(self.reasons)
        self.reasons.append(reason)
        self.stays &= ~gone

    def order(self) -> np.ndarray[Any, Any]:
        """Return a number for each document by which shares and caps choose."""
        return shuffle(self.facts[:, ID_HASH], self.place.recipe.seed)


def find_near(place: Workplace, exact_parts: int) -> tuple[list[Path], dict[str, Any]]:
    """Write who is left out (key, reason, value) and the clusters of those who stay. Returns files and summary."""
    import numpy as np
    import pyarrow as pa

    people = Population(place)
    recipe = place.recipe
    near = pa.table(
        {"key": np.zeros(0, np.uint64), "representative": np.zeros(0, np.uint64), "uri": pa.array([], pa.string())}
    )
    clusters = pa.table(
        {"key": np.zeros(0, np.uint64), "size": np.zeros(0, np.int64), "uris": pa.array([], pa.list_(pa.string()))}
    )
    if recipe.has("near"):
        near, clusters = _near(place, people)
        people.drop(np.isin(people.keys, near.column("key").to_numpy()), "near_duplicate", "")
    if recipe.has("caps"):
        balance(people)
    left_out = _left_out(people, near)
    clusters = join_exact(place, people, near, clusters, exact_parts)
    files = [place.folder.file("near", 0, "left_out.arrow"), place.folder.file("near", 0, "clusters.arrow")]
    write_arrow(files[0], left_out)
    write_arrow(files[1], clusters)
    return files, {
        "documents": len(people.keys),
        "kept": int(people.stays.sum()),
        "near": near.num_rows,
        "clusters": clusters.num_rows,
    }


def _near(place: Workplace, people: Population) -> tuple[Any, Any]:
    """Find clusters by bands, and choose who stays."""
    import numpy as np

    from samovar.corpus.stages.near import cluster

    folder = place.folder
    with (
        _joined(place, "bands.npy", len(people.keys), "F") as bands,
        _joined(place, "signatures.npy", len(people.keys), "C") as signatures,
    ):
        labels = cluster(bands, signatures, place.recipe.near.threshold)
    order = np.argsort(labels, kind="stable")
    same = labels[order[1:]] == labels[order[:-1]]
    inside = np.zeros(len(order), bool)
    inside[1:] |= same
    inside[:-1] |= same
    chosen = np.sort(order[inside])
    keys = people.keys[chosen]
    members = Members(
        keys,
        labels[chosen],
        np.asarray(place.priorities, np.int64)[people.shards[chosen]],
        people.facts[chosen, LENGTH],
        people.facts[chosen, IDENTITY],
        fetch_uris(folder, "clean", "documents.parquet", keys),
    )
    return choose(members)


@contextmanager
def _joined(place: Workplace, what: str, num_rows: int, order: Literal["C", "F"]) -> Iterator[np.ndarray[Any, Any]]:
    """Give the arrays of all splits as one, in a temporary file that is mapped: memory holds what is being looked at."""
    import numpy as np

    arrays = [np.load(place.folder.file("clean", s, what), mmap_mode="r") for s in range(len(place.splits))]
    first = arrays[0]
    if not num_rows:
        yield np.zeros((0, first.shape[1]), first.dtype)
        return
    place.folder.file("near", 0, what).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=place.folder.work / "near") as file:
        joined: np.ndarray[Any, Any] = np.memmap(file, first.dtype, "w+", shape=(num_rows, first.shape[1]), order=order)
        done = 0
        for array in arrays:
            joined[done : done + len(array)] = array
            done += len(array)
        yield joined


def balance(people: Population) -> None:
    """Apply shares of sources, then caps of hosts, languages and sources, each to what is left."""
    import numpy as np

    recipe = people.place.recipe
    order = people.order()
    names = {source.name: n for n, source in enumerate(recipe.source)}
    of_shard = np.array([names[split.source] for split in people.place.splits], np.int64)
    sources = of_shard[people.shards] if len(of_shard) else people.shards
    for n, source in enumerate(recipe.source):
        if source.weight < 1:
            people.drop((sources == n) & ~thin(order, source.weight), "weight", f"{source.weight:g}")
    if recipe.caps.host:
        _cap(
            people,
            people.facts[:, HOST],
            order,
            np.full(len(order), recipe.caps.host),
            "host_cap",
            str(recipe.caps.host),
        )
    if recipe.caps.language or recipe.caps.languages:
        caps = np.full(len(order), recipe.caps.language)
        for tag, cap in recipe.caps.languages.items():
            caps[people.facts[:, LANGUAGE] == np.uint64(host_hash(tag))] = cap
        _cap(people, people.facts[:, LANGUAGE], order, caps, "language_cap", "")
    if any(source.max_documents for source in recipe.source):
        limits = np.array([source.max_documents for source in recipe.source])
        _cap(people, sources, order, limits[sources], "source_cap", "")


def _cap(
    people: Population,
    groups: np.ndarray[Any, Any],
    order: np.ndarray[Any, Any],
    caps: np.ndarray[Any, Any],
    reason: str,
    value: str,
) -> None:
    import numpy as np

    here = np.flatnonzero(people.stays)
    gone = np.zeros(len(people.keys), bool)
    gone[here] = ~cap_groups(groups[here], order[here], caps[here])
    people.drop(gone, reason, value)


def _left_out(people: Population, near: Any) -> Any:
    """Return the table of those left out: key, reason, value (of a near duplicate, the address of the text that stays)."""
    import numpy as np
    import pyarrow as pa

    gone = np.flatnonzero(~people.stays)
    reasons = people.reason[gone]
    uris = dict(zip(near.column("key").to_pylist(), near.column("uri").to_pylist(), strict=True))
    keys = people.keys[gone]
    values = [uris.get(int(key)) or people.values[int(reason)] for key, reason in zip(keys, reasons, strict=True)]
    names = [people.reasons[int(reason)] for reason in reasons]
    return pa.table({"key": keys, "reason": pa.array(names, pa.string()), "value": pa.array(values, pa.string())})


def join_exact(place: Workplace, people: Population, near: Any, clusters: Any, exact_parts: int) -> Any:
    """Add to the clusters of near duplicates the exact duplicates of their members, and those of documents without near ones.

    An exact cluster is known by the row of the item in pass "read"; documents are numbered anew in pass "clean".
    """
    import numpy as np
    import pyarrow as pa

    exact = _exact_clusters(place, people, exact_parts)
    size = dict(zip(clusters.column("key").to_pylist(), clusters.column("size").to_pylist(), strict=True))
    uris = dict(zip(clusters.column("key").to_pylist(), clusters.column("uris").to_pylist(), strict=True))
    head = dict(zip(near.column("key").to_pylist(), near.column("representative").to_pylist(), strict=True))
    for key, (number, some) in sorted(exact.items(), key=lambda pair: (pair[1][1], pair[0])):
        top = head.get(key, key)
        size[top] = size.get(top, 1) + number - 1
        uris[top] = [*uris.get(top, ()), *some][:SHOWN]
    staying = people.keys[people.stays]
    keys = np.array(sorted(size), np.uint64)
    keys = keys[np.isin(keys, staying)]
    rows = [int(key) for key in keys]
    return pa.table(
        {
            "key": keys,
            "size": pa.array([size[key] for key in rows], pa.int64()),
            "uris": pa.array([uris[key] for key in rows], pa.list_(pa.string())),
        }
    )


def _exact_clusters(place: Workplace, people: Population, exact_parts: int) -> dict[int, tuple[int, list[str]]]:
    """Return the exact clusters by the key of the document that stays in them."""
    import numpy as np

    tables = [read_range(place.folder.file("exact", n, "clusters.arrow"), *_ALL) for n in range(exact_parts)]
    found: dict[int, tuple[int, list[str]]] = {}
    if not any(table.num_rows for table in tables):
        return found
    origin = np.concatenate([np.load(place.folder.file("clean", s, "rows.npy")) for s in range(len(place.splits))])
    keys = (people.shards.astype(np.uint64) << np.uint64(ROW_BITS)) | origin
    for table in tables:
        wanted = table.column("key").to_numpy()
        at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
        here = keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool)
        for place_, row in zip(at[here], np.flatnonzero(here), strict=True):
            found[int(people.keys[place_])] = (
                table.column("size")[int(row)].as_py(),
                table.column("uris")[int(row)].as_py(),
            )
    return found
