"""A whole build: plan, passes, manifest. What is committed is not done again; whatever kills it, the same call goes on.

Knows the order of the passes and nothing of what they do.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from samovar.corpus.build.balance import has_balance
from samovar.corpus.build.commit import read_commit
from samovar.corpus.build.duplicates import RANGE_ROWS
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.lock import hold
from samovar.corpus.build.manifest import write_manifest
from samovar.corpus.build.pairs import pair_tasks
from samovar.corpus.build.plan import Plan, make_plan, settle_plan
from samovar.corpus.build.progress import Progress, Watch
from samovar.corpus.build.recipe import MB, Recipe
from samovar.corpus.build.repeats import RANGE_LINES
from samovar.corpus.build.runner import Engine, LocalEngine, count_cores
from samovar.corpus.build.tasks import Task
from samovar.corpus.build.writing_pass import SURVEY
from samovar.errors import CorpusError

Summaries = list[dict[str, Any]]
_PARTS = 8
_LEAST_PART = 4 * MB
_ROUNDS = 3  # how often tasks that an engine lost are given out again


def build_corpus(
    recipe: Recipe,
    output: Path,
    *,
    workers: int = 0,
    engine: str = "local",
    address: str = "",
    fresh: bool = False,
    keep_work: bool = False,
    card: bool = False,
    watch: Watch = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Build a corpus into a folder and return its manifest; a finished build is returned as it is.

    `workers` 0 means one for each core; `engine` is ``local`` or ``ray`` (`address`: a running cluster). With `card`
    the workers count what the data card tells, and ``card.json`` is written too.

    Raises:
        SamovarError: the recipe, an input, the folder or the machine will not do.
        StoppedError: `stop` said so; the same call goes on.
    """
    folder = BuildFolder(output.absolute())
    plan = make_plan(recipe)
    with hold(folder.lock):
        if fresh:
            _empty(folder)
        if (made := _finished(folder, plan)) is not None:
            if not keep_work:  # left by a build that died while it tidied up
                shutil.rmtree(folder.work, ignore_errors=True)
            return made
        settle_plan(folder, plan)
        work = Build(
            recipe, folder, plan, _open_engine(engine, recipe, folder, workers or count_cores(), address), watch, stop
        )
        work.card = card
        try:
            made = work.run()
        finally:
            work.engine.close()
        if not keep_work:
            shutil.rmtree(folder.work)
        return made


def _open_engine(name: str, recipe: Recipe, folder: BuildFolder, workers: int, address: str) -> Engine:
    if name == "ray":
        from samovar.corpus.build.ray_engine import RayEngine

        return RayEngine(recipe, folder, workers, address)
    return LocalEngine(recipe, folder, workers)


def _empty(folder: BuildFolder) -> None:
    """Delete what builds write, and nothing else; in a folder that no build has written, nothing.

    Whose the folder is stands in its plan or manifest; the mark says it while both are being deleted.
    """
    mark = folder.work / "emptying"
    if not (folder.plan.exists() or mark.exists() or _holds_corpus(folder)):
        return  # `settle_plan` refuses what is there
    folder.work.mkdir(exist_ok=True)
    mark.touch()
    for path in (folder.manifest, folder.samples, *(folder.root / name for name in ("card.json", "card.html"))):
        path.unlink(missing_ok=True)
    for path in (folder.documents, folder.ledger, *(p for p in folder.work.iterdir() if p != mark)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(folder.work, ignore_errors=True)


def _holds_corpus(folder: BuildFolder) -> bool:
    """Tell whether there is a manifest of ours; a damaged one counts as ours where its corpus lies beside it."""
    try:
        made = json.loads(folder.manifest.read_bytes())
    except OSError:
        return False
    except ValueError:
        return folder.part("documents", 0).exists()
    return isinstance(made, dict) and "fingerprint" in made


def _finished(folder: BuildFolder, plan: Plan) -> dict[str, Any] | None:
    """Return the manifest of a finished build of this very plan; None when there is none."""
    if not folder.manifest.exists():
        return None
    from samovar.corpus.build.reading import read_manifest

    made = read_manifest(folder.root)
    before, now = ({**f, "work": 0} for f in (made["fingerprint"], plan.fingerprint()))
    if before != now:
        changed = ", ".join(name for name in now if before.get(name) != now[name])
        raise CorpusError(
            f"expected this recipe's corpus in {folder.root}, found one of another ({changed} changed). Name another --output, or build anew with --fresh."
        )
    return made


class Build:
    """The passes of one build."""

    def __init__(
        self, recipe: Recipe, folder: BuildFolder, plan: Plan, engine: Engine, watch: Watch, stop: Callable[[], bool]
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.plan = plan
        self.engine = engine
        self._watch = watch
        self._stop = stop
        self._counts: Counter[str] = Counter()
        self.card = False

    def run(self) -> dict[str, Any]:
        """Do all passes and write the manifest; return it."""
        splits = self.plan.splits
        read = self._pass([Task("read", n, max(1, split.num_bytes)) for n, split in enumerate(splits)])
        exact = self._pass(list(self._exact_tasks(read)))
        lines = self._pass(list(self._lines_tasks(read, len(exact))))
        about = {"exact": len(exact), "lines": len(lines)}
        clean = self._pass([Task("clean", n, 1 + s["chars"], about) for n, s in enumerate(read)])
        pairs = self._pass(self._pairs_tasks(clean))
        clusters = self._pass([Task("clusters", 0, 1, {"pairs": len(pairs)})] if pairs else [])
        near = self._pass(list(self._near_tasks(clusters, len(exact))))
        caps = self._pass([Task("caps", 0, 1, {"near": len(near)})] if has_balance(self.recipe) else [])
        passes = {"exact": len(exact), "near": len(near), "caps": len(caps)}
        parts = group_shards([s["num_bytes"] for s in clean], part_bytes([s["num_bytes"] for s in clean], self.recipe))
        about_parts = {"passes": passes} | ({"card": True} if self.card else {})
        write = self._pass(
            [
                Task("write", n, 1 + sum(clean[s]["num_bytes"] for s in part), {"shards": part, **about_parts})
                for n, part in enumerate(parts)
            ]
        )
        made = write_manifest(
            self.recipe,
            self.plan,
            self.folder,
            {"read": read, "exact": exact, "lines": lines, "clean": clean, "write": write},
        )
        if self.card:
            self._write_card(len(parts))
        return made

    def _write_card(self, num_parts: int) -> None:
        """Put the card together from what the workers counted; where they did not (parts that an earlier call wrote), it is left for later."""
        from samovar.corpus.card.data import write_data

        surveys = [self.folder.file("write", number, SURVEY) for number in range(num_parts)]
        if all(path.is_file() for path in surveys):
            write_data(self.folder.root, surveys)

    def _exact_tasks(self, read: Summaries) -> Iterator[Task]:
        if self.recipe.has("exact"):
            parts = 1 + sum(s["kept"] for s in read) // RANGE_ROWS
            for part in range(parts):
                yield Task("exact", part, 1, {"part": part, "parts": parts})

    def _lines_tasks(self, read: Summaries, exact: int) -> Iterator[Task]:
        if self.recipe.has("lines"):
            parts = 1 + sum(s["lines"] for s in read) // RANGE_LINES
            for part in range(parts):
                yield Task("lines", part, 1, {"part": part, "parts": parts, "exact": exact})

    def _pairs_tasks(self, clean: Summaries) -> list[Task]:
        if not self.recipe.has("near"):
            return []
        return pair_tasks(sum(s["kept"] for s in clean), self.recipe.near.bands)

    def _near_tasks(self, clusters: Summaries, exact: int) -> Iterator[Task]:
        for summary in clusters:
            for number, (start, end) in enumerate(pairwise(summary["cuts"])):
                yield Task("near", number, end - start, {"start": start, "end": end, "exact": exact})

    def _pass(self, tasks: list[Task]) -> Summaries:
        """Do those tasks of a pass that are not committed; return the summaries of all, in the order of their numbers."""
        made = {task.number: summary for task in tasks if (summary := self._kept(task)) is not None}
        progress = self._begin(tasks, made)

        def done(task: Task, summary: dict[str, Any]) -> None:
            made[task.number] = summary
            progress.tasks_done += 1
            progress.bytes_done += task.size
            progress.records_done += summary.get("records", summary.get("kept", summary.get("documents", 0)))
            self._count(summary)
            self._watch(progress)

        def beats(records: int) -> None:
            progress.records_now = records
            self._watch(progress)

        for _ in range(_ROUNDS):
            missing = [task for task in tasks if task.number not in made]
            if not missing:
                break
            self.engine.run(missing, done, beats, self._stop)
        missing = [task for task in tasks if task.number not in made or self._kept(task) is None]
        if missing:
            raise CorpusError(
                f"expected every task of pass {tasks[0].stage} to be committed, found {len(missing)} of {len(tasks)} missing. "
                f"Check that all workers see {self.folder.root}, and run the same command again."
            )
        return [made[task.number] for task in tasks]

    def _kept(self, task: Task) -> dict[str, Any] | None:
        return read_commit(self.folder.commit(task.stage, task.number))

    def _begin(self, tasks: Sequence[Task], made: dict[int, dict[str, Any]]) -> Progress:
        kept = sum(task.size for task in tasks if task.number in made)
        stage = tasks[0].stage if tasks else "none"
        progress = Progress(stage, len(tasks), sum(task.size for task in tasks), len(made), len(made), kept, kept)
        progress.counts = self._counts
        for summary in made.values():
            self._count(summary)
        if tasks:
            self._watch(progress)
        return progress

    def _count(self, summary: dict[str, Any]) -> None:
        for shard in summary.get("shards", (summary,)):
            for stage, decision, _, number in shard.get("counts", ()):
                self._counts[f"{stage} {decision}"] += number


def part_bytes(sizes: Sequence[int], recipe: Recipe) -> int:
    """Return how much text goes into one part: what the recipe says, or an eighth of it all where that is less (but some megabytes), so that
    there is something to write for several workers."""
    return min(recipe.shards.part_mb * MB, max(_LEAST_PART, -(-sum(sizes) // _PARTS)))


def group_shards(sizes: Sequence[int], part_bytes: int) -> list[list[int]]:
    """Put neighbouring splits together into parts of about `part_bytes`; there is always at least one part."""
    parts: list[list[int]] = [[]]
    filled = 0
    for shard, size in enumerate(sizes):
        if parts[-1] and filled + size > part_bytes:
            parts.append([])
            filled = 0
        parts[-1].append(shard)
        filled += size
    return parts
