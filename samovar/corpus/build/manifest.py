"""The manifest: what a corpus is made of and what happened on the way, written when everything else is on the disk.

Its presence means "complete". `output_sha256` depends on the documents and the ledger alone: the same recipe and inputs give the same one.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from samovar.corpus.build.commit import write_json
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.item import MAX_SAMPLES, SAMPLE_CHARS, SAMPLE_MARGIN
from samovar.corpus.build.plan import FORMAT, Plan
from samovar.corpus.build.recipe import STAGES, Recipe
from samovar.digests import hash_file
from samovar.errors import CorpusError

Summaries = Sequence[Mapping[str, Any]]


def write_manifest(recipe: Recipe, plan: Plan, folder: BuildFolder, made: Mapping[str, Summaries]) -> dict[str, Any]:
    """Put together what the tasks said, check that every record is accounted for, and write ``samples.json`` and ``manifest.json``."""
    sources = _sources(recipe, plan, made)
    check_balance(sources)
    files = [
        describe_file(folder, kind, n, made["write"][n])
        for kind in ("documents", "ledger")
        for n in range(len(made["write"]))
    ]
    write_json(folder.samples, collect_samples(recipe, made), indent=1)
    manifest = {
        "format": FORMAT,
        "name": recipe.name,
        "date": recipe.date,
        "recipe": recipe.as_json(),
        "fingerprint": plan.fingerprint(),
        "versions": dict(plan.versions),
        "documents": sum(s["documents"] for s in made["write"]),
        "ledger_rows": sum(s["ledger_rows"] for s in made["write"]),
        "sizes": _sizes(made["write"]),
        "sources": sources,
        "counts": [[*key, n] for key, n in sorted(_counts(made).items(), key=lambda pair: _rank(pair[0]))],
        "passes": {
            name: {"documents": sum(s["kept"] for s in made[name]), "chars": sum(s["chars"] for s in made[name])}
            for name in ("read", "clean")
        },
        "clusters": {
            "exact": sum(s["clusters"] for s in made["exact"]),
            "near": sum(s["clusters"] for s in made["write"]),
        },
        "samples": hash_file(folder.samples),
        "files": files,
        "output_sha256": hashlib.sha256("".join(f"{f['path']} {f['sha256']}\n" for f in files).encode()).hexdigest(),
    }
    write_json(folder.manifest, manifest, indent=1)
    return manifest


def describe_file(folder: BuildFolder, kind: str, number: int, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return path, size, rows and hash of one file of the output."""
    path = folder.part(kind, number)
    rows = summary["documents" if kind == "documents" else "ledger_rows"]
    return {
        "path": str(path.relative_to(folder.root)),
        "bytes": path.stat().st_size,
        "rows": rows,
        "sha256": hash_file(path),
    }


def _rank(key: tuple[str, ...]) -> tuple[str, int, str, str]:
    source, stage, decision, reason = key
    return source, STAGES.index(stage) if stage in STAGES else len(STAGES), decision, reason


def _summaries(made: Mapping[str, Summaries]) -> Iterator[Mapping[str, Any]]:
    """Yield what is said about each split, in every pass that has something to say."""
    yield from made["read"]
    yield from made["clean"]
    for part in made["write"]:
        yield from part["shards"]


def _counts(made: Mapping[str, Summaries]) -> Counter[tuple[str, str, str, str]]:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for summary in _summaries(made):
        for stage, decision, reason, number in summary["counts"]:
            counts[summary["source"], stage, decision, reason] += number
    return counts


def _sources(recipe: Recipe, plan: Plan, made: Mapping[str, Summaries]) -> dict[str, dict[str, Any]]:
    """Return, for each source: inputs, records seen, texts kept and dropped, what the reader passed over, the weight for training."""
    found: dict[str, dict[str, Any]] = {}
    for source in recipe.source:
        splits = [n for n, split in enumerate(plan.splits) if split.source == source.name]
        read = [made["read"][n] for n in splits]
        passed: Counter[str] = Counter()
        for summary in read:
            passed.update(summary["passed"])
        found[source.name] = {
            "kind": source.kind,
            "splits": len(splits),
            "num_bytes": sum(plan.splits[n].num_bytes for n in splits),
            "records": sum(s["records"] for s in read),
            "seen": sum(s["seen"] for s in read),
            "kept": 0,
            "dropped": 0,
            "changed": 0,
            "passed": dict(sorted(passed.items())),
            "weight": source.weight,
        }
    for (name, _, decision, _), number in _counts(made).items():
        found[name][decision] += number
    return found


def check_balance(sources: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that every text that was seen was kept or dropped.

    Raises:
        CorpusError: texts are missing or came from nowhere: a mistake in the program, and no corpus is declared complete with it.
    """
    for name, about in sources.items():
        if about["kept"] + about["dropped"] != about["seen"]:
            raise CorpusError(
                f"expected every text of source {name} to be kept or dropped, found {about['seen']} seen, {about['kept']} kept, "
                f"{about['dropped']} dropped. This is a bug in Samovar: please report it with the recipe."
            )


def _sizes(write: Summaries) -> dict[str, dict[str, dict[str, int]]]:
    """Return documents and characters by source, language and licence."""
    sizes: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for summary in write:
        for kind, name, unit, number in summary["sizes"]:
            entry = sizes[kind].setdefault(name, {"documents": 0, "chars": 0})
            entry[unit] += number
    return {kind: dict(sorted(names.items())) for kind, names in sorted(sizes.items())}


def collect_samples(recipe: Recipe, made: Mapping[str, Summaries]) -> dict[str, dict[str, list[list[str]]]]:
    """Return, by source and "stage:reason", the first few dropped texts in the order of the input.

    Most were dropped before personal data is masked: it is masked here, where the recipe has that stage.
    """
    mask = _masker(recipe)
    samples: dict[str, dict[str, list[list[str]]]] = defaultdict(dict)
    for summary in _summaries(made):
        for reason, some in summary["samples"].items():
            kept = samples[summary["source"]].setdefault(reason, [])
            kept += [[uri, _cut(mask, text)] for uri, text in some[: MAX_SAMPLES - len(kept)]]
    return {source: dict(sorted(reasons.items())) for source, reasons in sorted(samples.items())}


def _masker(recipe: Recipe) -> Callable[[str], str]:
    if not recipe.has("personal"):
        return str
    from samovar.corpus.stages.personal import Personal

    return Personal(recipe.personal).mask_sample


def _cut(mask: Callable[[str], str], text: str) -> str:
    """Mask, then cut; of a text that goes on, what is last may be half a number: it is not shown."""
    masked = mask(text)
    if len(text) == SAMPLE_CHARS + SAMPLE_MARGIN:
        masked = masked[: max(0, len(masked) - SAMPLE_MARGIN)]
    return masked[:SAMPLE_CHARS]
