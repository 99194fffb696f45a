"""The local engine: some worker processes, the largest tasks first, failed ones again.

Knows tasks and their commits, not what they do. The commits in the folder are the truth: a task that is committed is never given out.
"""

from __future__ import annotations

import heapq
import os
import select
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from samovar.corpus.build.attempts import Attempts
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.recipe import Recipe
from samovar.corpus.build.supervisor import Supervisor
from samovar.corpus.build.tasks import Task

_LOOK_SECONDS = 0.2
_SHOW_SECONDS = 0.5

Done = Callable[[Task, dict[str, Any]], None]
Beats = Callable[[int], None]


class StoppedError(Exception):
    """The builder was asked to stop."""


class Engine(Protocol):
    """Does tasks: calls `done` for each, `beats` with the records of the tasks under way now and then; raises `StoppedError` when `stop` says so."""

    def run(self, tasks: Sequence[Task], done: Done, beats: Beats, stop: Callable[[], bool]) -> None:
        """Do the tasks, in any order."""
        ...

    def close(self) -> None:
        """Give the workers back."""
        ...


class LocalEngine:
    """Worker processes on this machine."""

    def __init__(self, recipe: Recipe, folder: BuildFolder, num_workers: int) -> None:
        self._recipe = recipe
        self._folder = folder
        self._workers = [Supervisor(recipe, folder) for _ in range(num_workers)]
        self._shown = 0.0

    def run(self, tasks: Sequence[Task], done: Done, beats: Beats, stop: Callable[[], bool]) -> None:
        """Do the tasks.

        Raises:
            StoppedError: `stop` said so; the workers are ended, what they were at is done again next time.
            SamovarError: the build cannot go on.
        """
        queue = [(-task.size, task.number) for task in tasks]
        heapq.heapify(queue)
        by_number = {task.number: task for task in tasks}
        tries = {task.number: Attempts(task, self._folder, self._recipe.limits) for task in tasks}
        try:
            while queue or any(worker.task for worker in self._workers):
                if stop():
                    raise StoppedError
                for worker in self._workers:
                    if worker.task is None and queue:
                        number = heapq.heappop(queue)[1]
                        worker.give(by_number[number], tries[number].poison)
                self._wait()
                for worker in self._workers:
                    self._look(worker, tries, queue, done)
                self._show(beats)
        except BaseException:
            for worker in self._workers:
                worker.stop()
            raise

    def _wait(self) -> None:
        descriptors = [d for worker in self._workers if worker.task for d in worker.descriptors]
        poller = select.poll()
        for descriptor in descriptors:
            poller.register(descriptor, select.POLLIN)
        poller.poll(_LOOK_SECONDS * 1000)

    def _look(self, worker: Supervisor, tries: dict[int, Attempts], queue: list[tuple[int, int]], done: Done) -> None:
        task = worker.task
        reply = worker.look()
        if task is None or reply is None:
            return
        if reply.summary is not None:
            done(task, reply.summary)
            return
        tries[task.number].note(reply)
        heapq.heappush(queue, (-task.size, task.number))

    def _show(self, beats: Beats) -> None:
        if time.monotonic() - self._shown > _SHOW_SECONDS:
            self._shown = time.monotonic()
            beats(sum(worker.beat.records for worker in self._workers if worker.task))

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.close()


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
