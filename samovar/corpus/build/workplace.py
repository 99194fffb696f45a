"""What a worker has at hand: the recipe, the folder, its heartbeat, the records to pass over, and the stages, made when first needed.

The one place that knows which stage belongs to which pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.heartbeat import NOBODY, Heartbeat
from samovar.corpus.build.item import Item, Notes, Split
from samovar.corpus.build.plan import read_plan
from samovar.corpus.build.recipe import STAGES, Recipe
from samovar.corpus.build.stage import Stage
from samovar.corpus.build.tasks import Poison

BATCH_CHARS = 4_000_000


@dataclass(slots=True)
class Batch:
    """Items that go through stages together, with the numbers (of records or rows) by which they are passed over."""

    numbers: list[int] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)


class Workplace:
    """The state of one worker between tasks. `poison` is that of the task at hand."""

    def __init__(
        self, recipe: Recipe, folder: BuildFolder, beat: Heartbeat, stop: Callable[[], None] = lambda: None
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.beat = beat
        self.poison = Poison()
        self._stop = stop
        self._made: dict[str, Stage] = {}

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """The splits of the plan."""
        return read_plan(self.folder)

    @cached_property
    def priorities(self) -> list[int]:
        """The priority of each split's source."""
        by_name = {source.name: source.priority for source in self.recipe.source}
        return [by_name[split.source] for split in self.splits]

    def check(self) -> None:
        """End here if nobody waits for the work any more."""
        self._stop()

    def wait(self, seconds: float) -> None:
        """Wait before the task is done from its beginning again; no record is to blame for it."""
        self.beat.clear()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 1.0))

    @property
    def batch_rows(self) -> int:
        """How many items go through the stages together."""
        return 1 if self.poison.careful else self.recipe.shards.batch_rows

    def stages(self, names: Sequence[str]) -> list[Stage]:
        """Return those of the named stages that the recipe has, in its order."""
        return [self._stage(name) for name in self.recipe.stages if name in names]

    def _stage(self, name: str) -> Stage:
        if name not in self._made:
            self._made[name] = make_stage(name, self.recipe)
        return self._made[name]

    def batches(self, items: Iterator[tuple[int, Item]]) -> Iterator[Batch]:
        """Put items into batches."""
        batch, chars = Batch(), 0
        for number, item in items:
            batch.numbers.append(number)
            batch.items.append(item)
            chars += len(item.text)
            if len(batch.items) >= self.batch_rows or chars >= BATCH_CHARS:
                yield batch
                batch, chars = Batch(), 0
        if batch.items:
            yield batch

    def run(self, batch: Batch, stages: Sequence[Stage], notes: Notes) -> list[Item]:
        """Send a batch through some stages, under the heartbeat: with one item in it, the item is named."""
        self._stop()
        items = batch.items
        for stage in stages:
            self.name(batch, stage.name)
            items = stage.apply(items, notes)
        self.name(batch, "extract")
        return items

    def name(self, batch: Batch, stage: str) -> None:
        """Say in the heartbeat what is being done."""
        self.beat.say(batch.numbers[0] if len(batch.numbers) == 1 else NOBODY, STAGES.index(stage))


def make_stage(name: str, recipe: Recipe) -> Stage:
    """Make one of the stages that look at texts one by one."""
    if name == "repair":
        from samovar.corpus.stages.repair import Repair

        return Repair(recipe.repair)
    if name == "language":
        from samovar.corpus.stages.language import Language

        options = recipe.language
        if recipe.languages and not options.keep:
            options = options.model_copy(update={"keep": recipe.languages})
        return Language(options)
    if name == "quality":
        from samovar.corpus.stages.quality import Quality

        return Quality(recipe.quality)
    if name == "personal":
        from samovar.corpus.stages.personal import Personal

        return Personal(recipe.personal)
    if name == "contamination":
        from samovar.corpus.stages.contamination import Contamination

        names = tuple(recipe.references().values())
        return Contamination(recipe.contamination.model_copy(update={"references": names}))
    raise ValueError(f"no stage by itself: {name}")


def summarise(notes: Notes, **more: Any) -> dict[str, Any]:
    """Return what a task's commit says about its ledger: counts as [stage, decision, reason, number], samples by "stage:reason"."""
    counts = [[*key, number] for key, number in sorted(notes.counts.items())]
    return {
        "source": notes.source,
        "counts": counts,
        "samples": {key: list(map(list, s)) for key, s in notes.samples.items()},
        **more,
    }
